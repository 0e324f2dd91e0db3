#include "tests/engine/serving/fake_engine.h"

#include <algorithm>
#include <set>

namespace cairn {

std::vector<RankingFeatureInfo> ranking_features() {
  return {{"distance", "exp(-metres / 1000)", 1.0, 1.0}, {"affinity", "decayed visits of the user", 2.5, 2.5}};
}
Status check_ranker(const std::string&) { return {}; }
Status check_model_directory(const std::string&) { return {}; }
Status check_postgres_options(const SqlOptions&) { return {}; }
Status check_mapping_options(const DecodeOptions&) { return {}; }
Status check_ranking_feature(const RankingFeatureSpec&, const EngineOptions&) { return {}; }
Status check_reason_options(const RankingOptions&) { return {}; }
Status check_place_options(const PlaceOptions&, const std::vector<PlaceRule>&) { return {}; }
Status check_kafka_property(const std::string&, const std::string&) { return {}; }
std::vector<FeatureViewSpec> builtin_feature_views() { return {}; }
std::string_view version() noexcept { return "9.8.7"; }

std::vector<std::string> kept_without_the_person() { return {"counts that name nobody"}; }

}  // namespace cairn

namespace cairn::serving_test {
namespace {

const EventTime kNewest = event_time_from_ms(1'714'564'800'123);  // 2024-05-01T12:00:00.123Z

FeatureViewSpec view(std::string name, EntityKind entity, Dimension dimension, Aggregate aggregate) {
  FeatureViewSpec spec;
  spec.name = std::move(name);
  spec.entity = entity;
  spec.dimension = dimension;
  spec.aggregate = aggregate;
  return spec;
}

FeatureVector vector_of(const std::string& key, const FeatureViewSpec& spec) {
  FeatureVector vector{.view = spec.name, .status = FeatureStatus::kPresent, .entries = {}};
  if (key == "nobody") vector.status = FeatureStatus::kNotFound;
  if (key == "idle") vector.status = FeatureStatus::kNullValue;
  if (key == "old") vector.status = FeatureStatus::kOutsideMaxAge;
  if (vector.status != FeatureStatus::kPresent) return vector;
  if (spec.dimension == Dimension::kNone) {
    vector.entries = {{"", 7.0, 7, kNewest}};
  } else {
    vector.entries = {{"p1", 1.5, 3, kNewest}, {"p 2/ü", 0.25, 1, event_time_from_ms(1'714'521'600'000)}};
  }
  return vector;
}

}  // namespace

FakeEngine::FakeEngine()
    : views({view("user_place", EntityKind::kUser, Dimension::kPlace, Aggregate::kDecayedSum),
             view("user_total", EntityKind::kUser, Dimension::kNone, Aggregate::kCount),
             view("user_recent", EntityKind::kUser, Dimension::kPlace, Aggregate::kSequence),
             view("place_total", EntityKind::kPlace, Dimension::kNone, Aggregate::kCount)}) {
  status_answer.version = "9.8.7";
  status_answer.started = event_time_from_ms(1'714'521'600'000);
  status_answer.events_applied = 1234;
  status_answer.events_rejected = 5;
  status_answer.places = 2;
  status_answer.state_bytes = 1'000'000;
  status_answer.answers = {.hits = 2, .stale_hits = 1, .misses = 1};
  status_answer.row_cache_hits = 3;
  status_answer.row_cache_misses = 1;
  status_answer.newest_event = kNewest;
  status_answer.compute_backend = "cpu/avx2";
  status_answer.durable = {{"api", {Partition{0}, Offset{80}, {}}}};
  status_answer.pending_rows = 12;
  status_answer.memory = {{"pending", 3'000, 134'217'728}, {"row_cache", 2'000'000, 268'435'456}};
  status_answer.consumers = {{"features", "api", {Partition{0}, Offset{90}, {}}, Offset{100}, false},
                             {"sql", "kafka", {Partition{3}, Offset{7}, {}}, std::nullopt, true}};
  status_answer.checks = {{"state", true, true, "open"}, {"postgres", true, false, "connected"}};
  places_["p1"] = {PlaceId("p1"), "Caffe \"Reggio\"", {40.7303, -74.0003}, "cafe"};
  places_["a/b ü"] = {PlaceId("a/b ü"), "odd id", {1.0, 2.0}, ""};
}

namespace {

IngestAck judged(std::span<const std::string_view> events) {
  IngestAck ack;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].find("\"type\"") == std::string_view::npos) {
      ++ack.rejected;
      ack.rejections.push_back({i, "type is required"});
    } else {
      ++ack.accepted;
    }
  }
  return ack;
}

}  // namespace

Result<IngestAck> FakeEngine::check_events(const CallContext&, std::span<const std::string_view> events) const {
  return judged(events);
}

Result<IngestAck> FakeEngine::ingest(const CallContext&, std::span<const std::string_view> events,
                                     std::string_view idempotency_key) {
  CAIRN_RETURN_IF_ERROR(on_ingest());
  const MutexLock lock(mutex_);
  IngestAck ack = judged(events);
  ack.repeated = !idempotency_key.empty() && !keys_.insert(std::string(idempotency_key)).second;
  for (const std::string_view event : events) ingested_.emplace_back(event);
  ack.reflected_at = {"api", {Partition{0}, Offset{static_cast<std::int64_t>(ingested_.size())}, {}}};
  return ack;
}

