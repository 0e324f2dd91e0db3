// Files that are rotated away, written on and taken away while they are followed.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/streaming/file_reader.h"

namespace {

/// Called once, just before this path is looked at: what a writer does between two steps of a reader.
std::string watched_path;
std::function<void()> before_look;

}  // namespace

// Found before the C library's.
extern "C" __attribute__((visibility("default"))) int stat(const char* path, struct stat* info) {
  if (before_look && watched_path == path) std::exchange(before_look, nullptr)();
  return ::fstatat(AT_FDCWD, path, info, 0);
}

namespace cairn::streaming {
namespace {

namespace fs = std::filesystem;

TEST_CASE("after a rename the old file is finished and the new one's bytes count on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  append_file(scratch / "f", "thr");
  reader.drain();
  fs::rename(scratch / "f", scratch / "f.1");
  append_file(scratch / "f.1", "ee\n");  // the writer has the old file open still
  reader.drain();
  CHECK(reader.payloads() == Strings{"one", "two", "three"});
  write_file(scratch / "f", "");  // there, but not begun: the writer may still write the old one
  append_file(scratch / "f.1", "four");
  reader.drain();
  CHECK(reader.got.size() == 3);
  append_file(scratch / "f", "five\nsix\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}, {14, "four"}, {18, "five"}, {23, "six"}});
  CHECK(reader.position.offset == Offset{27});
}

TEST_CASE("a line appended after the file's end was read and before its rotation was seen is read") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  watched_path = scratch / "f";
  before_look = [&] {  // the reader has found nothing more, and now looks whether another file stands there
    append_file(scratch / "f", "two\n");
    fs::rename(scratch / "f", scratch / "f.1");
    write_file(scratch / "f", "three\n");
  };
  reader.drain();
  REQUIRE_FALSE(before_look);
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
}

TEST_CASE("what a writer appends to the old file after its rotation is read before the new file, restarted or not") {
  const test::TemporaryFolder scratch;
  ManualClock clock(SystemClock::instance().now());
  for (const bool restarted : {false, true}) {
    INFO("restarted ", restarted);
    fs::remove(scratch / "f.1");
    write_file(scratch / "f", "one\n");
    auto reader = std::make_unique<Reader>(scratch / "f", RotationTimes{}, clock);
    reader->start().drain();
    fs::rename(scratch / "f", scratch / "f.1");
    write_file(scratch / "f", "four\n");
    std::vector<Got> got;
    for (const std::string late : {"two\n", "thr", "ee\n"}) {
      reader->poll();
      CHECK_FALSE(reader->batch.at_end);  // the new file is there
      append_file(scratch / "f.1", late);
      reader->poll();
      if (restarted) {
        got.insert(got.end(), reader->got.begin(), reader->got.end());
        const SourcePosition stored = reader->position;
        reader = std::make_unique<Reader>(scratch / "f", RotationTimes{}, clock);
        reader->start(stored).poll();
      }
    }
    clock.set(SystemClock::instance().now() + std::chrono::seconds(4));
    reader->poll();
    CHECK(reader->got.size() == (restarted ? 0 : 3));
    clock.set(SystemClock::instance().now() + std::chrono::seconds(6));
    reader->drain();
    got.insert(got.end(), reader->got.begin(), reader->got.end());
    CHECK(got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}, {14, "four"}});
    clock.set(SystemClock::instance().now());
  }
}

TEST_CASE("an old file with a late line is not read again when the next one is rotated away") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::rename(scratch / "f", scratch / "f.1");
  write_file(scratch / "f", "two\n");
  reader.drain();
  fs::last_write_time(scratch / "f.1", fs::last_write_time(scratch / "f") + std::chrono::seconds(1));
  fs::rename(scratch / "f.1", scratch / "f.2");
  fs::rename(scratch / "f", scratch / "f.1");
  write_file(scratch / "f", "three\n");
  reader.drain();
  CHECK(reader.payloads() == Strings{"one", "two", "three"});
}

TEST_CASE("an old file that is written without an end does not keep the new one from being read") {
  const test::TemporaryFolder scratch;
  ManualClock clock(SystemClock::instance().now());
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f", RotationTimes{}, clock);
  reader.start().drain();
  fs::rename(scratch / "f", scratch / "f.1");
  write_file(scratch / "f", "new\n");
  reader.poll();
  for (int i = 0; i < 60; ++i) {
    CHECK(reader.got.back().payload != "new");
    clock.advance(std::chrono::seconds(1));
    append_file(scratch / "f.1", "old\n");
    // As the clock has it.
    fs::last_write_time(scratch / "f.1", fs::file_time_type::clock::from_sys(clock.now()));
    reader.poll();
    reader.poll();
  }
  CHECK(reader.got.size() == 62);
  CHECK(reader.got.back().payload == "new");
}

