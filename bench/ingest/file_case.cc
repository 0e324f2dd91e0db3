// From lines in a file to features on the disk: the whole features path of an engine (read, decode, resolve, aggregate,
// one synced write per window), both cores. The places are known before. Beside it the loop of merge_peer.h.
#include "bench/ingest/cases.h"
#include "bench/ingest/merge_peer.h"
#include "bench/ingest/run_engine.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr const char* kPeer = "one RocksDB merge per event and counter, 5 counters";

EngineOptions with_stream(const std::string& state_dir, const Data& data) {
  EngineOptions options = with_places(state_dir, data);
  options.files = {{"stream", data.events_path, true}};
  return options;
}

void measure_file(IngestRun& run, const Data& data, std::size_t rounds) {
  Costs ours;
  Costs peers;
  for (std::size_t round = 0; round < rounds; ++round) {
    const test::TemporaryFolder folder;
    ours.add(run_to_durable(with_stream(folder.path(), data), data));
    peers.add(run_merge_peer(data));
  }
  const std::size_t events = data.size.events;
  run.report.add({.name = "file to durable features" + label(data.size),
                  .unit = "events/s",
                  .value = ours.rate(events),
                  .peer = Peer{kPeer, peers.rate(events)}});
  run.report.add({.name = "file to durable features, processor time",
                  .unit = "us/event",
                  .better = Better::kLess,
                  .value = ours.cpu_us_per_event(events),
                  .peer = Peer{kPeer, peers.cpu_us_per_event(events)}});
}

}  // namespace

void file_case(IngestRun& run) { measure_file(run, run.data(), run.rounds(3)); }

/// The same for long enough that compactions of every level are in it. Takes minutes.
void file5m_case(IngestRun& run) {
  const DataSize size = run.options.quick ? DataSize{100'000, 10'000, 5'000} : DataSize{5'000'000, 100'000, 50'000};
  measure_file(run, run.data(size), run.rounds(1));
}

/// Three events in ten are of one user at one place; beside it the same without that.
void hot_case(IngestRun& run) {
  const Data& usual = run.data();
  DataSize size = usual.size;
  size.hot_percent = 30;
  const Data& hot = run.data_of(size);
  Costs hot_costs;
  Costs usual_costs;
  for (std::size_t round = 0; round < run.rounds(3); ++round) {
    const test::TemporaryFolder folder;
    hot_costs.add(run_to_durable(with_stream(folder.path() + "/hot", hot), hot));
    usual_costs.add(run_to_durable(with_stream(folder.path() + "/usual", usual), usual));
  }
  run.report.add({.name = "file to durable features" + label(hot.size),
                  .unit = "events/s",
                  .value = hot_costs.rate(size.events),
                  .peer = Peer{"the same without a hot key", usual_costs.rate(size.events)}});
}

}  // namespace cairn::bench
