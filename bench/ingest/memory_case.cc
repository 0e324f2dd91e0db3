// Resident memory of a process that holds an engine and nothing else: empty; with 500,000 places alone; after one event
// each of a million users at these places besides.
#include <filesystem>
#include <fstream>

#include "bench/ingest/cases.h"
#include "bench/ingest/child.h"
#include "bench/ingest/run_engine.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

/// Places on a grid, with names of the usual length. Made piece by piece: nothing but the engine holds them.
void add_many_places(Engine& engine, std::size_t count) {
  std::vector<Place> some;
  for (std::size_t i = 0; i < count; ++i) {
    const GeoPoint at{45.0 + 1e-3 * static_cast<double>(i % 1000), 9.0 + 1e-3 * static_cast<double>(i / 1000)};
    some.push_back({PlaceId("p" + std::to_string(i)), "The Place of Number " + std::to_string(i), at,
                    "Category " + std::to_string(i % 20)});
    if (some.size() < 10'000 && i + 1 < count) continue;
    must(engine.upsert_places({}, some));
    some.clear();
  }
}

void write_one_event_each(const std::string& path, std::size_t users, std::size_t places) {
  std::ofstream out(path);
  for (std::size_t i = 0; i < users; ++i) {
    // A factor without a divisor in common with the places: they are visited in a scattered order.
    out << R"({"user_id":"u)" << i << R"(","place_id":"p)" << i * 7919 % places << R"(","type":"visit","ts":)"
        << 1'735'732'800'000 + static_cast<std::int64_t>(i) * 1000 << "}\n";
  }
  CAIRN_CHECK(out.flush().good());
}

}  // namespace

int memory_child(const std::vector<std::string>& arguments) {
  CAIRN_CHECK(arguments.size() == 3);
  const std::string& folder = arguments[0];
  const std::size_t users = std::stoul(arguments[1]);
  const std::size_t places = std::stoul(arguments[2]);
  const std::string events = folder + "/events.ndjson";
  std::ofstream(events).flush();
  EngineOptions options;
  options.state_dir = folder + "/state";
  options.files = {{"stream", events, true}};
  const std::unique_ptr<Engine> engine = open_engine(options);
  tell("empty", resident_mib());
  add_many_places(*engine, places);
  must(engine->wait_caught_up(patient()));
  tell("places", resident_mib());
  write_one_event_each(events, users, places);
  must(engine->wait_caught_up(patient()));
  tell("users", resident_mib());
  CAIRN_CHECK(engine->status({}).events_applied == users && engine->status({}).places == places);
  must(engine->close());
  return 0;
}

void memory_case(IngestRun& run) {
  const std::size_t users = run.options.users.value_or(run.options.quick ? 20'000 : 1'000'000);
  const std::size_t places = run.options.places.value_or(run.options.quick ? 10'000 : 500'000);
  const test::TemporaryFolder folder;
  const ChildEnd told = run_child("memory", {folder.path(), std::to_string(users), std::to_string(places)});
  const auto add = [&](const std::string& name, double mib) {
    run.report.add({.name = "resident memory, " + name, .unit = "MiB", .better = Better::kLess, .value = mib});
  };
  add("empty", told["empty"]);
  add("places=" + std::to_string(places), told["places"]);
  add("places=" + std::to_string(places) + " users=" + std::to_string(users), told["users"]);
}

}  // namespace cairn::bench
