#include "engine/ranking/ranker_network.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "engine/model/safetensors.h"
#include "engine/ranking/ranker_model.h"
#include "tests/engine/ranking/drawn_network.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using ranking::RankerNetwork;
using ranking::read_network;
using ranking::test::drawn_network;

bool same_numbers(const ranking::NetworkNumbers& a, const ranking::NetworkNumbers& b) {
  if (a.mean != b.mean || a.scale != b.scale || a.layers.size() != b.layers.size()) return false;
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    if (a.layers[i].weights != b.layers[i].weights || a.layers[i].biases != b.layers[i].biases) return false;
  }
  return true;
}

bool same(const RankerNetwork& a, const RankerNetwork& b) {
  return std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                    [](const auto& one, const auto& other) {
                      return same_numbers(one.visits, other.visits) && same_numbers(one.places, other.places);
                    });
}

/// What reading a network says that `spoil` has done something to.
Status spoiled(const std::function<void(RankerNetwork*)>& spoil) {
  const test::TemporaryFolder folder;
  RankerNetwork network = drawn_network(1);
  spoil(&network);
  const std::string path = folder.path() + "/network.safetensors";
  REQUIRE(ranking::write_network(path, network).ok());
  return read_network(path).status();
}

TEST_CASE("a network is read as it was written, from a file and from memory") {
  const test::TemporaryFolder folder;
  const RankerNetwork network = drawn_network(7);
  const std::string path = folder.path() + "/network.safetensors";
  REQUIRE(ranking::write_network(path, network).ok());
  const auto read = read_network(path);
  REQUIRE_MESSAGE(read.ok(), read.status().to_string());
  CHECK(same(*read, network));

  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const auto parsed = ranking::parse_network("n", std::as_bytes(std::span(bytes)));
  REQUIRE_MESSAGE(parsed.ok(), parsed.status().to_string());
  CHECK(same(*parsed, network));
  // Cut anywhere, it is refused.
  for (std::size_t length = 0; length < bytes.size(); length += 97) {
    CHECK_FALSE(ranking::parse_network("n", std::as_bytes(std::span(bytes).first(length))).ok());
  }
}

TEST_CASE("numbers that make no network are refused, and the message names the tensor") {
  CHECK(spoiled([](RankerNetwork*) {}).ok());
  const Status infinite = spoiled([](RankerNetwork* network) {
    network->members[1].places.layers[1].weights[3] = std::numeric_limits<float>::infinity();
  });
  CHECK(infinite.code() == StatusCode::kInvalidArgument);
  CHECK(infinite.message().find("1.places.1.weight") != std::string::npos);
  CHECK(infinite.message().find("network.safetensors") != std::string::npos);
  const Status two_outputs = spoiled([](RankerNetwork* network) {
    ranking::NetworkNumbers::Layer& last = network->members[1].places.layers.back();
    last.outputs = 2;
    last.weights.resize(2 * last.inputs);
    last.biases.resize(2);
  });
  CHECK(two_outputs.message().find("must have 1 row") != std::string::npos);
  CHECK(spoiled([](RankerNetwork* network) { network->members[1].visits.mean.pop_back(); })
            .message()
            .find("1.visits.mean") != std::string::npos);
  CHECK(spoiled([](RankerNetwork* network) { network->members[1].visits.layers[0].biases.push_back(0.0F); })
            .message()
            .find("1.visits.0.bias") != std::string::npos);
}

TEST_CASE("a network for other inputs is refused, with what to do") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/network.safetensors";
  REQUIRE(model::write_safetensors(path, {}, {{"visit_inputs", "age,hour"}, {"place_inputs", "distance"}}).ok());
  const Status other = read_network(path).status();
  CHECK(other.code() == StatusCode::kInvalidArgument);
  CHECK(other.message().find("cairn train --kind ranker") != std::string::npos);
  REQUIRE(model::write_safetensors(path, {}).ok());
  CHECK(read_network(path).status().message().find("visit_inputs") != std::string::npos);
  CHECK(read_network(folder.path() + "/none").status().code() == StatusCode::kNotFound);
}

