// What was acknowledged is in the log, or the log is not opened: whatever becomes of its files, while it is closed or
// while it is open.

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "streaming/api_record.h"
#include "streaming/event_log.h"
#include "streaming/source.h"
#include "tests/streaming/files.h"
#include "tests/support/begin_source.h"
#include "tests/support/disk_syncs.h"

namespace cairn::streaming {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Strings = std::vector<std::string>;

EventLogOptions options_at(const std::string& path, std::uint64_t segment_bytes = 200) {
  return {.path = path, .segment_bytes = segment_bytes, .free_bytes_min = 0, .log = {}};
}

std::unique_ptr<EventLog> open(const EventLogOptions& options) {
  auto log = open_event_log(options);
  REQUIRE_MESSAGE(log.ok(), log.status().to_string());
  return *std::move(log);
}

Offset append(EventLog& log, std::string_view payload) {
  const auto end = log.append(std::span(&payload, 1));
  REQUIRE_MESSAGE(end.ok(), end.status().to_string());
  return *end;
}

std::string refused(std::string_view payload) {
  std::string record;
  append_refused_record(Reject::kMalformedJson, "", payload, &record);
  return record;
}

/// A closed log of `count` events, "event 0" and so on, in several segments.
Offset make_log(const std::string& path, int count = 40) {
  auto log = open(options_at(path));
  for (int i = 0; i < count; ++i) append(*log, refused("event " + std::to_string(i)));
  return log->end_offset();
}

std::vector<fs::path> segments(const std::string& path) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".events") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void flip(const fs::path& file, std::uintmax_t at) {
  std::string bytes = file_bytes(file);
  bytes.at(at) ^= 1;
  write_file(file, bytes);
}

/// What a source of the log delivers.
Strings events(EventLog& log, Offset from = Offset{0}) {
  const InteractionTypes types;
  auto source = make_log_source("api", log, types);
  const SourcePosition position{Partition{0}, from, {}};
  REQUIRE(test::begin(*source, std::span(&position, 1)).ok());
  Strings found;
  RecordBatch batch;
  do {
    const Status polled = source->poll(7, milliseconds{0}, &batch);
    REQUIRE_MESSAGE(polled.ok(), polled.to_string());
    for (const Record& record : batch.records) found.emplace_back(record.payload);
  } while (!batch.at_end);
  return found;
}

struct Harm {
  const char* what;
  std::function<void(const std::string& path)> harm;
  const char* named;  ///< in the refusal
};

std::vector<Harm> harms() {
  return {
      {"the newest file is cut",
       [](const auto& path) {
         const fs::path file = segments(path).back();
         fs::resize_file(file, fs::file_size(file) - 5);
       },
       ".events"},
      {"the last event is flipped",
       [](const auto& path) {
         const fs::path file = segments(path).back();
         flip(file, fs::file_size(file) - 2);
       },
       ".events"},
      {"the newest file is empty", [](const auto& path) { fs::resize_file(segments(path).back(), 0); }, ".events"},
      {"the newest file is gone", [](const auto& path) { fs::remove(segments(path).back()); }, ".events"},
      {"a file in the middle is gone", [](const auto& path) { fs::remove(segments(path)[2]); }, ".events"},
      {"a header is flipped", [](const auto& path) { flip(segments(path)[1], 3); }, ".events"},
      {"a version is flipped", [](const auto& path) { flip(segments(path)[1], 8); }, ".events"},
      {"every file is gone",
       [](const auto& path) {
         for (const fs::path& file : segments(path)) fs::remove(file);
       },
       "event log in"},
      {"the identity is gone", [](const auto& path) { fs::remove(path + "/identity"); }, "identity"},
      {"the identity is flipped", [](const auto& path) { flip(path + "/identity", 25); }, "identity"},
      {"the identity is empty", [](const auto& path) { fs::resize_file(path + "/identity", 0); }, "identity"},
      {"the mark is gone", [](const auto& path) { fs::remove(path + "/acknowledged"); }, "acknowledged"},
      {"the mark is flipped", [](const auto& path) { flip(path + "/acknowledged", 1); }, "acknowledged"},
      {"the mark is cut", [](const auto& path) { fs::resize_file(path + "/acknowledged", 3); }, "acknowledged"},
      {"the folder is gone", [](const auto& path) { fs::remove_all(path); }, "identity"},
  };
}

