// Files packed with gzip: offsets, members, what breaks off, what is damaged.

#include <doctest/doctest.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/streaming/file_reader.h"

namespace cairn::streaming {
namespace {

namespace fs = std::filesystem;

TEST_CASE("gzip: offsets count the content, members and all") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", gzipped(scratch, "one\ntw") + gzipped(scratch, "o\nthree"));
  Reader reader(scratch / "f", /*follow=*/false);
  reader.start().drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
  CHECK(reader.source->end_positions().value().empty());
}

TEST_CASE("gzip: a followed file grows by members") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", gzipped(scratch, "one\n"));
  Reader reader(scratch / "f");
  reader.start().drain();
  const std::string member = gzipped(scratch, "two\nthree\n");
  append_file(scratch / "f", member.substr(0, 12));
  reader.drain();
  CHECK(reader.payloads() == Strings{"one"});
  append_file(scratch / "f", member.substr(12));
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
}

TEST_CASE("gzip: cut anywhere, whole lines come first, then one mark where the data ended, and never again") {
  const test::TemporaryFolder scratch;
  std::mt19937 random(5);
  Strings lines;
  std::string text;
  for (int i = 0; i < 300; ++i) {
    lines.push_back(std::to_string(random()) + std::to_string(random()));
    text += lines.back() + "\n";
  }
  const std::string packed = gzipped(scratch, text);
  for (std::size_t cut = 20; cut < packed.size(); cut += 97) {
    INFO("cut at ", cut);
    write_file(scratch / "f", packed.substr(0, cut));
    Reader reader(scratch / "f", /*follow=*/false);
    reader.start().drain();
    CHECK(reader.batch.finished);
    REQUIRE_FALSE(reader.got.empty());
    const Got torn = reader.got.back();
    reader.got.pop_back();
    CHECK(torn.reject == Reject::kTruncatedGzip);
    CHECK(text.compare(static_cast<std::size_t>(torn.offset), torn.payload.size(), torn.payload) == 0);
    REQUIRE(reader.got.size() <= lines.size());
    CHECK(std::equal(reader.got.begin(), reader.got.end(), lines.begin(),
                     [](const Got& g, const std::string& line) { return g.payload == line; }));

    Reader again(scratch / "f", /*follow=*/false);
    again.start(reader.position).drain();
    CHECK(again.got.empty());
    CHECK(again.batch.finished);

    write_file(scratch / "f", packed);  // fetched again, whole: the torn line is read whole
    Reader mended(scratch / "f", /*follow=*/false);
    mended.start(reader.position).drain();
    CHECK(reader.got.size() + mended.got.size() == lines.size());
  }
}

TEST_CASE("gzip: a file that ends early is an obstacle, followed or not, until the whole one is there") {
  const test::TemporaryFolder scratch;
  const std::string packed = gzipped(scratch, "one\ntwo\nthree\n");
  for (const bool follow : {false, true}) {
    INFO("follow ", follow);
    write_file(scratch / "f", packed.substr(0, packed.size() - 3));
    Reader reader(scratch / "f", follow);
    reader.start().drain();
    if (follow) CHECK(reader.source->obstacles().empty());  // its writer may be at work
    fs::last_write_time(scratch / "f", fs::file_time_type::clock::now() - std::chrono::minutes(1));
    reader.poll();
    REQUIRE(reader.source->obstacles().size() == 1);
    CHECK(reader.source->obstacles()[0].reason.find("ends inside its gzip data") != std::string::npos);

    Reader again(scratch / "f", follow);  // a restart says it again
    again.start(reader.position).drain();
    CHECK(again.source->obstacles().size() == 1);
    if (!follow) continue;
    append_file(scratch / "f", packed.substr(packed.size() - 3));
    reader.drain();
    append_file(scratch / "f", gzipped(scratch, "four\n"));
    reader.drain();
    CHECK(reader.source->obstacles().empty());
    CHECK(reader.payloads() == Strings{"one", "two", "three", "four"});
  }
}

TEST_CASE("gzip: damaged data is marked once, and a rotation leads out of it") {
  const test::TemporaryFolder scratch;
  std::string packed = gzipped(scratch, "one\ntwo\nthr");
  packed[packed.size() - 6] ^= 1;  // in the checksum
  write_file(scratch / "f", packed);
  Reader reader(scratch / "f");
  reader.start().drain().drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "thr", Reject::kTruncatedGzip}});
  Reader again(scratch / "f");
  again.start(reader.position).drain();
  CHECK(again.got.empty());
  fs::rename(scratch / "f", scratch / "f.1");
  write_file(scratch / "f", "next\n");
  reader.drain();
  again.drain();
  CHECK(reader.got.back() == Got{11, "next"});
  CHECK(again.got == std::vector<Got>{{11, "next"}});
}

}  // namespace
}  // namespace cairn::streaming