TEST_CASE("a ranker with a network is read as it was written, also over another one") {
  const test::TemporaryFolder folder;
  ranking::RankerModel ranker = ranking::default_ranker();
  ranker.version = 17;
  ranker.weights[0] = 0.1 + 0.2;  // needs all its digits
  for (const std::uint64_t seed : {1, 2, 3}) {
    ranker.network = drawn_network(seed);
    REQUIRE(ranking::write_ranker(folder.path(), ranker).ok());
    const auto read = ranking::read_ranker(folder.path());
    REQUIRE_MESSAGE(read.ok(), read.status().to_string());
    CHECK(read->version == 17);
    CHECK(read->weights == ranker.weights);
    CHECK(read->habit.same_gap == ranker.habit.same_gap);
    CHECK(read->week.reach_hours == ranker.week.reach_hours);
    REQUIRE(read->network.has_value());
    CHECK(same(*read->network, *ranker.network));
    // What the ranker before had is gone.
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
    CHECK(files == 2);
  }
  ranker.network.reset();
  REQUIRE(ranking::write_ranker(folder.path(), ranker).ok());
  const auto read = ranking::read_ranker(folder.path());
  REQUIRE(read.ok());
  CHECK_FALSE(read->network.has_value());
}

TEST_CASE("a ranker names a network beside it and no other file") {
  const test::TemporaryFolder folder;
  ranking::RankerModel ranker = ranking::default_ranker();
  ranker.network = drawn_network(1);
  REQUIRE(ranking::write_ranker(folder.path(), ranker).ok());
  const std::string path = folder.path() + "/model.toml";
  std::ifstream in(path);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto with = [&](const std::string& by) {
    std::string changed = text;
    const std::string what = "file = \"network.safetensors\"";
    changed.replace(changed.find(what), what.size(), by);
    std::ofstream(path) << changed;
    return ranking::read_ranker(folder.path()).status();
  };
  CHECK(with("file = \"network.safetensors\"").ok());
  CHECK(with("file = \"gone.safetensors\"").code() == StatusCode::kNotFound);
  for (const char* wrong : {"file = \"../network.safetensors\"", "file = \"\"", "file = \".hidden\"", "", "file = 3",
                            "file = \"network.safetensors\"\nprecision = \"int8\""}) {
    CAPTURE(wrong);
    CHECK(with(wrong).code() == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a ranker whose network was replaced by another one is refused, and one that was written whole is not") {
  const test::TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    ranking::RankerModel ranker = ranking::default_ranker();
    ranker.network = drawn_network(name[0] == 'a' ? 1 : 2);
    std::filesystem::create_directory(folder / name);
    REQUIRE(ranking::write_ranker(folder / name, ranker).ok());
    REQUIRE(ranking::read_ranker(folder / name).ok());
  }
  std::filesystem::copy_file(folder / "b/network.safetensors", folder / "a/network.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  const Status mixed = ranking::read_ranker(folder / "a").status();
  CHECK(mixed.code() == StatusCode::kInvalidArgument);
  CHECK(mixed.message().find("is the network of another ranker") != std::string::npos);
}

TEST_CASE("a directory is known for a ranker's by its kind, also when its description is broken") {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "r");
  CHECK_FALSE(ranking::is_ranker(folder / "r"));
  CHECK_FALSE(ranking::is_ranker(""));
  REQUIRE(ranking::write_ranker(folder / "r", ranking::default_ranker()).ok());
  CHECK(ranking::is_ranker(folder / "r"));
  folder.write("r/model.toml", folder.read("r/model.toml") + "\n[broken");
  CHECK(ranking::is_ranker(folder / "r"));
  folder.write("r/model.toml", "kind = \"ials\"\n");
  CHECK_FALSE(ranking::is_ranker(folder / "r"));
}

}  // namespace