TEST_CASE("a log from which something acknowledged is missing is not opened, and nothing is changed in it") {
  for (const Harm& harm : harms()) {
    INFO(harm.what);
    const test::TemporaryFolder scratch;
    make_log(scratch / "log");
    harm.harm(scratch / "log");
    EventLogOptions options = options_at(scratch / "log");
    options.must_exist = true;
    for (int again = 0; again < 2; ++again) {
      const auto opened = open_event_log(options);
      REQUIRE_FALSE(opened.ok());
      INFO(opened.status().to_string());
      CHECK(opened.status().code() == StatusCode::kDataLoss);
      CHECK(opened.status().message().find(scratch / "log") != std::string::npos);
      CHECK(opened.status().message().find(harm.named) != std::string::npos);
      CHECK(opened.status().message().find("--accept-log-loss") != std::string::npos);
    }
  }
}

TEST_CASE("what is lost can be given up: every other event stays where it was, and the log goes on") {
  for (const Harm& harm : harms()) {
    INFO(harm.what);
    const test::TemporaryFolder scratch;
    const Offset end = make_log(scratch / "log");
    harm.harm(scratch / "log");
    EventLogOptions options = options_at(scratch / "log");
    options.must_exist = true;
    const auto losses = give_up_lost_records(options, Offset{0});
    REQUIRE_MESSAGE(losses.ok(), losses.status().to_string());
    auto log = open(options);
    append(*log, refused("new"));
    const Strings found = events(*log, log->begin_offset());
    REQUIRE_FALSE(found.empty());
    CHECK(found.back() == "new");
    CHECK(std::is_sorted(found.begin(), found.end() - 1, [](const std::string& a, const std::string& b) {
      return std::stoi(a.substr(6)) < std::stoi(b.substr(6));
    }));
    const bool beside = std::string(harm.what).find("mark") != std::string::npos ||
                        std::string(harm.what).find("identity") != std::string::npos ||
                        std::string(harm.what).find("flipped") != std::string::npos;
    if (beside) {
      CHECK(found.size() >= 40);
      CHECK(log->end_offset() > end);
    }
    CHECK(examine_event_log(scratch / "log").damaged.empty());
  }
}

TEST_CASE("a source passes what was given up, and what lies before the log's beginning once that is accepted") {
  const test::TemporaryFolder scratch;
  const InteractionTypes types;
  auto log = open(options_at(scratch / "log"));
  std::vector<Offset> starts;
  for (int i = 0; i < 40; ++i) {
    starts.push_back(log->end_offset());
    append(*log, refused("event " + std::to_string(i)));
  }
  REQUIRE(log->trim(starts[30]).ok());
  const Offset begin = log->begin_offset();
  REQUIRE(begin > starts[10]);
  const SourcePosition stored{Partition{0}, starts[10], {}};
  auto source = make_log_source("api", *log, types);
  CHECK(source->can_pass_gaps());
  CHECK(test::begin(*source, std::span(&stored, 1)).code() == StatusCode::kOutOfRange);
  const auto accepting = [&](const SourcePosition& position) {
    auto one = make_log_source("api", *log, types);
    const Partition partition{0};
    one->accept_gaps(std::span(&partition, 1));
    REQUIRE(test::begin(*one, std::span(&position, 1)).ok());
    RecordBatch batch;
    REQUIRE(one->poll(100, milliseconds{0}, &batch).ok());
    return std::pair{batch.gap_bytes, batch.positions};
  };
  const auto [passed, positions] = accepting(stored);
  CHECK(passed == static_cast<std::uint64_t>(begin.value - starts[10].value));
  CHECK(positions.size() == 1);
  // From a log that ends before the position nothing is missing that it holds.
  const auto [nothing, at_end] = accepting({Partition{0}, {log->end_offset().value + 500}, {}});
  CHECK(nothing == 0);
  REQUIRE(at_end.size() == 1);
  CHECK(at_end[0].offset == log->end_offset());

  const Offset needed = starts[35];
  log.reset();
  fs::remove_all(scratch / "log");
  const auto losses = give_up_lost_records(options_at(scratch / "log"), needed);
  REQUIRE(losses.ok());
  log = open(options_at(scratch / "log"));
  CHECK(accepting(stored).first >= static_cast<std::uint64_t>(log->begin_offset().value - starts[10].value));
}

