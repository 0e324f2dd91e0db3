// A process that ingests a file at full speed is killed (SIGKILL) with a window that is nearly full, and its state
// directory is opened again: from Engine::open to ready(), and until all that answers had seen before the kill is in
// them again, for what had not been stored is read from the file once more. Beside it RocksDB opening the same files,
// log recovery included, which no restart can do without.
//
// Nearly full means: changes of as many rows pend as are nine tenths of the most so far, with at least half of the
// events applied.
#include <csignal>
#include <filesystem>
#include <thread>

#include "bench/ingest/cases.h"
#include "bench/ingest/child.h"
#include "bench/ingest/run_engine.h"
#include "engine/state/state_directory.h"
#include "features/row.h"
#include "storage/state_store.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;

/// Where answers stand in the file.
std::int64_t visible_in_file(const EngineStatus& status) {
  for (const ConsumerStatus& consumer : status.consumers) {
    if (consumer.consumer == "features" && consumer.source == "stream") return consumer.position.offset.value;
  }
  return 0;
}

std::int64_t durable_in_file(const EngineStatus& status) {
  for (const Watermark& mark : status.durable) {
    if (mark.source == "stream") return mark.position.offset.value;
  }
  return 0;
}

EngineOptions following(const std::string& state_dir, const std::string& events) {
  EngineOptions options;
  options.state_dir = state_dir;
  options.files = {{"stream", events, true}};
  return options;
}

double seconds_to_open_store(const std::string& state_dir) {
  const test::TemporaryFolder folder;
  const state::StateDirectory copy = must(state::StateDirectory::open(folder / "copy"));
  fs::copy(must(state::StateDirectory::open(state_dir)).store(), copy.store(), fs::copy_options::recursive);
  storage::StateStoreOptions options;
  options.path = copy.store();
  options.merge = features::merge_encoded_rows;
  const SteadyTime start = std::chrono::steady_clock::now();
  const auto store = must(storage::open_rocksdb_store(options));
  const double seconds = seconds_since(start);
  must(store->close());
  return seconds;
}

struct Restarts {
  std::vector<double> ready;  ///< milliseconds
  std::vector<double> regained;
  std::vector<double> store;
  std::vector<double> pending_rows;
  std::vector<double> lost_bytes;  ///< of the file, applied and not durable when the process was killed
};

void restart_once(const Data& data, Restarts* restarts) {
  const test::TemporaryFolder folder;
  static_cast<void>(with_places(folder / "state", data));
  const ChildEnd killed = run_child("restart", {folder / "state", data.events_path, std::to_string(data.size.events)});
  CAIRN_CHECK_MSG(killed.signal == SIGKILL, "the child was to be killed");
  restarts->pending_rows.push_back(killed["pending_rows"]);
  restarts->lost_bytes.push_back(killed["visible"] - killed["durable"]);
  restarts->store.push_back(1e3 * seconds_to_open_store(folder / "state"));

  const SteadyTime start = std::chrono::steady_clock::now();
  const std::unique_ptr<Engine> engine = open_engine(following(folder / "state", data.events_path));
  while (!engine->status({}).ready()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  restarts->ready.push_back(1e3 * seconds_since(start));
  while (static_cast<double>(visible_in_file(engine->status({}))) < killed["visible"]) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  restarts->regained.push_back(1e3 * seconds_since(start));
  must(engine->wait_caught_up(patient()));
  check_answers(*engine, data);
  must(engine->close());
}

}  // namespace

int restart_child(const std::vector<std::string>& arguments) {
  CAIRN_CHECK(arguments.size() == 3);
  const std::uint64_t events = std::stoul(arguments[2]);
  const std::unique_ptr<Engine> engine = open_engine(following(arguments[0], arguments[1]));
  std::uint64_t largest = 0;
  while (true) {
    const EngineStatus status = engine->status({});
    const bool full = status.windows_written > 0 && 10 * status.pending_rows >= 9 * largest;
    const bool late = 10 * status.events_applied >= 9 * events;  // a stream that is too short for windows to be full
    if ((full && 2 * status.events_applied >= events) || late) {
      tell("pending_rows", static_cast<double>(status.pending_rows));
      tell("visible", static_cast<double>(visible_in_file(status)));
      tell("durable", static_cast<double>(durable_in_file(status)));
      ::kill(::getpid(), SIGKILL);
    }
    largest = std::max(largest, status.pending_rows);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void restart_case(IngestRun& run) {
  const Data& data = run.data();
  Restarts restarts;
  for (std::size_t round = 0; round < run.rounds(5); ++round) restart_once(data, &restarts);
  const std::string rows = " pending_rows=" + std::to_string(static_cast<long>(median(restarts.pending_rows)));
  run.report.add({.name = "killed with a full window, until ready" + rows,
                  .unit = "ms",
                  .better = Better::kLess,
                  .value = median(restarts.ready),
                  .peer = Peer{"RocksDB opening the same files", median(restarts.store)}});
  run.report.add({.name = "killed with a full window, until as fresh as before, re-read MB=" +
                          std::to_string(static_cast<long>(median(restarts.lost_bytes) / 1e6)),
                  .unit = "ms",
                  .better = Better::kLess,
                  .value = median(restarts.regained)});
}

}  // namespace cairn::bench
