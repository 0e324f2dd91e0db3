#include "tests/system/kill_points/workload.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <vector>

namespace cairn::test {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCheckIns = 2'400;
constexpr std::size_t kUsers = 40;
constexpr std::size_t kPlaces = 60;
constexpr std::size_t kPostedAtOnce = 50;
constexpr std::size_t kPostsInAPart = 8;
constexpr auto kPatience = std::chrono::minutes(2);

void must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.to_string());
}

CallContext patient() { return CallContext::within(kPatience); }

/// Of those that go through the API.
std::string posted(const Trace& trace, std::size_t index) {
  std::string json = to_json(trace.check_ins[2 * index + 1]);
  json.pop_back();
  return json + R"(,"event_id":"e)" + std::to_string(index) + "\"}";
}

/// An event of somebody who is erased, with the id of another event: it is in the log, and counts nowhere. Of an hour
/// to come, so that no erasure before it refuses it.
std::string of_the_erased(std::size_t index) {
  const auto soon = std::chrono::system_clock::now() + std::chrono::hours(1);
  return R"({"user_id":"the-erased","place_id":"p1","type":"visit","ts":)" +
         std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(soon.time_since_epoch()).count()) +
         R"(,"event_id":"e)" + std::to_string(index) + "\"}";
}

/// An event that should not have been, of a place and an hour that others share, and its retraction: nothing comes of
/// the two, whichever is posted first.
std::string wrong(std::size_t index, bool retract) {
  const std::size_t ms = 1'700'000'000'000 + 1'000 * index;
  return R"({"user_id":"u)" + std::to_string(index % kUsers) + R"(","place_id":"p)" + std::to_string(index % 3) +
         R"(","type":"visit","ts":)" + std::to_string(ms) + R"(,"event_id":"wrong)" + std::to_string(index) +
         (retract ? R"(","retract":true})" : "\"}");
}

/// With each post one event; in every second one the retractions of the event before and of the event after.
void add_wrong(std::size_t post, std::vector<std::string>* events) {
  if (post % 2 == 1) {
    events->push_back(wrong(post, false));
    events->push_back(wrong(post - 1, true));
  } else {
    events->push_back(wrong(post + 1, true));
    events->push_back(wrong(post, false));
  }
}

/// How many of them were acknowledged. One post may have been taken although its answer was not seen: its event ids
/// are known then.
std::size_t acknowledged(const Workload& workload) {
  std::size_t count = 0;
  std::ifstream(workload.folder + "/acknowledged") >> count;
  return count;
}

void set_acknowledged(const Workload& workload, std::size_t count) {
  const std::string path = workload.folder + "/acknowledged";
  std::ofstream(path + ".new") << count << std::flush;
  fs::rename(path + ".new", path);
}

/// Rows that somebody has read are written as a whole, and only whole rows are trimmed in compactions.
void read_everything(const Engine& engine) {
  FeatureRequest users{EntityKind::kUser, {}, {"user_history"}, {}};
  for (std::size_t i = 0; i < kUsers; ++i) users.keys.push_back("u" + std::to_string(i));
  must(engine.get_features(patient(), users).status());
  FeatureRequest places{EntityKind::kPlace, {}, {"place_visits"}, {}};
  for (std::size_t i = 0; i < kPlaces; ++i) places.keys.push_back("p" + std::to_string(i));
  must(engine.get_features(patient(), places).status());
}

void copy_state(const Workload& workload, Engine& engine) {
  const std::string copies = workload.folder + "/copies";
  fs::remove_all(copies);
  fs::create_directories(copies);
  must(engine.checkpoint(patient(), copies + "/copy").status());
}

/// What follows an acknowledgement of some posts: the places again, which calls for the upkeep; everything stored.
void settle(const Workload& workload, const Trace& trace, Engine& engine) {
  must(engine.upsert_places(patient(), trace.places));
  must(engine.wait_caught_up(patient()));
  read_everything(engine);
  must(engine.erase_user(patient(), UserId("the-erased")).status());
  copy_state(workload, engine);
}

}  // namespace

Trace workload_trace() {
  Trace trace{"workload", {}, {}};
  std::mt19937 random(7);
  for (std::size_t i = 0; i < kPlaces; ++i) {
    trace.places.push_back({PlaceId("p" + std::to_string(i)), "Place", {1.0, static_cast<double>(i)}, ""});
  }
  std::int64_t seconds = 1'700'000'000;
  for (std::size_t i = 0; i < kCheckIns; ++i) {
    seconds += static_cast<std::int64_t>(random() % 7'200) + 1;
    trace.check_ins.push_back({"u" + std::to_string(random() % kUsers), "p" + std::to_string(random() % kPlaces),
                               time_text(seconds), seconds});
  }
  return trace;
}

EngineOptions workload_options(const Workload& workload) {
  EngineOptions options;
  options.state_dir = workload.folder + "/state";
  options.state.free_bytes_min = 0;
  options.state.window = std::chrono::milliseconds(10);
  options.state.batch_events_max = 100;
  options.decode.dedup_ids = 800;  // so few that some are forgotten
  options.event_log_segment_bytes = 8 << 10;
  options.sql.dsn = workload.dsn;
  options.files = {{"stream", workload.folder + "/events.ndjson", true}};
  return options;
}

void prepare(const Workload& workload) {
  const Trace trace = workload_trace();
  std::ofstream out(workload.folder + "/events.ndjson");
  for (std::size_t i = 0; i < kCheckIns; i += 2) out << to_json(trace.check_ins[i]) << "\n";
}

void run_workload(const Workload& workload, void (*look)(const Engine&, const Trace&)) {
  const Trace trace = workload_trace();
  auto opened = Engine::open(workload_options(workload));
  must(opened.status());
  Engine& engine = **opened;
  settle(workload, trace, engine);
  std::size_t posts = 0;
  for (std::size_t given = acknowledged(workload); given < kCheckIns / 2; given += kPostedAtOnce) {
    std::vector<std::string> events;
    for (std::size_t i = 0; i < kPostedAtOnce; ++i) events.push_back(posted(trace, given + i));
    add_wrong(given / kPostedAtOnce, &events);
    events.push_back(of_the_erased(given + kPostedAtOnce - 1));
    must(engine.ingest(patient(), std::vector<std::string_view>(events.begin(), events.end())).status());
    set_acknowledged(workload, given + kPostedAtOnce);
    if (++posts % kPostsInAPart == 0) settle(workload, trace, engine);
  }
  settle(workload, trace, engine);
  if (!engine.export_user(patient(), UserId("the-erased"))->events.empty()) throw std::runtime_error("not erased");
  if (look != nullptr) look(engine, trace);
  must(engine.close());
}

}  // namespace cairn::test