TEST_CASE("records of a log that forked have another incarnation from the fork on, and only there") {
  const test::TemporaryFolder scratch;
  const InteractionTypes types;
  auto log = open(options_at(scratch / "log"));
  const Offset one = append(*log, refused("one"));
  REQUIRE(log->copy(scratch / "copy").ok());
  const auto copy = open(options_at(scratch / "copy"));
  const Offset two = append(*copy, refused("two"));
  REQUIRE(copy->copy(scratch / "copy of copy").ok());
  const auto third = open(options_at(scratch / "copy of copy"));
  const auto incarnation = [&](EventLog& of, Offset offset) {
    return make_log_source("api", of, types)->incarnation(Partition{0}, offset);
  };
  CHECK(incarnation(*log, Offset{0}).empty());
  CHECK(incarnation(*log, one).empty());
  CHECK(incarnation(*third, Offset{0}).empty());
  CHECK(incarnation(*third, one) == copy->identity().id);
  CHECK(incarnation(*third, two) == third->identity().id);
}

TEST_CASE("an examination names what is damaged, and finds nothing in a sound log") {
  for (const Harm& harm : harms()) {
    INFO(harm.what);
    const test::TemporaryFolder scratch;
    make_log(scratch / "log");
    CHECK(examine_event_log(scratch / "log").damaged.empty());
    if (std::string(harm.what) == "the folder is gone" || std::string(harm.what) == "the identity is gone") continue;
    harm.harm(scratch / "log");
    const auto found = examine_event_log(scratch / "log").damaged;
    REQUIRE_FALSE(found.empty());
    bool named = false;
    for (const Damage& one : found) {
      named |= one.what.find(harm.named) != std::string::npos;
      // These events cannot be read again from anywhere. A segment of another version is no loss.
      const bool remedy = one.remedy.find("--accept-log-loss") != std::string::npos ||
                          one.remedy.find("the version that wrote it") != std::string::npos;
      CHECK_MESSAGE(remedy, one.remedy);
    }
    CHECK_MESSAGE(named, found.front().what);
  }
}

TEST_CASE("each flipped byte of an older segment is found by a check from before it") {
  const test::TemporaryFolder scratch;
  make_log(scratch / "log");
  const fs::path file = segments(scratch / "log")[1];
  const std::string whole = file_bytes(file);
  for (std::size_t at = 24; at < whole.size(); ++at) {
    INFO("byte ", at);
    flip(file, at);
    auto log = open(options_at(scratch / "log"));
    const Status verified = log->verify(Offset{0});
    CHECK(verified.code() == StatusCode::kDataLoss);
    CHECK(verified.message().find(file.string()) != std::string::npos);
    CHECK(log->trouble().to_string() == verified.to_string());
    CHECK(examine_event_log(scratch / "log").damaged.size() == 1);
    log.reset();
    write_file(file, whole);
  }
  CHECK(open(options_at(scratch / "log"))->verify(Offset{0}).ok());
}

TEST_CASE("nothing is acknowledged into a file that was removed, emptied or changed while the log is open") {
  const std::vector<std::function<void(const fs::path&)>> changes{
      [](const fs::path& file) { fs::remove(file); }, [](const fs::path& file) { fs::resize_file(file, 0); },
      [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) + 1); }};
  for (const auto& change : changes) {
    const test::TemporaryFolder scratch;
    auto log = open(options_at(scratch / "log", 1 << 20));
    const Offset end = append(*log, refused("one"));
    change(segments(scratch / "log").back());
    const std::string_view payload = "two";
    const auto second = log->append(std::span(&payload, 1));
    CHECK(second.status().code() == StatusCode::kUnavailable);
    CHECK(second.status().message().find(".events") != std::string::npos);
    CHECK(log->trouble().to_string() == second.status().to_string());
    CHECK(log->end_offset() == end);
  }
}