Status FakeEngine::upsert_places(const CallContext&, std::span<const Place> places) {
  const MutexLock lock(mutex_);
  for (const Place& place : places) places_[place.id.str()] = place;
  return {};
}

Status FakeEngine::delete_places(const CallContext&, std::span<const PlaceId> ids, PlaceHistory history) {
  const MutexLock lock(mutex_);
  last_history_ = history;
  for (const PlaceId& id : ids) {
    if (places_.erase(id.str()) == 0) return not_found("there is no place '" + id.str() + "'");
  }
  return {};
}

Result<DeletedPlaces> FakeEngine::delete_known_places(const CallContext&, std::span<const PlaceId> ids,
                                                      PlaceHistory history) {
  const MutexLock lock(mutex_);
  last_history_ = history;
  const std::set<PlaceId> each(ids.begin(), ids.end());
  DeletedPlaces deleted;
  for (const PlaceId& id : each) {
    places_.erase(id.str()) == 0 ? deleted.unknown.push_back(id) : static_cast<void>(++deleted.count);
  }
  return deleted;
}

PlaceHistory FakeEngine::last_history() const {
  const MutexLock lock(mutex_);
  return last_history_;
}

Result<Place> FakeEngine::get_place(const CallContext&, const PlaceId& id) const {
  const MutexLock lock(mutex_);
  const auto found = places_.find(id.str());
  if (found == places_.end()) return not_found("there is no place '" + id.str() + "'");
  return found->second;
}

Result<FeatureResponse> FakeEngine::get_features(const CallContext&, const FeatureRequest& request) const {
  FeatureResponse response;
  std::vector<FeatureViewSpec> chosen;
  for (const FeatureViewSpec& spec : views) {
    const bool named = std::find(request.views.begin(), request.views.end(), spec.name) != request.views.end();
    if (spec.entity == request.entity && (named || request.views.empty())) chosen.push_back(spec);
  }
  if (!request.views.empty() && chosen.size() != request.views.size()) return invalid_argument("unknown view");
  for (const FeatureViewSpec& spec : chosen) response.views.push_back(spec.name);
  for (const std::string& key : request.keys) {
    auto& entity = response.entities.emplace_back();
    entity.key = key;
    for (const FeatureViewSpec& spec : chosen) entity.vectors.push_back(vector_of(key, spec));
  }
  response.freshness = {
      {{"api", {Partition{0}, Offset{42}, {}}}}, {{"api", {Partition{0}, Offset{40}, {}}}}, kNewest, Tier::kDisk};
  return response;
}

Result<Recommendations> FakeEngine::recommend(const CallContext& context, const RecommendRequest& request) const {
  {
    const MutexLock lock(mutex_);
    last_recommend_ = request;
    last_context_ = context;
  }
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(on_recommend(request));
  Recommendations answer;
  answer.items.edit().push_back({.place = {PlaceId("p1"), "Caffe \"Reggio\"", {40.7303, -74.0003}, "cafe"},
                                 .score = 1.25,
                                 .distance_meters = 321.5,
                                 .reasons = {{"affinity", 0.5, 1.25, "visited 12 times, last 2 days ago"}},
                                 .against = {{"distance", 2.5, -0.75, "321 m away"}},
                                 .because = "You have been here 12 times."});
  answer.next = "0a1b";
  answer.known_by = UserKnownBy::kRecent;
  answer.ranker = 7;
  answer.kept = {Tier::kMemory, std::chrono::milliseconds(1234), true};
  answer.model = "cafe01";
  if (request.open_now) answer.open_for = std::chrono::milliseconds(12'800);
  answer.cell = request.snap ? "dr5ru7" : request.cell;
  answer.segment = request.segment;
  if (request.explore) answer.explored = request.explore->method;
  answer.candidates = 17;
  answer.shortfall = "only 1 place within 500 m";
  answer.user_event = event_time_from_ms(1'714'561'200'000);
  answer.freshness = {
      {{"api", {Partition{0}, Offset{42}, {}}}}, {{"api", {Partition{0}, Offset{40}, {}}}}, kNewest, Tier::kMemory};
  return answer;
}

EngineStatus FakeEngine::status(const CallContext&) const {
  on_status();
  return status_answer;
}

Status FakeEngine::wait_caught_up(const CallContext& context) const { return on_wait(context); }

Result<CheckpointInfo> FakeEngine::checkpoint(const CallContext&, const std::string& path) {
  if (path.ends_with("/exists")) return Status(StatusCode::kAlreadyExists, path + " exists; name a new directory");
  return CheckpointInfo{path, 4096, {{"api", {Partition{0}, Offset{42}, {}}}}};
}

std::vector<std::string> FakeEngine::ingested() const {
  const MutexLock lock(mutex_);
  return ingested_;
}

RecommendRequest FakeEngine::last_recommend() const {
  const MutexLock lock(mutex_);
  return last_recommend_;
}

CallContext FakeEngine::last_context() const {
  const MutexLock lock(mutex_);
  return last_context_;
}

}  // namespace cairn::serving_test
