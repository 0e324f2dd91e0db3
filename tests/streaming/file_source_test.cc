#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "streaming/source.h"
#include "tests/streaming/files.h"
#include "tests/support/begin_source.h"

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
using std::chrono::milliseconds;

constexpr std::size_t kEventBytesMax = 64 * 1024;
constexpr milliseconds kNoWait{0};
/// Old files are not waited for.
constexpr RotationTimes kNoQuiet{.old_file_quiet = milliseconds(0)};

struct Got {
  std::int64_t offset = 0;
  std::string payload;
  Reject reject = Reject::kNone;

  friend bool operator==(const Got&, const Got&) = default;
};

std::ostream& operator<<(std::ostream& out, const Got& got) {
  return out << got.offset << ":" << got.payload.substr(0, 40) << ":" << to_string(got.reject);
}

/// A source with what it delivered so far.
class Reader {
 public:
  explicit Reader(FileSourceOptions options, std::size_t event_bytes_max = kEventBytesMax)
      : source(make_file_source(std::move(options), Partition{3}, event_bytes_max, Logger(), kNoQuiet)) {}
  Reader(std::string path, RotationTimes times, const Clock& clock)
      : source(make_file_source({.name = "file", .path = std::move(path)}, Partition{3}, kEventBytesMax, Logger(),
                                times, clock)) {}
  explicit Reader(std::string path, bool follow = true, std::size_t event_bytes_max = kEventBytesMax)
      : Reader(FileSourceOptions{.name = "file", .path = std::move(path), .follow = follow}, event_bytes_max) {}

  Reader& start() {
    const Status status = test::begin(*source);
    INFO(status.to_string());
    REQUIRE(status.ok());
    return *this;
  }
  Reader& start(const SourcePosition& from) {
    const Status status = test::begin(*source, std::span(&from, 1));
    INFO(status.to_string());
    REQUIRE(status.ok());
    return *this;
  }

  /// Takes one poll's records.
  void poll(std::size_t records_max = 20'000) {
    const Status status = source->poll(records_max, kNoWait, &batch);
    INFO(status.to_string());
    REQUIRE(status.ok());
    for (const Record& r : batch.records) {
      CHECK(r.partition == Partition{3});
      got.push_back({r.offset.value, std::string(r.payload), r.reject});
    }
    REQUIRE(batch.positions.size() <= 1);
    if (!batch.positions.empty()) position = batch.positions[0];
  }
  /// Polls until nothing more is there.
  Reader& drain(std::size_t records_max = 20'000) {
    do poll(records_max);
    while (!batch.at_end);
    return *this;
  }
  [[nodiscard]] std::vector<std::string> payloads() const {
    std::vector<std::string> out;
    for (const Got& g : got) out.push_back(g.payload);
    return out;
  }

  std::unique_ptr<Source> source;
  RecordBatch batch;
  std::vector<Got> got;
  SourcePosition position{Partition{3}, Offset{0}, {}};
};

using Strings = std::vector<std::string>;

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

TEST_CASE("a file emptied in place is begun anew, its bytes counting on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 0);
  reader.drain();
  append_file(scratch / "f", "three\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
}

TEST_CASE("a file emptied and grown past where it was between two polls is noticed by its beginning") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 0);
  append_file(scratch / "f", "a longer line\nand one more\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "a longer line"}, {18, "and one more"}});
}