TEST_CASE("every append, every new segment and every copy is on the disk before it is told of") {
  const test::TemporaryFolder scratch;
  test::DiskSyncs syncs;
  auto log = open(options_at(scratch / "log", 100));
  CHECK(syncs.count("/log/00000000000000000000.events") == 1);
  CHECK(syncs.count("/log/identity") + syncs.count("/log/acknowledged") == 2);
  int files = 1;
  for (int i = 0; i < 20; ++i) {
    const int before = syncs.count(".events");
    const int folders = static_cast<int>(syncs.synced().size()) - before;
    append(*log, refused("event"));
    const bool rolled = static_cast<int>(segments(scratch / "log").size()) > files;
    files += rolled;
    CHECK(syncs.count(".events") == before + 1 + rolled);  // the record's file, and the header's before it
    CHECK(static_cast<int>(syncs.synced().size()) - syncs.count(".events") == folders + rolled);  // the folder
  }
  REQUIRE(files > 3);
  const int before = syncs.count("/copy/");
  REQUIRE(log->copy(scratch / "copy").ok());
  CHECK(syncs.count("/copy/") == before + files + 2);
  CHECK(syncs.synced().back() == scratch / "copy");
  bool parent = false;
  for (const std::string& path : syncs.synced()) parent |= path == scratch.path();
  CHECK(parent);
}

TEST_CASE("what is made, cut, trimmed or mended is on the disk before the log goes on") {
  const test::TemporaryFolder scratch;
  const std::string path = scratch / "new/folder/log";
  {
    const test::DiskSyncs syncs;
    open(options_at(path));
    for (const std::string& folder : {scratch.path(), scratch / "new", scratch / "new/folder", path}) {
      const auto synced = syncs.synced();
      CHECK_MESSAGE(std::count(synced.begin(), synced.end(), folder) > 0, folder);
    }
  }
  make_log(path);
  const Strings files = [&] {
    Strings all;
    for (const fs::path& file : segments(path)) all.push_back(file.string());
    return all;
  }();
  {
    std::ofstream(files.back(), std::ios::app) << "torn";
    const test::DiskSyncs syncs;
    open(options_at(path));
    CHECK(syncs.synced() == Strings{files.back()});
  }
  {
    flip(files[1], fs::file_size(files[1]) / 2);
    const test::DiskSyncs syncs;
    REQUIRE(give_up_lost_records(options_at(path), Offset{0}).ok());
    for (const std::string& file : files) CHECK_MESSAGE(syncs.count(file) == 2, file);  // its header, and its records
  }
  {
    const auto log = open(options_at(path));
    const test::DiskSyncs syncs;
    REQUIRE(log->trim(log->end_offset()).ok());
    CHECK(syncs.synced() == Strings{path});
    REQUIRE(log->trim(log->end_offset()).ok());  // nothing is left to trim
    CHECK(syncs.synced() == Strings{path});
  }
}

TEST_CASE("after a sync that failed once nothing is acknowledged, until the log is opened again") {
  const test::TemporaryFolder scratch;
  test::DiskSyncs syncs;
  auto log = open(options_at(scratch / "log"));
  append(*log, refused("one"));
  syncs.fail_next(".events");
  const std::string payload = refused("two");
  const std::string_view view = payload;
  CHECK(log->append(std::span(&view, 1)).status().code() == StatusCode::kUnavailable);
  CHECK(log->append(std::span(&view, 1)).status().code() == StatusCode::kUnavailable);
  CHECK(log->trouble().message().find("check the disk") != std::string::npos);
  CHECK(events(*log) == Strings{"one"});
  log.reset();
  log = open(options_at(scratch / "log"));
  CHECK(log->trouble().ok());
  append(*log, refused("three"));
  Strings found = events(*log);
  std::erase(found, "two");  // it was written, and not acknowledged
  CHECK(found == Strings{"one", "three"});
}

TEST_CASE("appends that joined while another was being written are told of its failure, and do not wait for ever") {
  const test::TemporaryFolder scratch;
  test::DiskSyncs syncs;
  auto log = open(options_at(scratch / "log"));
  syncs.hold_next(".events");
  std::atomic<int> failures = 0;
  const auto append_one = [&] {
    const std::string_view payload = "x";
    failures += log->append(std::span(&payload, 1)).status().code() == StatusCode::kUnavailable ? 1 : 0;
  };
  {
    const std::jthread first(append_one);
    syncs.wait_until_held();
    std::vector<std::jthread> joining;
    for (int i = 0; i < 4; ++i) joining.emplace_back(append_one);
    std::this_thread::sleep_for(milliseconds{20});  // time to join; one that comes later is refused at once
    syncs.let_go();
  }
  CHECK(failures == 5);
}