TEST_CASE("a followed file that is taken away is an obstacle after a while, until a file of its name is there again") {
  const test::TemporaryFolder scratch;
  ManualClock clock(SystemClock::instance().now());
  const RotationTimes times{.old_file_quiet = milliseconds(0), .name_gone = milliseconds(5'000)};
  for (const bool removed : {true, false}) {
    INFO("removed ", removed);
    write_file(scratch / "f", "one\n");
    Reader reader(scratch / "f", times, clock);
    reader.start().drain();
    removed ? static_cast<void>(fs::remove(scratch / "f")) : fs::rename(scratch / "f", scratch / "f.1");
    reader.drain();
    clock.advance(milliseconds(4'999));
    reader.drain();
    CHECK(reader.source->obstacles().empty());  // a rotation is not done at once
    clock.advance(milliseconds(1));
    reader.poll();
    CHECK(reader.batch.obstacles_changed);
    CHECK_FALSE(reader.batch.at_end);
    REQUIRE(reader.source->obstacles().size() == 1);
    CHECK(reader.source->obstacles()[0].reason.find(scratch / "f") != std::string::npos);
    CHECK_FALSE(reader.source->obstacles()[0].gap);
    if (!removed) {
      append_file(scratch / "f.1", "two\n");  // what comes of the old file does not end it
      reader.poll();
      CHECK(reader.payloads() == Strings{"one", "two"});
      reader.poll();
      CHECK(reader.source->obstacles().size() == 1);
    }
    write_file(scratch / "f", "");
    reader.poll();
    CHECK(reader.batch.obstacles_changed);
    CHECK(reader.source->obstacles().empty());
    append_file(scratch / "f", "three\n");
    clock.advance(std::chrono::hours(1));
    reader.drain();
    CHECK(reader.got.back().payload == "three");
    fs::remove(scratch / "f");
    clock.advance(std::chrono::hours(1));
    reader.drain();  // counted anew
    CHECK(reader.source->obstacles().empty());
  }
}

TEST_CASE("files rotated away one after the other between two polls are all read, in order") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "a1\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  append_file(scratch / "f", "a2\n");
  for (const std::string next : {"b1\n", "c1\n", "d1\n"}) {
    if (fs::exists(scratch / "f.2")) fs::rename(scratch / "f.2", scratch / "f.3");
    if (fs::exists(scratch / "f.1")) fs::rename(scratch / "f.1", scratch / "f.2");
    fs::rename(scratch / "f", scratch / "f.1");
    write_file(scratch / "f", next);
  }
  write_file(scratch / "f.bak", "not of the stream\n");
  write_file(scratch / "f.1x", "nor this\n");
  reader.drain();
  CHECK(reader.payloads() == Strings{"a1", "a2", "b1", "c1", "d1"});
}

TEST_CASE("an old file that is deleted is finished all the same") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().poll(1);
  fs::remove(scratch / "f");
  write_file(scratch / "f", "three\n");
  reader.drain();
  CHECK(reader.payloads() == Strings{"one", "two", "three"});
}

TEST_CASE("a reader restarted at any record, with rotations at any time, gets every record once at its offset") {
  enum class Rotation { kRename, kCopyTruncate };
  for (const Rotation rotation : {Rotation::kRename, Rotation::kCopyTruncate}) {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
      INFO("seed ", seed, " copytruncate ", rotation == Rotation::kCopyTruncate);
      const test::TemporaryFolder scratch;
      std::mt19937 random(seed);
      std::vector<Got> written;
      std::vector<Got> got;
      std::int64_t end = 0;
      SourcePosition position{Partition{3}, Offset{0}, {}};
      auto reader = std::make_unique<Reader>(scratch / "f");
      reader->start();
      const auto read = [&](std::size_t records_max) {
        reader->poll(records_max);
        got.insert(got.end(), reader->got.begin(), reader->got.end());
        reader->got.clear();
        position = reader->position;
      };
      int rotated = 0;
      for (int step = 0; step < 60; ++step) {
        switch (random() % 6) {
          case 0:
          case 1:
          case 2: {
            const std::string line = "line " + std::to_string(random()) + std::string(random() % 50, '.');
            append_file(scratch / "f", line + "\n");
            written.push_back({end, line});
            end += static_cast<std::int64_t>(line.size()) + 1;
            break;
          }
          case 3:
            read(1 + random() % 4);
            break;
          case 4: {  // a restart; the position stored may be older than what was read, never newer
            auto resumed = std::make_unique<Reader>(scratch / "f");
            resumed->position = position;
            position.cursor.empty() ? resumed->start() : resumed->start(position);
            reader = std::move(resumed);
            break;
          }
          default: {
            // A rotation of a file that was never seen is no part of the stream.
            if (position.cursor.empty() || !fs::exists(scratch / "f") || fs::file_size(scratch / "f") == 0) break;
            const std::string away = scratch / ("f." + std::to_string(1000 - ++rotated));  // higher numbers are older
            if (rotation == Rotation::kRename) {
              fs::rename(scratch / "f", away);
            } else {
              // copytruncate keeps one generation: the reader must have got to this one
              while (!reader->batch.at_end) read(100);
              fs::copy_file(scratch / "f", away);
              fs::resize_file(scratch / "f", 0);
            }
          }
        }
      }
      append_file(scratch / "f", "last\n");
      written.push_back({end, "last"});
      for (int i = 0; i < 100 && got.size() < written.size(); ++i) read(20'000);
      CHECK(got == written);
    }
  }
}

TEST_CASE("after a restart a file rotated away meanwhile is finished first") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nthr");
  Reader before(scratch / "f");
  before.start().poll(1);
  append_file(scratch / "f", "ee\n");
  fs::rename(scratch / "f", scratch / "f-20240501");
  write_file(scratch / "f", "four\n");
  Reader after(scratch / "f");
  after.start(before.position).drain();
  CHECK(after.got == std::vector<Got>{{4, "two"}, {8, "three"}, {14, "four"}});
}

TEST_CASE("a restored copy of the file is recognised by its beginning") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader before(scratch / "f");
  before.start().poll(1);
  fs::copy_file(scratch / "f", scratch / "copy");
  fs::rename(scratch / "copy", scratch / "f");
  Reader after(scratch / "f", /*follow=*/false);
  after.start(before.position).drain();
  CHECK(after.payloads() == Strings{"two"});
}

}  // namespace
}  // namespace cairn::streaming