TEST_CASE("a followed file that is shortened in place is a gap, held until it is accepted") {
  const test::TemporaryFolder scratch;
  const Partition partition{3};
  // Longer than what a file is known by, and shorter.
  for (const std::string& head : {std::string(1'200, 'x') + "\n", std::string("one\n")}) {
    INFO("left: ", head.size(), " bytes");
    write_file(scratch / "f", head + "two\nthree\n");
    Reader reader(scratch / "f");
    reader.start().drain();
    REQUIRE(reader.got.size() == 3);
    const Offset end = reader.position.offset;
    fs::resize_file(scratch / "f", head.size());
    reader.poll();
    reader.poll();
    CHECK(reader.got.size() == 3);
    CHECK_FALSE(reader.batch.at_end);
    REQUIRE(reader.source->obstacles().size() == 1);
    CHECK(reader.source->obstacles()[0].gap);
    CHECK(reader.source->obstacles()[0].reason.find("shortened") != std::string::npos);
    CHECK(reader.position.offset == end);

    Reader refused(scratch / "f");  // a restart finds the same
    CHECK(test::begin(*refused.source, std::span(&reader.position, 1)).code() == StatusCode::kOutOfRange);
    Reader after(scratch / "f");
    after.source->accept_gaps(std::span(&partition, 1));
    after.start(reader.position).drain();
    CHECK(after.got.empty());
    append_file(scratch / "f", "new\n");
    after.drain();
    CHECK(after.got == std::vector<Got>{{end.value, "new"}});

    append_file(scratch / "f", "and as much as was there before\n");
    reader.poll();  // still held: these bytes are not those that followed
    CHECK(reader.got.size() == 3);
    CHECK(reader.source->obstacles().size() == 1);
  }
}

TEST_CASE("a followed file that is shortened in place is gone on with at its end where gaps are accepted unasked") {
  const test::TemporaryFolder scratch;
  for (const std::string& head : {std::string(1'200, 'x') + "\n", std::string("one\n")}) {
    INFO("left: ", head.size(), " bytes");
    write_file(scratch / "f", head + "two\nthree\nunfinished");
    Reader reader({.name = "file", .path = scratch / "f", .on_gap = OnGap::kAccept});
    reader.start().drain();
    REQUIRE(reader.got.size() == 3);
    const std::int64_t end = reader.position.offset.value;
    fs::resize_file(scratch / "f", head.size());
    reader.drain();
    CHECK(reader.got.size() == 3);
    append_file(scratch / "f", "new\n");
    reader.drain();
    CHECK(reader.source->obstacles().empty());
    REQUIRE(reader.got.size() == 4);
    CHECK(reader.got.back() == Got{end, "new"});
    append_file(scratch / "f", "newer\n");
    Reader again(scratch / "f");
    again.start(reader.position).drain();
    CHECK(again.got == std::vector<Got>{{end + 4, "newer"}});
  }
}

TEST_CASE("a followed file that is emptied and then filled with a part of what it held is a gap, too") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nthree\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 0);
  reader.drain();
  CHECK(reader.source->end_positions().value()[0].offset == Offset{14});
  append_file(scratch / "f", "one\n");
  reader.poll();
  CHECK(reader.got.size() == 3);
  REQUIRE(reader.source->obstacles().size() == 1);
  CHECK(reader.source->obstacles()[0].gap);
}

TEST_CASE("a followed file that loses its unfinished last line only is read on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nunfini");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 8);
  reader.drain();
  append_file(scratch / "f", "3\n");
  reader.drain();
  CHECK(reader.source->obstacles().empty());
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "3"}});
}

