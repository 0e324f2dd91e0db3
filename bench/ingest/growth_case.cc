// Whether an engine stays as fast as it was while its state grows, and what it takes of memory: 10 million events of a
// million users at 500,000 places from a file, in a process of its own. The rate and the processor time of
// each million, beside the first; resident memory at the end, and the parts of it that status() tells.
#include <algorithm>
#include <thread>

#include "bench/ingest/cases.h"
#include "bench/ingest/child.h"
#include "bench/ingest/run_engine.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr double kMiB = 1 << 20;

void tell_memory(const Engine& engine) {
  const EngineStatus status = engine.status({});
  tell("resident", resident_mib());
  for (const MemoryPart& part : status.memory) tell("memory " + part.name, static_cast<double>(part.bytes) / kMiB);
  tell("state on the disk", static_cast<double>(status.state_bytes) / kMiB);
}

/// The largest resident memory so far, in MiB.
double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// Tells the seconds, and the processor seconds, at which each of ten equal parts of the events was applied. The count
/// moves by the batch: between two of its moves it is taken to have grown evenly.
void watch_parts(const Engine& engine, std::size_t events, SteadyTime start, double cpu_start) {
  double before = 0;
  Cost before_at;
  for (std::size_t part = 1; part <= 10;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto applied = static_cast<double>(engine.status({}).events_applied);
    if (applied <= before) continue;
    const Cost at{seconds_since(start), cpu_seconds() - cpu_start};
    for (; part <= 10 && 10 * applied >= static_cast<double>(part * events); ++part) {
      const double share = (static_cast<double>(part * events) / 10 - before) / (applied - before);
      tell("part " + std::to_string(part), before_at.wall + share * (at.wall - before_at.wall));
      tell("cpu part " + std::to_string(part), before_at.cpu + share * (at.cpu - before_at.cpu));
    }
    before = applied;
    before_at = at;
  }
}

}  // namespace

int growth_child(const std::vector<std::string>& arguments) {
  CAIRN_CHECK(arguments.size() == 5);
  const Data data =
      make_data(arguments[0], {std::stoul(arguments[1]), std::stoul(arguments[2]), std::stoul(arguments[3])});
  EngineOptions options = with_places(arguments[4], data);
  options.files = {{"stream", data.events_path, true}};
  const double cpu = cpu_seconds();
  const SteadyTime start = std::chrono::steady_clock::now();
  const std::unique_ptr<Engine> engine = open_engine(options);
  watch_parts(*engine, data.size.events, start, cpu);
  must(engine->wait_caught_up(patient()));
  tell("durable", seconds_since(start));
  tell("cpu", cpu_seconds() - cpu);
  tell_memory(*engine);
  tell("largest resident", peak_mib());
  check_answers(*engine, data);
  must(engine->close());
  return 0;
}

namespace {

void report_parts(IngestRun& run, const ChildEnd& told, std::size_t events) {
  std::vector<double> rates;
  std::vector<double> costs;
  Cost before;
  for (int part = 1; part <= 10; ++part) {
    const std::string name = "part " + std::to_string(part);
    const Cost at{told[name], told["cpu " + name]};
    rates.push_back(static_cast<double>(events) / 10 / (at.wall - before.wall));
    costs.push_back(1e7 * (at.cpu - before.cpu) / static_cast<double>(events));
    before = at;
    run.report.add({.name = "growth, " + name + " of 10",
                    .unit = "events/s",
                    .value = rates.back(),
                    .peer = Peer{"the first part", rates.front()}});
    run.report.add({.name = "growth, " + name + " of 10, processor time",
                    .unit = "us/event",
                    .better = Better::kLess,
                    .value = costs.back(),
                    .peer = Peer{"the first part", costs.front()}});
  }
  run.report.add({.name = "growth, slowest part",
                  .unit = "events/s",
                  .value = *std::min_element(rates.begin(), rates.end()),
                  .peer = Peer{"the median part", median(rates)}});
  run.report.add({.name = "growth, dearest part, processor time",
                  .unit = "us/event",
                  .better = Better::kLess,
                  .value = *std::max_element(costs.begin(), costs.end()),
                  .peer = Peer{"the median part", median(costs)}});
}

}  // namespace

void growth_case(IngestRun& run) {
  const Data& data =
      run.data(run.options.quick ? DataSize{200'000, 100'000, 20'000} : DataSize{10'000'000, 1'000'000, 500'000});
  const std::string folder = data.events_path.substr(0, data.events_path.rfind('/'));
  const test::TemporaryFolder state;
  const ChildEnd told = run_child("growth", {folder, std::to_string(data.size.events), std::to_string(data.size.users),
                                             std::to_string(data.size.places), state.path()});
  report_parts(run, told, data.size.events);
  const auto events = static_cast<double>(data.size.events);
  run.report.add({.name = "growth, from file to durable" + label(data.size),
                  .unit = "events/s",
                  .value = events / told["durable"]});
  run.report.add({.name = "growth, processor time",
                  .unit = "us/event",
                  .better = Better::kLess,
                  .value = 1e6 * told["cpu"] / events});
  for (const auto& [name, mib] : told.numbers) {
    if (name == "resident" || name == "largest resident" || name == "state on the disk" ||
        name.starts_with("memory ")) {
      run.report.add({.name = "growth, " + name, .unit = "MiB", .better = Better::kLess, .value = mib});
    }
  }
}

}  // namespace cairn::bench
