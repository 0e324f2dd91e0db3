#include "engine/model/model_shelf.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <thread>

#include "engine/model/safetensors.h"
#include "tests/engine/model/made_up.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::model;
using namespace cairn::model_test;
using cairn::test::TemporaryFolder;

namespace {

constexpr std::size_t kItems = 40;
constexpr std::size_t kDim = 9;

void save(const Model& model, const std::string& folder) {
  const Status saved = save_model(model, folder);
  REQUIRE_MESSAGE(saved.ok(), saved.to_string());
}

std::unique_ptr<gpu::Backend> backend() {
  auto made = gpu::make_cpu_backend({.threads = 1});
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

std::shared_ptr<const ServedModel> served(const std::string& folder) {
  const auto processor = backend();
  auto made = ServedModel::load(folder, *processor, event_time_from_ms(1));
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  return *std::move(made);
}

Model only_component(std::size_t index, std::uint64_t seed) {
  Model model = model_of_all_kinds(kItems, kDim, seed);
  model.components = {model.components[index]};
  return model;
}
constexpr std::size_t kEmbedding = 2;
constexpr std::size_t kFoldIn = 3;

/// A shelf that serves a model, and a folder for others.
struct Shelf {
  Shelf() {
    save(model_of_all_kinds(kItems, kDim, 1), folder / "good");
    REQUIRE(shelf.activate(folder / "good").ok());
  }
  TemporaryFolder folder;
  ManualClock clock{event_time_from_ms(1'000)};
  std::unique_ptr<gpu::Backend> processor = backend();
  ModelShelf shelf{*processor, clock};
};

}  // namespace

TEST_CASE("the same bytes have the same version wherever they lie, and other bytes or another generation another") {
  const TemporaryFolder scratch;
  const Model model = model_of_all_kinds(kItems, kDim, 1);
  save(model, scratch / "a");
  save(model, scratch / "b");
  const std::string version = served(scratch / "a")->version();
  INFO(version);
  CHECK(version.size() == 18);
  CHECK(version.find_first_not_of("0123456789abcdef") == 16);
  CHECK(version.substr(16) == "-1");
  CHECK(served(scratch / "b")->version() == version);
  std::filesystem::copy(scratch / "a", scratch / "c", std::filesystem::copy_options::recursive);
  CHECK(served(scratch / "c")->version() == version);

  scratch.write("c/notes.txt", "of no model file");
  CHECK(served(scratch / "c")->version() == version);
  scratch.write("c/model.toml", scratch.read("c/model.toml") + "\n[metrics]\nrecall = 0.5\n");
  CHECK(served(scratch / "c")->version() != version);

  Model other = model;
  other.components[2].item_vectors.back() += 1.0F;
  save(other, scratch / "d");
  CHECK(served(scratch / "d")->version() != version);
  save(model, scratch / "a");
  CHECK(served(scratch / "a")->version().substr(16) == "-2");
  CHECK(served(scratch / "a")->generation() == 2);
}

TEST_CASE("what a served model says of itself is what its directory holds") {
  const TemporaryFolder scratch;
  const Model model = model_of_all_kinds(kItems, kDim, 3);
  save(model, scratch / "m");
  const auto made = served(scratch / "m");
  CHECK(made->directory() == scratch / "m");
  CHECK(made->loaded() == event_time_from_ms(1));
  CHECK(made->model().items == model.items);
  for (std::uint32_t row = 0; row < kItems; ++row) REQUIRE(made->ids().find(model.items[row]) == row);
  CHECK(made->ids().find("nobody's") == gpu::kNoRow);
  CHECK(made->memory_bytes() > kItems * kDim * sizeof(float) * 3);
}

TEST_CASE("a model in memory is served as its directory would be, and refused for the same reasons") {
  const TemporaryFolder scratch;
  const auto processor = backend();
  const Model model = model_of_all_kinds(kItems, kDim, 3);
  save(model, scratch / "m");
  const auto made = ServedModel::create(model, *processor, event_time_from_ms(7));
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  CHECK((*made)->directory().empty());
  CHECK((*made)->version().empty());
  CHECK((*made)->loaded() == event_time_from_ms(7));
  const std::uint64_t offsets[] = {0, 3};
  const std::uint32_t columns[] = {1, 4, 6};
  const gpu::SparseView history{.offsets = offsets, .columns = columns, .width = kItems};
  std::vector<float> in_memory;
  std::vector<float> from_disk;
  REQUIRE((*made)->ranker().score(history, &in_memory).ok());
  REQUIRE(served(scratch / "m")->ranker().score(history, &from_disk).ok());
  CHECK(in_memory == from_disk);

  Model wrong = model;
  wrong.items[2] = wrong.items[3];
  CHECK(ServedModel::create(wrong, *processor, {}).status().code() == StatusCode::kInvalidArgument);
  Model endless = only_component(kEmbedding, 7);  // finite numbers whose products are not
  for (float& value : endless.components[0].item_vectors) value = 1e38F;
  endless.components[0].history_vectors.clear();
  CHECK(ServedModel::create(endless, *processor, {}).status().code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("where a score is one dot product, the vectors give the bits that the ranker answers") {
  const TemporaryFolder scratch;
  for (const std::size_t component : {kEmbedding, kFoldIn}) {
    for (const auto precision : {gpu::Precision::kFp32, gpu::Precision::kFp16, gpu::Precision::kInt8}) {
      INFO(component, ", ", to_string(precision));
      Model model = only_component(component, 4);
      model.components[0].precision = precision;
      save(model, scratch / "m");
      const auto made = served(scratch / "m");
      const gpu::MatrixView vectors = made->vectors();
      REQUIRE(vectors.rows == kItems);
      REQUIRE(vectors.dim == kDim);
      const std::uint64_t offsets[] = {0, 3};
      const std::uint32_t items[] = {2, 11, 30};
      const gpu::SparseView history{.offsets = offsets, .columns = items, .width = kItems};
      std::vector<float> query;
      gpu::TopKAnswers answers;
      REQUIRE(made->ranker().queries(0, history, &query).ok());
      REQUIRE(made->ranker().rank(history, kItems, {}, &answers).ok());
      REQUIRE(answers.counts[0] == kItems);
      for (std::size_t i = 0; i < kItems; ++i) {
        float sum = 0.0F;
        for (std::size_t j = 0; j < kDim; ++j) sum = std::fmaf(query[j], vectors.row(answers.rows[i])[j], sum);
        CHECK(sum == answers.scores[i]);
      }
    }
  }
}

TEST_CASE("a blend, and a component whose scores are divided, has no vectors that are its score") {
  const TemporaryFolder scratch;
  save(model_of_all_kinds(kItems, kDim, 5), scratch / "blend");
  CHECK(served(scratch / "blend")->vectors().values.empty());
  Model divided = only_component(kFoldIn, 5);
  divided.components[0].normalization = Normalization::kDeviation;
  save(divided, scratch / "divided");
  CHECK(served(scratch / "divided")->vectors().values.empty());
}

TEST_CASE("a broken directory of whatever kind leaves the model in force, and the reason is told") {
  Shelf on;
  const auto before = on.shelf.current();
  const std::string bad = on.folder / "bad";
  const auto file_of = [&](const std::string& name) { return bad + "/" + name + "-1.safetensors"; };
  const auto broken_tensors = [&](const std::function<void(Model*)>& change) {
    // What check_model() refuses to save is put into the files behind its back.
    Model model = only_component(kEmbedding, 7);
    change(&model);
    const std::string path = file_of("Vectors_2");
    REQUIRE(write_safetensors(path, {tensor("item_vectors", {kItems, kDim},
                                            std::span<const float>(model.components[0].item_vectors))})
                .ok());
  };
  const struct {
    const char* what;
    StatusCode code;
    const char* part;  ///< of the reason
    std::function<void()> break_it;
  } cases[] = {
      {"it is gone", StatusCode::kNotFound, "no model directory", [&] { std::filesystem::remove_all(bad); }},
      {"it is a file", StatusCode::kUnavailable, "model.toml",
       [&] {
         std::filesystem::remove_all(bad);
         on.folder.write("bad", "x");
       }},
      {"it has no model.toml", StatusCode::kNotFound, "there is no model.toml in it",
       [&] { std::filesystem::remove(bad + "/model.toml"); }},
      {"model.toml is empty", StatusCode::kInvalidArgument, "model.toml",
       [&] { on.folder.write("bad/model.toml", ""); }},
      {"model.toml is of a later version", StatusCode::kUnimplemented, "format 2",
       [&] { on.folder.write("bad/model.toml", "format = 2\n"); }},
      {"model.toml is a folder", StatusCode::kFailedPrecondition, "is no regular file",
       [&] {
         std::filesystem::remove(bad + "/model.toml");
         std::filesystem::create_directory(bad + "/model.toml");
       }},
      {"a file is gone", StatusCode::kNotFound, "Vectors_2-1.safetensors",
       [&] { std::filesystem::remove(file_of("Vectors_2")); }},
      {"a file is cut short", StatusCode::kInvalidArgument, "Vectors_2-1.safetensors",
       [&] {
         std::filesystem::resize_file(file_of("Vectors_2"), std::filesystem::file_size(file_of("Vectors_2")) - 4);
       }},
      {"a file is empty", StatusCode::kInvalidArgument, "less than 8 bytes",
       [&] { std::filesystem::resize_file(file_of("Vectors_2"), 0); }},
      {"a file is no safetensors", StatusCode::kInvalidArgument, "is no safetensors file",
       [&] { on.folder.write("bad/Vectors_2-1.safetensors", std::string(4096, 'x')); }},
      {"a file is a pipe that nobody writes", StatusCode::kFailedPrecondition, "is no regular file",
       [&] {
         std::filesystem::remove(file_of("Vectors_2"));
         REQUIRE(::mkfifo(file_of("Vectors_2").c_str(), 0600) == 0);
       }},
      {"a file leads to itself", StatusCode::kUnavailable, "Vectors_2-1.safetensors",
       [&] {
         std::filesystem::remove(file_of("Vectors_2"));
         std::filesystem::create_symlink("Vectors_2-1.safetensors", file_of("Vectors_2"));
       }},
      {"a number is not finite", StatusCode::kInvalidArgument, "not finite",
       [&] {
         broken_tensors(
             [](Model* model) { model->components[0].item_vectors[5] = std::numeric_limits<float>::quiet_NaN(); });
       }},
      {"numbers are so large that scores pass all bounds", StatusCode::kFailedPrecondition, "is not finite",
       [&] {
         broken_tensors([](Model* model) {
           for (float& value : model->components[0].item_vectors) value = 1e30F;
         });
       }},
      {"there are more items than vectors", StatusCode::kInvalidArgument, "Vectors_2-1.safetensors",
       [&] {
         const std::vector<float> few(kDim);
         REQUIRE(write_safetensors(file_of("Vectors_2"), {tensor("item_vectors", {1, kDim}, std::span(few))}).ok());
       }},
  };
  for (const auto& [what, code, part, break_it] : cases) {
    INFO(what);
    std::filesystem::remove_all(bad);
    save(only_component(kEmbedding, 7), bad);
    break_it();
    on.clock.advance(std::chrono::milliseconds(5));
    const Status status = on.shelf.activate(bad);
    INFO(status.to_string());
    CHECK(status.code() == code);
    CHECK(status.message().find(part) != std::string::npos);
    CHECK(on.shelf.current() == before);
    const ModelShelf::Failure failure = on.shelf.last_failure();
    CHECK(failure.at == on.clock.now());
    CHECK(failure.directory == bad);
    CHECK(failure.status.message() == status.message());
  }
  std::filesystem::remove_all(bad);
  save(only_component(kEmbedding, 7), bad);
  CHECK(on.shelf.activate(bad).ok());
  CHECK(on.shelf.current() != before);
  CHECK(on.shelf.last_failure().status.ok());
  CHECK(on.shelf.last_failure().at == EventTime{});
}

TEST_CASE("a model that was replaced lives until its last holder lets go of it, and an empty shelf holds none") {
  Shelf on;
  auto held = on.shelf.current();
  const std::weak_ptr<const ServedModel> first = held;
  save(only_component(kFoldIn, 2), on.folder / "next");
  REQUIRE(on.shelf.activate(on.folder / "next").ok());
  CHECK(held->model().items.size() == kItems);
  CHECK(!first.expired());
  held.reset();
  CHECK(first.expired());
  const std::weak_ptr<const ServedModel> second = on.shelf.current();
  on.shelf.clear();
  CHECK(on.shelf.current() == nullptr);
  CHECK(second.expired());
}

TEST_CASE("a directory that did not change stays the same model, and one that changed is another") {
  Shelf on;
  const auto first = on.shelf.current();
  REQUIRE(on.shelf.activate(on.folder / "good").ok());
  CHECK(on.shelf.current() == first);
  save(model_of_all_kinds(kItems, kDim, 2), on.folder / "good");
  REQUIRE(on.shelf.activate(on.folder / "good").ok());
  CHECK(on.shelf.current() != first);
  CHECK(on.shelf.current()->generation() == 2);
}

TEST_CASE("while models are replaced, everybody who asks holds one whole model") {
  Shelf on;
  save(only_component(kFoldIn, 2), on.folder / "other");
  const std::map<std::string, std::size_t> components = {{on.folder / "good", 4}, {on.folder / "other", 1}};
  std::atomic<bool> done{false};
  std::atomic<std::size_t> torn{0};
  std::atomic<std::size_t> asked{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!done.load()) {
        const auto model = on.shelf.current();
        const bool whole = model->model().components.size() == components.at(model->directory()) &&
                           model->ids().find(model->model().items.back()) == kItems - 1;
        torn += whole ? 0 : 1;
        ++asked;
      }
    });
  }
  std::thread rival([&] {
    for (int i = 0; i < 10; ++i) REQUIRE(on.shelf.activate(on.folder / "good").ok());
  });
  for (int i = 0; i < 10; ++i) REQUIRE(on.shelf.activate(on.folder / (i % 2 == 0 ? "other" : "good")).ok());
  rival.join();
  while (asked.load() < 10) std::this_thread::yield();
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(torn.load() == 0);
}

TEST_CASE("a directory whose model is replaced while it is read is read as one of the two") {
  Shelf on;
  const std::string folder = on.folder / "good";
  std::atomic<bool> done{false};
  std::thread trainer([&] {
    for (std::uint64_t seed = 1; !done.load(); ++seed) save(model_of_all_kinds(kItems, kDim, seed % 2), folder);
  });
  std::size_t failures = 0;
  for (int i = 0; i < 50; ++i) {
    const Status status = on.shelf.activate(folder);
    if (!status.ok()) MESSAGE(status.to_string());
    failures += status.ok() ? 0 : 1;
  }
  done = true;
  trainer.join();
  CHECK(failures == 0);
}

TEST_CASE("a link that is turned to another model while it is read is read as one of the two") {
  const TemporaryFolder scratch;
  const auto of_ones = [&](const std::string& kind, float value) {
    Model model = only_component(kEmbedding, 7);
    model.kind = kind;
    std::fill(model.components[0].item_vectors.begin(), model.components[0].item_vectors.end(), value);
    model.popularity.assign(kItems, value);
    save(model, scratch / kind);
  };
  of_ones("one", 1.0F);  // the files of both have the same names
  of_ones("two", 2.0F);
  const std::string link = scratch / "current";
  std::filesystem::create_symlink("one", link);
  std::atomic<bool> done{false};
  std::thread turner([&] {
    for (int i = 0; !done.load(); ++i) {
      std::filesystem::create_symlink(i % 2 == 0 ? "two" : "one", link + ".next");
      std::filesystem::rename(link + ".next", link);
    }
  });
  std::size_t mixed = 0;
  std::size_t failed = 0;
  for (int i = 0; i < 500; ++i) {
    const auto loaded = load_model(link);
    failed += loaded.ok() ? 0 : 1;
    const float expected = loaded.ok() && loaded->kind == "two" ? 2.0F : 1.0F;
    if (!loaded.ok()) continue;
    mixed += loaded->popularity[0] != expected || loaded->components[0].item_vectors[0] != expected ? 1 : 0;
  }
  done = true;
  turner.join();
  CHECK(mixed == 0);
  CHECK(failed == 0);
}

TEST_CASE("the check of a head finds what can be found without the tensors, and passes what a load may refuse") {
  const TemporaryFolder scratch;
  save(only_component(kEmbedding, 7), scratch / "m");
  CHECK(check_model_head(scratch / "m").ok());
  const std::string file = scratch / "m/Vectors_2-1.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 4);
  CHECK(check_model_head(scratch / "m").code() == StatusCode::kInvalidArgument);
  std::filesystem::remove(file);
  CHECK(check_model_head(scratch / "m").code() == StatusCode::kNotFound);
  scratch.write("m/model.toml", "format = 1\n");
  CHECK(check_model_head(scratch / "m").message().find("[items]") != std::string::npos);
  CHECK(check_model_head(scratch / "absent").code() == StatusCode::kNotFound);
}
