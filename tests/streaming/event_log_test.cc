#include "streaming/event_log.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "streaming/api_record.h"
#include "streaming/log/crc32c.h"
#include "streaming/source.h"
#include "tests/streaming/files.h"
#include "tests/support/begin_source.h"

namespace cairn::streaming {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Strings = std::vector<std::string>;

constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kRecordHeader = 12;

EventLogOptions options_at(const std::string& path, std::uint64_t segment_bytes = 64 << 20) {
  return {.path = path, .segment_bytes = segment_bytes, .free_bytes_min = 0, .sync = true, .log = Logger()};
}

std::unique_ptr<EventLog> open(const EventLogOptions& options) {
  auto log = open_event_log(options);
  INFO(log.status().to_string());
  REQUIRE(log.ok());
  return std::move(log).value();
}

Offset append(EventLog& log, const Strings& payloads) {
  const std::vector<std::string_view> views(payloads.begin(), payloads.end());
  const auto end = log.append(views);
  INFO(end.status().to_string());
  REQUIRE(end.ok());
  return *end;
}

struct Entry {
  std::int64_t offset;
  std::int64_t next;
  std::string payload;
};

std::vector<Entry> read_from(const EventLog& log, Offset from, std::size_t records_max = 7) {
  std::vector<Entry> entries;
  std::string bytes;
  while (from < log.end_offset()) {
    const Status status =
        log.read(from, records_max, milliseconds{0}, &bytes, [&](Offset offset, Offset next, std::string_view payload) {
          CHECK(offset == from);
          const char* padding = payload.data() + payload.size();
          CHECK(std::all_of(padding, padding + kPayloadPadding, [](char c) { return c == 0; }));
          entries.push_back({offset.value, next.value, std::string(payload)});
          from = next;
        });
    INFO(status.to_string());
    REQUIRE(status.ok());
  }
  return entries;
}

Strings payloads_from(const EventLog& log, Offset from) {
  Strings payloads;
  for (Entry& e : read_from(log, from)) payloads.push_back(std::move(e.payload));
  return payloads;
}

StatusCode read_code(const EventLog& log, Offset from, std::string* message = nullptr) {
  std::string bytes;
  const Status status = log.read(from, 10, milliseconds{0}, &bytes, [](Offset, Offset, std::string_view) {});
  if (message != nullptr) *message = status.message();
  return status.code();
}

std::vector<std::string> segment_files(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".events") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST_CASE("crc32c gives the values of RFC 3720, appendix B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c("56789", crc32c("1234")) == 0xE3069283);
  CHECK(crc32c("") == 0);
}

TEST_CASE("what is appended is read back, also after reopening, at offsets that count record by record") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  CHECK(log->begin_offset() == Offset{0});
  CHECK(log->end_offset() == Offset{0});
  CHECK(append(*log, {"one", "", "three"}) == Offset{3 * 12 + 8});
  CHECK(append(*log, {}) == Offset{44});
  CHECK(append(*log, {std::string(100'000, 'x')}) == Offset{44 + 12 + 100'000});
  const Strings all = {"one", "", "three", std::string(100'000, 'x')};
  CHECK(payloads_from(*log, Offset{0}) == all);
  CHECK(payloads_from(*log, Offset{15}) == Strings(all.begin() + 1, all.end()));
  log.reset();
  log = open(options_at(scratch / "log"));
  CHECK(payloads_from(*log, Offset{0}) == all);
  CHECK(append(*log, {"five"}) == Offset{100'056 + 16});
  CHECK(payloads_from(*log, Offset{100'056}) == Strings{"five"});
}

TEST_CASE("the log goes over many segments and is trimmed by whole ones") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log", 1000));
  Strings all;
  std::vector<Offset> begins;
  for (int i = 0; i < 100; ++i) {
    all.push_back("payload " + std::to_string(i) + std::string(static_cast<std::size_t>(i), '.'));
    begins.push_back(log->end_offset());
    append(*log, {all.back()});
  }
  CHECK(segment_files(scratch / "log").size() > 5);
  CHECK(payloads_from(*log, Offset{0}) == all);

  REQUIRE(log->trim(begins[50]).ok());
  CHECK(log->begin_offset() > Offset{0});
  CHECK(log->begin_offset() <= begins[50]);
  CHECK(begins[50].value - log->begin_offset().value < 1200);  // no more than a segment is kept before it
  CHECK(payloads_from(*log, begins[50]) == Strings(all.begin() + 50, all.end()));
  CHECK(read_code(*log, Offset{0}) == StatusCode::kOutOfRange);
  const Offset begin = log->begin_offset();

  log.reset();
  log = open(options_at(scratch / "log", 1000));
  CHECK(log->begin_offset() == begin);
  CHECK(payloads_from(*log, begins[50]) == Strings(all.begin() + 50, all.end()));
  REQUIRE(log->trim(log->end_offset()).ok());
  CHECK(segment_files(scratch / "log").size() == 1);  // the one that is written stays
  CHECK(append(*log, {"next"}) > begins[99]);
}

TEST_CASE("the newest part of the log is not trimmed, but not in more and more short segments") {
  const test::TemporaryFolder scratch;
  EventLogOptions options = options_at(scratch / "log", 1000);
  options.kept_bytes = 3000;
  auto log = open(options);
  for (int i = 0; i < 100; ++i) append(*log, {std::string(88, 'x')});  // 100 bytes each
  CHECK(log->end_offset() == Offset{10'000});
  CHECK(log->begin_after_trim(log->end_offset()) == Offset{7'000});
  REQUIRE(log->trim(log->end_offset()).ok());
  CHECK(log->begin_offset() == Offset{7'000});
  REQUIRE(log->trim(log->end_offset()).ok());
  CHECK(log->begin_offset() == Offset{7'000});
  // Each rewriting ends a segment, and what is in it is kept all the same.
  const auto nothing = [](Offset, std::span<char>) { return false; };
  REQUIRE(log->rewrite(nothing).ok());
  REQUIRE(log->trim(log->end_offset()).ok());
  CHECK(log->begin_offset() == Offset{7'000});
  append(*log, {std::string(88, 'x')});
  for (std::size_t i = 0; i < 2 * kKeptSegmentsMax; ++i) {
    append(*log, {"y"});
    REQUIRE(log->rewrite(nothing).ok());
  }
  REQUIRE(log->trim(log->end_offset()).ok());
  CHECK(segment_files(scratch / "log").size() == kKeptSegmentsMax);
  CHECK(log->begin_offset() == log->begin_after_trim(log->end_offset()));
}

TEST_CASE("offsets that are none are OUT_OF_RANGE") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  append(*log, {"one", "two", "three"});
  for (const std::int64_t offset : {1, 3, 12, 14, 16, 29, 31, 46}) {
    INFO("offset ", offset);
    CHECK(read_code(*log, Offset{offset}) == StatusCode::kOutOfRange);
  }
  CHECK(read_code(*log, Offset{48}) == StatusCode::kOutOfRange);
  CHECK(read_code(*log, Offset{47}) == StatusCode::kOk);
}

TEST_CASE("a last append torn at any byte is cut off, and what was acknowledged before stays") {
  const test::TemporaryFolder scratch;
  Offset before;
  std::string mark;
  {
    auto log = open(options_at(scratch / "log"));
    append(*log, {"one", "two"});
    before = append(*log, {"three"});
    mark = file_bytes(scratch / "log/acknowledged");
    append(*log, {"torn", "also torn"});
  }
  const std::string file = segment_files(scratch / "log")[0];
  const std::string whole = file_bytes(file);
  const auto kept = kFileHeader + static_cast<std::size_t>(before.value);
  for (std::size_t size = kept; size < whole.size(); ++size) {
    INFO("cut to ", size, " of ", whole.size());
    write_file(file, whole.substr(0, size));
    write_file(scratch / "log/acknowledged", mark);
    auto log = open(options_at(scratch / "log"));
    Strings expected = {"one", "two", "three"};
    if (size >= kept + kRecordHeader + 4) expected.emplace_back("torn");
    CHECK(payloads_from(*log, Offset{0}) == expected);
    append(*log, {"next"});
    expected.emplace_back("next");
    log.reset();
    CHECK(payloads_from(*open(options_at(scratch / "log")), Offset{0}) == expected);
  }
}

TEST_CASE("a last append of which any page is missing is cut off too") {
  // What a power failure leaves when the file's length reached the disk and some of its pages did not.
  const test::TemporaryFolder scratch;
  std::string mark;
  {
    auto log = open(options_at(scratch / "log"));
    append(*log, {"one"});
    mark = file_bytes(scratch / "log/acknowledged");
    append(*log, {"torn 1", "torn 2", "torn 3"});
  }
  const std::string file = segment_files(scratch / "log")[0];
  const std::string whole = file_bytes(file);
  const std::size_t group = kFileHeader + kRecordHeader + 3;
  for (std::size_t hole = group; hole < whole.size(); ++hole) {
    for (const std::size_t size : {1UL, 7UL, 1000UL}) {
      std::string holed = whole;
      for (std::size_t i = hole; i < std::min(hole + size, whole.size()); ++i) holed[i] = 0;
      INFO("hole of ", size, " at ", hole);
      write_file(file, holed);
      write_file(scratch / "log/acknowledged", mark);
      const Strings got = payloads_from(*open(options_at(scratch / "log")), Offset{0});
      const Strings all = {"one", "torn 1", "torn 2", "torn 3"};
      REQUIRE(got.size() >= 1);
      CHECK(std::equal(got.begin(), got.end(), all.begin()));
    }
  }
}

TEST_CASE("damage before acknowledged records is DATA_LOSS that names file and offset") {
  const test::TemporaryFolder scratch;
  {
    auto log = open(options_at(scratch / "log"));
    append(*log, {"one", "two"});
    append(*log, {"three"});
  }
  const std::string file = segment_files(scratch / "log")[0];
  const std::string whole = file_bytes(file);
  for (std::size_t at = kFileHeader; at < kFileHeader + 30; ++at) {
    INFO("byte ", at);
    std::string damaged = whole;
    damaged[at] ^= 0x10;
    write_file(file, damaged);
    const auto opened = open_event_log(options_at(scratch / "log"));
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.status().code() == StatusCode::kDataLoss);
    CHECK(opened.status().message().find(file) != std::string::npos);
    const std::string offset = at < kFileHeader + 15 ? "offset 0 " : "offset 15 ";
    CHECK(opened.status().message().find(offset) != std::string::npos);
    CHECK(file_bytes(file) == damaged);  // nothing is cut
  }
}

TEST_CASE("damage in an older segment is found when it is read, or missing bytes when it is opened") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log", 50));
  for (const char* payload : {"one", "two", "three", "four", "five", "six", "seven", "eight"}) append(*log, {payload});
  const std::string first = segment_files(scratch / "log")[0];
  std::string bytes = file_bytes(first);
  bytes[kFileHeader + 15 + kRecordHeader] ^= 1;  // in "two"
  write_file(first, bytes);
  std::string message;
  CHECK(read_code(*log, Offset{0}) == StatusCode::kOk);
  CHECK(read_code(*log, Offset{15}, &message) == StatusCode::kDataLoss);
  CHECK(message.find(first) != std::string::npos);
  CHECK(message.find("offset 15 ") != std::string::npos);
  log.reset();
  write_file(first, bytes.substr(0, bytes.size() - 1));
  CHECK(open_event_log(options_at(scratch / "log")).status().code() == StatusCode::kDataLoss);
}

TEST_CASE("a segment whose creation was cut short is made anew") {
  const test::TemporaryFolder scratch;
  for (const std::size_t size : {0UL, 5UL, 23UL}) {
    INFO("header bytes ", size);
    const std::string path = scratch / ("log" + std::to_string(size));
    Offset end;
    {
      auto log = open(options_at(path));
      end = append(*log, {"one"});
    }
    char name[64];
    std::snprintf(name, sizeof name, "/%020d.events", static_cast<int>(end.value));
    write_file(path + name, std::string("CAIRNLOG and the rest of it").substr(0, size));
    auto log = open(options_at(path));
    CHECK(log->end_offset() == end);
    append(*log, {"two"});
    CHECK(payloads_from(*log, Offset{0}) == Strings{"one", "two"});
  }
}

TEST_CASE("concurrent appends are all there, each once, each appender's in its order") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log", 20'000));
  constexpr int kThreads = 8;
  constexpr int kAppends = 60;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    Offset from{0};
    std::string bytes;
    while (!done || from < log->end_offset()) {
      const Status status =
          log->read(from, 100, milliseconds{5}, &bytes, [&](Offset offset, Offset next, std::string_view) {
            CHECK(offset == from);
            from = next;
          });
      REQUIRE(status.ok());
    }
  });
  std::vector<std::thread> appenders;
  std::vector<std::vector<std::int64_t>> ends(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    appenders.emplace_back([&, t] {
      for (int i = 0; i < kAppends; ++i) {
        const std::string name = std::to_string(t) + ":" + std::to_string(i);
        const std::string_view payloads[] = {name, "."};
        const auto end = log->append(payloads);
        CHECK(end.ok());
        if (!end.ok()) return;
        CHECK(log->end_offset() >= *end);
        ends[static_cast<std::size_t>(t)].push_back(end->value);
      }
    });
  }
  for (std::thread& thread : appenders) thread.join();
  done = true;
  reader.join();

  std::map<std::string, std::int64_t> next_of;  // where the record pair of each append ends
  const std::vector<Entry> entries = read_from(*log, Offset{0}, 1000);
  REQUIRE(entries.size() == 2 * kThreads * kAppends);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    CHECK(entries[i + 1].payload == ".");
    CHECK(next_of.emplace(entries[i].payload, entries[i + 1].next).second);
  }
  for (int t = 0; t < kThreads; ++t) {
    const auto& mine = ends[static_cast<std::size_t>(t)];
    REQUIRE(mine.size() == kAppends);
    CHECK(std::is_sorted(mine.begin(), mine.end()));
    for (int i = 0; i < kAppends; ++i) {
      CHECK(next_of[std::to_string(t) + ":" + std::to_string(i)] == mine[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_CASE("a process killed at any time loses no record that it acknowledged") {
  const std::uint32_t seed = 11;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 8; ++round) {
    const test::TemporaryFolder scratch;
    int acknowledged[2];
    REQUIRE(::pipe(acknowledged) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto log = open_event_log(options_at(scratch / "log", 2000));
      if (!log.ok()) ::_exit(1);
      for (std::uint32_t i = 0;; ++i) {
        const std::string payload = std::to_string(i) + std::string(i % 300, '.');
        const std::string_view views[] = {payload};
        if (!(*log)->append(views).ok()) ::_exit(1);
        if (::write(acknowledged[1], &i, sizeof i) != sizeof i) ::_exit(1);
      }
    }
    ::close(acknowledged[1]);
    // Kill it after some acknowledgements, at no particular point of what it is doing then.
    std::uint32_t last = 0;
    const std::uint32_t enough = random() % 200;
    do REQUIRE(::read(acknowledged[0], &last, sizeof last) == sizeof last);
    while (last < enough);
    REQUIRE(::kill(child, SIGKILL) == 0);
    while (::read(acknowledged[0], &last, sizeof last) == sizeof last) {
    }
    ::close(acknowledged[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));

    auto log = open(options_at(scratch / "log", 2000));
    const Strings got = payloads_from(*log, Offset{0});
    REQUIRE(got.size() > last);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == std::to_string(i) + std::string(i % 300, '.'));
  }
}

TEST_CASE("a disk nearly full refuses appends, and takes them again when it is not") {
  const test::TemporaryFolder scratch;
  EventLogOptions options = options_at(scratch / "log");
  options.free_bytes_min = std::uint64_t{1} << 60;
  {
    auto log = open(options);
    const std::string_view payloads[] = {"one"};
    const auto refused = log->append(payloads);
    CHECK(refused.status().code() == StatusCode::kResourceExhausted);
    CHECK(log->append(payloads).status().code() == StatusCode::kResourceExhausted);
    CHECK(log->end_offset() == Offset{0});
  }
  auto log = open(options_at(scratch / "log"));
  append(*log, {"one"});
  CHECK(payloads_from(*log, Offset{0}) == Strings{"one"});
}

TEST_CASE("what is too large for a record or a group is refused by itself") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  const std::string large(10 << 20, 'x');
  const std::string too_large((16 << 20) + 1, 'x');
  const std::string_view one[] = {too_large};
  CHECK(log->append(one).status().code() == StatusCode::kInvalidArgument);
  const std::string_view four[] = {large, large, large, large};
  CHECK(log->append(four).status().code() == StatusCode::kInvalidArgument);
  append(*log, {large, large});
  CHECK(payloads_from(*log, Offset{0}) == Strings{large, large});
}

TEST_CASE("one process at a time has the log open") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  const auto second = open_event_log(options_at(scratch / "log"));
  CHECK(second.status().code() == StatusCode::kUnavailable);
  log.reset();
  CHECK(open_event_log(options_at(scratch / "log")).ok());
}

TEST_CASE("close wakes a waiting reader and refuses appends") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  append(*log, {"one"});
  std::thread closer([&] { log->close(); });
  std::string bytes;
  CHECK(log->read(log->end_offset(), 1, std::chrono::minutes(5), &bytes, [](Offset, Offset, std::string_view) {}).ok());
  closer.join();
  const std::string_view payloads[] = {"two"};
  CHECK(log->append(payloads).status().code() == StatusCode::kUnavailable);
  CHECK(payloads_from(*log, Offset{0}) == Strings{"one"});
}

/// A record whose payload a source gives back.
std::string refused(std::string_view payload) {
  std::string record;
  append_refused_record(Reject::kMalformedJson, "", payload, &record);
  return record;
}

TEST_CASE("as a source the log gives its records from any stored position on") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log", 100));
  for (int i = 0; i < 50; ++i) append(*log, {refused("payload " + std::to_string(i))});
  const InteractionTypes types;
  SourcePosition position{Partition{0}, Offset{0}, {}};
  Strings got;
  for (int restart = 0; got.size() < 50; ++restart) {
    auto source = make_log_source("api", *log, types);
    CHECK(source->name() == "api");
    REQUIRE((restart == 0 ? test::begin(*source) : test::begin(*source, std::span(&position, 1))).ok());
    RecordBatch batch;
    REQUIRE(source->poll(3, milliseconds{0}, &batch).ok());
    for (const Record& r : batch.records) {
      CHECK(r.partition == Partition{0});
      CHECK(r.reject == Reject::kMalformedJson);
      got.emplace_back(r.payload);
    }
    REQUIRE(batch.positions.size() == 1);
    position = batch.positions[0];
    CHECK(batch.at_end == (got.size() == 50));
    CHECK_FALSE(batch.finished);
  }
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == "payload " + std::to_string(i));

  auto source = make_log_source("api", *log, types);
  CHECK(source->end_positions().value() == std::vector<SourcePosition>{{Partition{0}, log->end_offset(), {}}});
  REQUIRE(log->trim(position.offset).ok());
  const SourcePosition trimmed{Partition{0}, Offset{0}, {}};
  CHECK(test::begin(*source, std::span(&trimmed, 1)).code() == StatusCode::kOutOfRange);
  REQUIRE(source->resume(std::span(&position, 1)).ok());
  RecordBatch batch;
  std::thread appender([&] { append(*log, {refused("late")}); });
  do REQUIRE(source->poll(3, std::chrono::minutes(5), &batch).ok());
  while (batch.records.empty());
  appender.join();
  CHECK(batch.records[0].payload == "late");
  source->close();
  REQUIRE(source->poll(3, std::chrono::minutes(5), &batch).ok());
  CHECK(batch.records.empty());
}

std::string all_bytes(const std::string& directory) {
  std::string all;
  for (const auto& entry : fs::directory_iterator(directory)) all += file_bytes(entry.path().string());
  return all;
}

TEST_CASE("payloads are rewritten where they stand: the old bytes are in no file, and every offset stays") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log", 200));
  for (int i = 0; i < 40; ++i) append(*log, {"keep " + std::to_string(i), "secret " + std::to_string(i)});
  const std::vector<Entry> before = read_from(*log, Offset{0});
  const auto blank = [](Offset, std::span<char> payload) {
    if (payload[0] != 's') return false;
    std::fill(payload.begin(), payload.end(), 'x');
    return true;
  };
  CHECK(log->rewrite(blank).value() == 40);
  for (int round = 0; round < 2; ++round) {
    const std::vector<Entry> after = read_from(*log, Offset{0});
    REQUIRE(after.size() == before.size() + (round == 0 ? 0 : 1));
    for (std::size_t i = 0; i < before.size(); ++i) {
      CHECK(after[i].offset == before[i].offset);
      CHECK(after[i].next == before[i].next);
      CHECK(after[i].payload == (i % 2 == 0 ? before[i].payload : std::string(before[i].payload.size(), 'x')));
    }
    CHECK(all_bytes(scratch / "log").find("secret") == std::string::npos);
    CHECK(log->verify(Offset{0}).ok());
    CHECK(log->rewrite(blank).value() == 0);
    if (round == 0) append(*log, {"keep more"});
    log.reset();
    log = open(options_at(scratch / "log", 200));
  }
  CHECK(log->rewrite([](Offset, std::span<char>) { return true; }).value() == 81);
  REQUIRE(log->trim(log->end_offset()).ok());
}

TEST_CASE("appends and reads go on while the log is rewritten, and nothing is lost") {
  const test::TemporaryFolder scratch;
  const auto log = open(options_at(scratch / "log", 500));
  std::atomic<bool> stop{false};
  std::vector<std::int64_t> ends;
  std::thread writer([&] {
    for (int i = 0; i < 400; ++i) ends.push_back(append(*log, {"payload " + std::to_string(i)}).value);
    stop = true;
  });
  std::thread reader([&] {
    while (!stop) CHECK(read_from(*log, Offset{0}).size() <= 400);
  });
  std::uint64_t rewritten = 0;
  while (!stop) {
    const auto done =
        log->rewrite([](Offset, std::span<char> payload) { return std::exchange(payload[0], 'P') == 'p'; });
    REQUIRE_MESSAGE(done.ok(), done.status().to_string());
    rewritten += *done;
  }
  writer.join();
  reader.join();
  rewritten +=
      log->rewrite([](Offset, std::span<char> payload) { return std::exchange(payload[0], 'P') == 'p'; }).value();
  CHECK(rewritten == 400);
  const Strings all = payloads_from(*log, Offset{0});
  REQUIRE(all.size() == 400);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == "Payload " + std::to_string(i));
}

TEST_CASE("a rewrite that a crash cut short leaves nothing behind, and can be made again") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  append(*log, {"secret"});
  const std::string first = segment_files(scratch / "log").front();
  log.reset();
  write_file(first + ".new", file_bytes(first));
  log = open(options_at(scratch / "log"));
  CHECK_FALSE(fs::exists(first + ".new"));
  CHECK(payloads_from(*log, Offset{0}) == Strings{"secret"});
  CHECK(log->rewrite([](Offset, std::span<char> payload) { return (payload[0] = 'x') == 'x'; }).value() == 1);
}

}  // namespace
}  // namespace cairn::streaming