TEST_CASE("a trim to where a file begins removes all before it, as was foretold") {
  const test::TemporaryFolder scratch;
  make_log(scratch / "log");
  const auto log = open(options_at(scratch / "log"));
  for (const fs::path& file : segments(scratch / "log")) {
    const Offset start{std::stoll(file.stem().string())};
    CHECK(log->begin_after_trim(start) == start);
    REQUIRE(log->trim(start).ok());
    CHECK(log->begin_offset() == start);
    CHECK(segments(scratch / "log").front() == file);
  }
}

TEST_CASE("appends that come together on a full disk are all refused, and taken when there is space") {
  const test::TemporaryFolder scratch;
  EventLogOptions options = options_at(scratch / "log");
  options.free_bytes_min = std::uint64_t{1} << 60;
  {
    auto log = open(options);
    std::atomic<int> refusals = 0;
    std::vector<std::jthread> appenders;
    for (int t = 0; t < 6; ++t) {
      appenders.emplace_back([&] {
        const std::string_view payload = "x";
        for (int i = 0; i < 200; ++i) {
          refusals += log->append(std::span(&payload, 1)).status().code() == StatusCode::kResourceExhausted;
        }
      });
    }
    appenders.clear();
    CHECK(refusals == 1200);
    CHECK(log->trouble().ok());  // a full disk is no loss
  }
  append(*open(options_at(scratch / "log")), "x");
}

TEST_CASE("a copy is another log that shares with its original what it was copied with") {
  const test::TemporaryFolder scratch;
  auto log = open(options_at(scratch / "log"));
  append(*log, refused("one"));
  const Offset end = append(*log, refused("two"));
  REQUIRE(log->copy(scratch / "copy").ok());
  append(*log, refused("only in the original"));
  auto copy = open(options_at(scratch / "copy"));
  CHECK(copy->identity().id != log->identity().id);
  CHECK(copy->identity().ancestors == std::vector<LogAncestor>{{log->identity().id, end}});
  append(*copy, refused("only in the copy"));
  CHECK(events(*copy) == Strings{"one", "two", "only in the copy"});
  const LogIdentity identity = copy->identity();
  copy.reset();
  CHECK(open(options_at(scratch / "copy"))->identity() == identity);  // drawn once
  copy = open(options_at(scratch / "copy"));
  REQUIRE(copy->copy(scratch / "copy of copy").ok());
  const auto third = open(options_at(scratch / "copy of copy"));
  REQUIRE(third->identity().ancestors.size() == 2);
  CHECK(third->identity().ancestors[0] == LogAncestor{identity.id, copy->end_offset()});
  CHECK(third->identity().ancestors[1] == identity.ancestors[0]);
}

TEST_CASE("a log of a newer version is said to be that, and not damaged") {
  const test::TemporaryFolder scratch;
  make_log(scratch / "log");
  const fs::path file = segments(scratch / "log").back();
  std::string bytes = file_bytes(file);
  bytes[8] = 7;
  bytes[20] = static_cast<char>(bytes[20] ^ 0x55);  // the checksum of a header of another layout
  write_file(file, bytes);
  const auto opened = open_event_log(options_at(scratch / "log"));
  CHECK(opened.status().code() == StatusCode::kFailedPrecondition);
  CHECK(opened.status().message().find("was written by a newer Cairn: it has version 7") != std::string::npos);
}

TEST_CASE("others cannot read the log, whatever the umask allows") {
  const test::TemporaryFolder scratch;
  const ::mode_t before = ::umask(0);
  make_log(scratch / "deep/log");
  ::umask(before);
  for (const std::string& path : {scratch / "deep", scratch / "deep/log"}) {
    CHECK((fs::status(path).permissions() & fs::perms::mask) == static_cast<fs::perms>(0750));
  }
  for (const auto& file : fs::directory_iterator(scratch / "deep/log")) {
    INFO(file.path().string());
    CHECK((file.status().permissions() & fs::perms::mask) == static_cast<fs::perms>(0640));
  }
}

}  // namespace
}  // namespace cairn::streaming
