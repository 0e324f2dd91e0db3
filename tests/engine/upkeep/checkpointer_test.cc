#include "engine/upkeep/checkpointer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "features/row.h"
#include "streaming/source.h"
#include "tests/support/disk_syncs.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
namespace fs = std::filesystem;

/// A state directory with a store and a log, as an engine has them.
struct Fixture {
  test::TemporaryFolder folder;
  state::StateDirectory directory = *state::StateDirectory::open(folder.path() + "/running");
  std::unique_ptr<storage::StateStore> store = *storage::open_rocksdb_store(
      {.path = directory.store(), .merge = features::merge_encoded_rows, .free_bytes_min = 0});
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<streaming::EventLog> log =
      *streaming::open_event_log({.path = directory.event_log(), .segment_bytes = 64, .free_bytes_min = 0});
  Offset reached{0};
  upkeep::LogTrimmer trimmer{
      *log, [this] { return reached; }, [] { return ok_status(); }, [](Offset) { return ok_status(); }, {}};
  upkeep::Checkpointer checkpointer{directory, *store, *state, *log, trimmer};

  Offset append(std::string_view payload) { return *log->append(std::span(&payload, 1)); }
  Status apply(Offset offset) {
    const SourcePosition position{Partition{0}, offset, ""};
    return state->apply({"api", {}, std::span(&position, 1), 0});
  }
};

TEST_CASE("a checkpoint's log reaches from its state's position on") {
  Fixture f;
  const Offset applied = f.append("applied");
  const Offset end = f.append("not yet");
  REQUIRE(f.apply(applied).ok());
  const auto made = f.checkpointer.make({}, f.folder.path() + "/copy");
  REQUIRE_MESSAGE(made.ok(), made.status().to_string());
  REQUIRE(made->watermarks.size() == 1);
  CHECK(made->watermarks[0].position.offset == applied);

  const auto copy = *state::StateDirectory::open(made->path);
  CHECK(made->bytes == copy.bytes());
  const auto log = streaming::open_event_log({.path = copy.event_log(), .free_bytes_min = 0});
  REQUIRE(log.ok());
  CHECK((*log)->begin_offset() <= applied);
  CHECK((*log)->end_offset() == end);
}

TEST_CASE("a call that is cancelled or late leaves nothing behind") {
  Fixture f;
  std::stop_source cancelled;
  cancelled.request_stop();
  CallContext context;
  context.cancelled = cancelled.get_token();
  CHECK(f.checkpointer.make(context, f.folder.path() + "/copy").status().code() == StatusCode::kCancelled);
  CHECK(f.checkpointer.make(CallContext::within(std::chrono::milliseconds(0)), f.folder.path() + "/copy")
            .status()
            .code() == StatusCode::kDeadlineExceeded);
  CHECK_FALSE(fs::exists(f.folder.path() + "/copy"));
}

TEST_CASE("a copy inside the state directory is refused, by whatever way its path leads there") {
  Fixture f;
  fs::create_directory_symlink(f.directory.path(), f.folder.path() + "/link");
  for (const std::string& path : {f.directory.path() + "/copy", f.directory.path() + "/../link/copy",
                                  f.folder.path() + "/link/copy", f.directory.path()}) {
    CAPTURE(path);
    CHECK(f.checkpointer.make({}, path).status().code() == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("what cannot be copied leaves nothing behind") {
  for (const char* part : {"/copy/event-log/", "/copy/state", "/copy"}) {
    INFO(std::string(part));
    Fixture f;
    f.append("x");
    test::DiskSyncs syncs;
    syncs.fail_next(part);
    const auto made = f.checkpointer.make({}, f.folder.path() + "/copy");
    CHECK(made.status().code() == StatusCode::kUnavailable);
    CHECK_FALSE(fs::exists(f.folder.path() + "/copy"));
    REQUIRE(f.checkpointer.make({}, f.folder.path() + "/copy").ok());
  }
}

TEST_CASE("a checkpoint's files and folders, and its name, are on the disk when it is told of") {
  Fixture f;
  f.append("x");
  test::DiskSyncs syncs;
  const std::string copy = f.folder.path() + "/copy";
  REQUIRE(f.checkpointer.make({}, copy).ok());
  const auto paths = syncs.synced();
  const auto synced = [&](const std::string& path) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  };
  for (const std::string& folder : {copy + "/event-log", copy, f.folder.path()}) CHECK_MESSAGE(synced(folder), folder);
  for (const auto& file : fs::directory_iterator(copy + "/event-log")) {
    const std::string name = file.path().filename().string();
    CHECK_MESSAGE((synced(file.path().string()) || synced(file.path().string() + ".new")), name);
  }
  // RocksDB syncs under the name that it gives the copy at last.
  CHECK(syncs.count("/copy/state") > 0);
}

TEST_CASE("the log is trimmed up to what every consumer has applied, and not while it is copied") {
  Fixture f;
  const Offset first = f.append(std::string(100, 'a'));
  const Offset second = f.append(std::string(100, 'b'));  // a segment of its own
  f.append(std::string(100, 'c'));
  f.trimmer.trim();
  CHECK(f.log->begin_offset() == Offset{0});

  f.reached = second;
  {
    const MutexLock copying(f.trimmer.not_trimming());
    std::jthread([&] { f.trimmer.trim(); }).join();  // leaves it to the next round, and does not wait
    CHECK(f.log->begin_offset() == Offset{0});
  }
  f.trimmer.trim();
  CHECK(f.log->begin_offset() > first);
  CHECK(f.log->begin_offset() <= second);
}

TEST_CASE("nothing is trimmed while what else is in the log cannot be saved") {
  Fixture f;
  f.append(std::string(100, 'a'));
  const Offset second = f.append(std::string(100, 'b'));
  f.append(std::string(100, 'c'));
  Status keeps = unavailable("no space");
  std::vector<Offset> kept;
  upkeep::LogTrimmer trimmer{*f.log,
                             [&] { return second; },
                             [] { return ok_status(); },
                             [&](Offset begin) {
                               kept.push_back(begin);
                               return keeps;
                             },
                             {}};
  trimmer.trim();
  CHECK(f.log->begin_offset() == Offset{0});
  keeps = ok_status();
  trimmer.trim();
  const Offset begin = f.log->begin_offset();
  CHECK(begin > Offset{0});
  CHECK(kept == std::vector{begin, begin});
  trimmer.trim();  // there is nothing to remove, and so nothing to save
  CHECK(kept.size() == 2);
}

TEST_CASE("consumers are asked to put what they hold into files when they leave much of the log behind") {
  Fixture f;
  const std::int64_t end = f.append("x").value;
  int flushes = 0;
  Offset reached{end - upkeep::LogTrimmer::kLogBytesMax};
  upkeep::LogTrimmer trimmer{*f.log,
                             [&] { return reached; },
                             [&] {
                               ++flushes;
                               return unavailable("not now");
                             },
                             [](Offset) { return ok_status(); },
                             {}};
  trimmer.trim();
  CHECK(flushes == 0);
  reached.value -= 1;
  trimmer.trim();
  CHECK(flushes == 1);
}

}  // namespace
