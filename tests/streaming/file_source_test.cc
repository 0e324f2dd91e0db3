// Files as sources: lines, offsets, bounds, restarts.

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/streaming/file_reader.h"

namespace cairn::streaming {
namespace {

namespace fs = std::filesystem;

TEST_CASE("a file's lines are its records, at the offsets where they begin") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n\n  \r\ntwo \r\nthree");
  Reader reader(scratch / "f", /*follow=*/false);
  reader.start().drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {9, "two \r"}, {15, "three"}});
  CHECK(reader.batch.finished);
  CHECK(reader.position.offset == Offset{20});
  reader.drain();
  CHECK(reader.got.size() == 3);
  CHECK(reader.batch.finished);
}

TEST_CASE("a followed file's last line is delivered when its newline comes, whatever pieces it comes in") {
  const test::TemporaryFolder scratch;
  Reader reader(scratch / "f");
  reader.start().poll();
  CHECK(reader.got.empty());
  CHECK_FALSE(reader.batch.finished);
  std::string written;
  Strings expected;
  for (const std::string piece : {"", "a", "b", "c\n", "d\ne", "\n\n", "f\n"}) {
    append_file(scratch / "f", piece);
    written += piece;
    reader.drain();
    const std::string whole = written.substr(0, written.rfind('\n') + 1);
    std::string delivered;
    for (const Got& g : reader.got) {
      CHECK(written.compare(static_cast<std::size_t>(g.offset), g.payload.size(), g.payload) == 0);
      delivered += g.payload + "\n";
    }
    std::string without_blank = whole;
    if (const auto blank = without_blank.find("\n\n"); blank != std::string::npos) without_blank.erase(blank, 1);
    CHECK(delivered == without_blank);
  }
}