TEST_CASE("a followed file that is replaced by a shorter copy of itself is a gap, and by a longer one is read on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  write_file(scratch / "copy", "one\ntwo\nthree\n");
  fs::rename(scratch / "copy", scratch / "f");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
  const std::string head = std::string(1'200, 'x') + "\n";
  write_file(scratch / "g", head + "two\n");
  Reader shortened(scratch / "g");
  shortened.start().drain();
  write_file(scratch / "copy", head);
  fs::rename(scratch / "copy", scratch / "g");
  shortened.poll();
  CHECK(shortened.got.size() == 2);
  REQUIRE(shortened.source->obstacles().size() == 1);
  CHECK(shortened.source->obstacles()[0].gap);
}

TEST_CASE("a followed file that is emptied in place and written anew with fewer bytes is read from its beginning") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", std::string(2'000, 'x') + "\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  write_file(scratch / "f", "three\n");
  reader.drain();
  CHECK(reader.source->obstacles().empty());
  REQUIRE(reader.got.size() == 3);
  CHECK(reader.got.back() == Got{2'005, "three"});
  write_file(scratch / "f", "th");  // as "three" began, until more of it is there
  reader.poll();
  append_file(scratch / "f", "en\n");
  reader.drain();
  CHECK(reader.source->obstacles().empty());
  REQUIRE(reader.got.size() == 4);
  CHECK(reader.got.back() == Got{2'011, "then"});
}

TEST_CASE("what copytruncate copied away is read from the copy") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  append_file(scratch / "f", "two\nthree\n");
  fs::copy_file(scratch / "f", scratch / "f.1");
  fs::resize_file(scratch / "f", 0);
  append_file(scratch / "f", "four\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}, {14, "four"}});
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

TEST_CASE("a position that the file does not hold any more is OUT_OF_RANGE, or a gap that is told and passed") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nthree\n");
  Reader before(scratch / "f");
  before.start().drain();

  SUBCASE("the same file, shortened") {
    write_file(scratch / "f", std::string(2000, 'x') + "\ntwo\n");
    Reader whole(scratch / "f");
    whole.start().drain();
    fs::resize_file(scratch / "f", 1500);
    const auto status = test::begin(*Reader(scratch / "f").source, std::span(&whole.position, 1));
    CHECK(status.code() == StatusCode::kOutOfRange);
    CHECK(status.message().find("2005") != std::string::npos);
  }
  SUBCASE("another file, read once") {
    write_file(scratch / "f", "something else, and longer than before\n");
    CHECK(test::begin(*Reader(scratch / "f", false).source, std::span(&before.position, 1)).code() ==
          StatusCode::kOutOfRange);
  }
  SUBCASE("another file, followed") {
    fs::remove(scratch / "f");
    write_file(scratch / "f", "four\n");
    std::vector<std::string> events;
    auto source = make_file_source({.name = "file", .path = scratch / "f"}, Partition{3}, kEventBytesMax,
                                   Logger([&](LogLevel, std::string_view event, std::string_view,
                                              std::initializer_list<LogField>) { events.emplace_back(event); }));
    REQUIRE(test::begin(*source, std::span(&before.position, 1)).ok());
    RecordBatch batch;
    REQUIRE(source->poll(10, kNoWait, &batch).ok());
    REQUIRE(batch.records.size() == 1);
    CHECK(batch.records[0].offset == Offset{14});
    CHECK(batch.records[0].payload == "four");
    CHECK(events == Strings{"source.gap"});
  }
  SUBCASE("no position of ours") {
    before.position.cursor = "nonsense";
    CHECK(test::begin(*Reader(scratch / "f").source, std::span(&before.position, 1)).code() ==
          StatusCode::kInvalidArgument);
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

TEST_CASE("a gap that is accepted is gone on behind: at a shortened file's end, or with the file that stands there") {
  const test::TemporaryFolder scratch;
  const Partition partition{3};
  const std::string head = std::string(1'200, 'x') + "\n";  // more than a file is known by
  write_file(scratch / "f", head + "two\nthree\n");
  Reader before(scratch / "f");
  before.start().drain();
  write_file(scratch / "f", head);
  Reader shortened(scratch / "f");
  CHECK(test::begin(*shortened.source, std::span(&before.position, 1)).code() == StatusCode::kOutOfRange);
  const FileSourceOptions by_itself{.name = "by itself", .path = scratch / "f", .on_gap = OnGap::kAccept};
  CHECK(test::begin(*make_file_source(by_itself, partition, 1'000, {}), std::span(&before.position, 1)).ok());
  Reader after(scratch / "f");
  CHECK(after.source->can_pass_gaps());
  after.source->accept_gaps(std::span(&partition, 1));
  after.start(before.position).drain();
  CHECK(after.got.empty());
  append_file(scratch / "f", "new\n");
  after.drain();
  CHECK(after.got == std::vector<Got>{{before.position.offset.value, "new"}});
  Reader again(scratch / "f");  // what is stored since is a position like any other
  again.start(after.position).drain();
  CHECK(again.got.empty());
  write_file(scratch / "g", "a\nb\n");
  Reader once(scratch / "g", /*follow=*/false);
  once.start().drain();
  write_file(scratch / "g", "other\n");
  Reader refused(scratch / "g", /*follow=*/false);
  CHECK(test::begin(*refused.source, std::span(&once.position, 1)).code() == StatusCode::kOutOfRange);
  const FileSourceOptions never{.name = "n", .path = scratch / "g", .follow = false, .on_gap = OnGap::kAccept};
  CHECK(test::begin(*make_file_source(never, partition, 1'000, {}), std::span(&once.position, 1)).code() ==
        StatusCode::kOutOfRange);  // another file may hold the same events
  Reader accepted(scratch / "g", /*follow=*/false);
  accepted.source->accept_gaps(std::span(&partition, 1));
  accepted.start(once.position).drain();
  CHECK(accepted.payloads() == Strings{"other"});
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