TEST_CASE("a file that is not there is waited for when followed, and UNAVAILABLE when not") {
  const test::TemporaryFolder scratch;
  Reader once(scratch / "f", /*follow=*/false);
  CHECK(test::begin(*once.source).code() == StatusCode::kUnavailable);
  Reader reader(scratch / "f");
  reader.start().poll();
  CHECK_FALSE(reader.batch.at_end);  // where a file ends that is not there, nobody knows
  REQUIRE(reader.source->obstacles().size() == 1);
  CHECK(reader.source->obstacles()[0].partition == Partition{3});
  CHECK(reader.source->obstacles()[0].reason.find(scratch / "f") != std::string::npos);
  CHECK(reader.source->obstacles()[0].reason.find("correct the path") != std::string::npos);
  write_file(scratch / "f", "one\n");
  reader.poll();
  CHECK(reader.batch.obstacles_changed);
  CHECK(reader.source->obstacles().empty());
  reader.drain();
  CHECK(reader.payloads() == Strings{"one"});
  Reader directory(scratch.path());
  CHECK(test::begin(*directory.source).code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("a reader restarted at every record gets exactly the rest") {
  const test::TemporaryFolder scratch;
  const Strings lines = {"alpha", "beta", "", "gamma", "delta", "epsilon", "zeta", "eta"};
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  for (const bool packed : {false, true}) {
    INFO("gzip ", packed);
    write_file(scratch / "f", packed ? gzipped(scratch, text) : text);
    Reader whole(scratch / "f", /*follow=*/false);
    whole.start().drain();
    REQUIRE(whole.got.size() == 7);
    std::vector<Got> got;
    SourcePosition position;
    for (std::size_t i = 0; i < whole.got.size(); ++i) {
      Reader next(scratch / "f", /*follow=*/false);
      i == 0 ? next.start() : next.start(position);
      next.poll(1);
      REQUIRE(next.got.size() == 1);
      got.push_back(next.got[0]);
      position = next.position;
    }
    CHECK(got == whole.got);
    Reader end(scratch / "f", /*follow=*/false);
    end.start(position).drain();
    CHECK(end.got.empty());
    CHECK(end.batch.finished);
  }
}

TEST_CASE("a line longer than an event may be is delivered cut and marked, and the next one whole") {
  const test::TemporaryFolder scratch;
  for (const std::size_t size : {101UL, 65'536UL, 65'537UL, 3'000'000UL}) {
    INFO("line of ", size);
    const std::string line(size, 'x');
    write_file(scratch / "f", "a\n" + line + "\nb\n" + line);
    Reader reader(scratch / "f", /*follow=*/false, /*event_bytes_max=*/100);
    reader.start().drain();
    const auto end = static_cast<std::int64_t>(size);
    const std::string cut = line.substr(0, 65'536);
    CHECK(reader.got ==
          std::vector<Got>{{0, "a"}, {2, cut, Reject::kOversized}, {end + 3, "b"}, {end + 5, cut, Reject::kOversized}});
    CHECK(reader.position.offset == Offset{2 * end + 5});
  }
}

TEST_CASE("an oversized line is cut between characters") {
  const test::TemporaryFolder scratch;
  std::string line = "x";
  while (line.size() < 70'000) line += "\xf0\x9f\x98\x80";
  write_file(scratch / "f", line + "\n");
  Reader reader(scratch / "f", /*follow=*/false);
  reader.start().drain();
  REQUIRE(reader.got.size() == 1);
  CHECK(reader.got[0].payload == line.substr(0, 65'533));
  CHECK(reader.got[0].reject == Reject::kOversized);
}

TEST_CASE("a line of exactly the bound is an event") {
  const test::TemporaryFolder scratch;
  const std::string line(kEventBytesMax, 'x');
  write_file(scratch / "f", line + "\n" + line + "y\n");
  Reader reader(scratch / "f", /*follow=*/false);
  reader.start().drain();
  CHECK(reader.got == std::vector<Got>{{0, line}, {65'537, line, Reject::kOversized}});
}

TEST_CASE("end positions follow the file, its growth and its rotation") {
  const test::TemporaryFolder scratch;
  Reader reader(scratch / "f");
  reader.start();
  CHECK(reader.source->end_positions().value().empty());
  write_file(scratch / "f", "one\ntwo\n");
  reader.poll(1);
  REQUIRE(reader.source->end_positions().value().size() == 1);
  CHECK(reader.source->end_positions().value()[0].offset == Offset{8});
  append_file(scratch / "f", "three\n");
  CHECK(reader.source->end_positions().value()[0].offset == Offset{14});
  reader.drain();
  fs::rename(scratch / "f", scratch / "f.1");
  write_file(scratch / "f", "four\n");
  CHECK(reader.source->end_positions().value()[0].offset == Offset{19});
}

TEST_CASE("many records come in full batches with padding after each payload") {
  const test::TemporaryFolder scratch;
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "{\"n\":" + std::to_string(i) + "}\n";
  write_file(scratch / "f", text);
  Reader reader(scratch / "f", /*follow=*/false);
  reader.start();
  std::size_t at = 0;
  for (const std::size_t expected : {20'000UL, 20'000UL, 10'000UL}) {
    REQUIRE(reader.source->poll(20'000, kNoWait, &reader.batch).ok());
    CHECK(reader.batch.records.size() == expected);
    for (const Record& r : reader.batch.records) {
      REQUIRE(r.offset == Offset{static_cast<std::int64_t>(at)});
      REQUIRE(text.compare(at, r.payload.size(), r.payload) == 0);
      at += r.payload.size() + 1;
      unsigned sum = 0;  // reading the padding is allowed; the address sanitizer sees to it
      for (std::size_t i = 0; i < kPayloadPadding; ++i) {
        sum += static_cast<unsigned char>(*(r.payload.data() + r.payload.size() + i));
      }
      REQUIRE(sum < 256 * kPayloadPadding);
    }
  }
  CHECK(at == text.size());
}

TEST_CASE("a waiting poll returns when a line comes, and when the source is closed") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "");
  Reader reader(scratch / "f");
  reader.start();
  std::thread writer([&] { append_file(scratch / "f", "one\n"); });
  REQUIRE(reader.source->poll(10, std::chrono::minutes(5), &reader.batch).ok());
  writer.join();
  CHECK(reader.batch.records.size() == 1);
  std::thread closer([&] { reader.source->close(); });
  REQUIRE(reader.source->poll(10, std::chrono::minutes(5), &reader.batch).ok());
  closer.join();
  CHECK(reader.batch.records.empty());
  reader.source->close();
}

TEST_CASE("end positions may be asked for while another thread reads") {
  const test::TemporaryFolder scratch;
  std::string text;
  for (int i = 0; i < 2'000; ++i) text += "line\n";
  write_file(scratch / "f", text);
  Reader reader(scratch / "f");
  reader.start();
  std::atomic<bool> done = false;
  std::thread asker([&] {
    while (!done) CHECK(reader.source->end_positions().ok());
  });
  reader.drain(10);
  done = true;
  asker.join();
  CHECK(reader.got.size() == 2'000);
}

}  // namespace
}  // namespace cairn::streaming
