#include "cairn/engine.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <utility>

#include "engine/ingest/consumer.h"
#include "engine/ingest/sinks.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/recommender.h"
#include "engine/state/feature_state.h"
#include "features/read.h"
#include "features/row.h"
#include "gpu/select_k.h"
#include "sql/database.h"
#include "storage/state_store.h"
#include "streaming/dead_letters.h"
#include "streaming/event_log.h"
#include "streaming/source.h"

namespace cairn {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

using ingest::kApiSource;
constexpr std::size_t kFeatureKeysMax = 1024;

EngineOptions with_defaults(EngineOptions options) {
  if (options.dead_letter_path.empty()) options.dead_letter_path = options.state_dir + "/dead-letters.ndjson";
  return options;
}

Status check_sources(const EngineOptions& options) {
  std::vector<std::string> names{std::string(kApiSource)};
  for (const FileSourceOptions& file : options.files) names.push_back(file.name);
  if (!options.kafka.brokers.empty()) names.push_back(options.kafka.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return invalid_argument("two sources are named '" + *twice + "'; names must differ ('api' is Cairn's own)");
  }
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 64 || name.find('\0') != std::string::npos) {
      return invalid_argument("a source's name must have 1 to 64 bytes and no NUL");
    }
  }
  return ok_status();
}

Result<std::unique_ptr<storage::StateStore>> open_store(const EngineOptions& options) {
  storage::StateStoreOptions store;
  store.path = options.state_dir + "/state";
  store.merge = features::merge_encoded_rows;
  store.block_cache_bytes = options.state.block_cache_bytes;
  store.memtable_bytes = options.state.memtable_bytes;
  store.free_bytes_min = options.state.free_bytes_min;
  store.log = options.log;
  return storage::open_rocksdb_store(std::move(store));
}

Result<std::unique_ptr<streaming::EventLog>> open_log(const EngineOptions& options) {
  streaming::EventLogOptions log;
  log.path = options.state_dir + "/event-log";
  log.segment_bytes = options.event_log_segment_bytes;
  log.free_bytes_min = options.state.free_bytes_min;
  log.sync = options.state.sync;
  log.log = options.log;
  return streaming::open_event_log(std::move(log));
}

state::FeatureState::Options feature_options(const EngineOptions& options) {
  std::vector<FeatureViewSpec> views = ranking::builtin_views();
  views.insert(views.end(), options.feature_views.begin(), options.feature_views.end());
  return {std::move(views), options.decode.dedup_window, options.state.sync, options.state.row_cache_bytes,
          options.log};
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(EngineOptions options, const Clock& clock)
      : options_(with_defaults(std::move(options))), clock_(clock), started_(clock.now()) {}
  ~EngineImpl() override { static_cast<void>(close()); }

  Status start();

  Result<IngestAck> ingest(const CallContext& context, std::span<const std::string_view> events) override;
  Status upsert_places(const CallContext& context, std::span<const Place> places) override;
  Result<Place> get_place(const CallContext&, const PlaceId& id) const override { return state_->catalog().get(id); }
  Result<FeatureResponse> get_features(const CallContext& context, const FeatureRequest& request) const override;
  Result<Recommendations> recommend(const CallContext& context, const RecommendRequest& request) const override;
  EngineStatus status(const CallContext& context) const override;
  std::vector<FeatureViewSpec> feature_views(const CallContext& context) const override;
  Status wait_caught_up(const CallContext& context) const override;
  Result<CheckpointInfo> checkpoint(const CallContext& context, const std::string& path) override;
  Status close() override;

 private:
  Status open_sql(const InteractionTypes& types);
  Status copy_state(const std::string& path);
  void start_consumers();
  void add_consumers(const ingest::Consumer::SourceFactory& factory);

  [[nodiscard]] Freshness freshness(Tier tier) const;
  [[nodiscard]] std::vector<ReadinessCheck> checks() const;
  [[nodiscard]] ReadinessCheck check_sources_run() const;
  [[nodiscard]] ReadinessCheck check_postgres() const;

  /// The chores: place index, PostgreSQL's places and partitions, log trimming, old event ids.
  void keep_house(const std::stop_token& stop);
  void push_places();
  void trim_log();
  void maintain_sql();

  // Fixed after start().
  const EngineOptions options_;
  const Clock& clock_;
  const EventTime started_;
  std::unique_ptr<InteractionTypes> types_;
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<streaming::EventLog> event_log_;
  std::unique_ptr<streaming::DeadLetters> dead_letters_;
  std::unique_ptr<sql::Database> database_;  ///< null without PostgreSQL
  std::unique_ptr<ranking::Recommender> recommender_;
  std::unique_ptr<ingest::FeatureSink> feature_sink_;
  std::unique_ptr<ingest::SqlSink> sql_sink_;
  std::vector<std::unique_ptr<ingest::Consumer>> feature_consumers_;
  std::vector<std::unique_ptr<ingest::Consumer>> sql_consumers_;

  mutable std::atomic<std::uint64_t> recommendations_{0};
  std::atomic<bool> closing_{false};

  mutable std::mutex sql_mutex_;
  // Guarded by sql_mutex_.
  std::string sql_trouble_ = "not asked yet";
  std::uint64_t places_in_sql_ = 0;
  bool places_in_sql_known_ = false;
  steady_clock::time_point sql_maintained_{};

  std::mutex close_mutex_;
  std::mutex trim_mutex_;  ///< held while the event log is trimmed or copied
  mutable std::mutex house_mutex_;
  mutable std::condition_variable_any house_call_;
  mutable bool house_called_ = false;  ///< guarded by house_mutex_
  std::jthread house_;                 ///< last: stops before what it uses goes
};

// ---- opening ------------------------------------------------------------------------------------------------------

Status EngineImpl::start() {
  if (options_.state_dir.empty())
    return invalid_argument("state_dir is empty; name a directory for the engine's state");
  CAIRN_RETURN_IF_ERROR(check_sources(options_));
  CAIRN_ASSIGN_OR_RETURN(auto types, InteractionTypes::with_declared(options_.decode.declared_types));
  types_ = std::make_unique<InteractionTypes>(std::move(types));
  std::error_code error;
  std::filesystem::create_directories(options_.state_dir, error);
  if (error) return unavailable("cannot create state directory '" + options_.state_dir + "': " + error.message());

  CAIRN_ASSIGN_OR_RETURN(store_, open_store(options_));
  CAIRN_ASSIGN_OR_RETURN(state_, state::FeatureState::open(*store_, feature_options(options_), *types_));
  CAIRN_ASSIGN_OR_RETURN(event_log_, open_log(options_));
  CAIRN_ASSIGN_OR_RETURN(dead_letters_, streaming::open_dead_letter_file(options_.dead_letter_path));
  CAIRN_ASSIGN_OR_RETURN(recommender_, ranking::Recommender::create(*state_, options_.ranking));
  CAIRN_RETURN_IF_ERROR(open_sql(*types_));
  feature_sink_ = std::make_unique<ingest::FeatureSink>(*state_, *dead_letters_, clock_);
  start_consumers();
  house_ = std::jthread([this](const std::stop_token& stop) { keep_house(stop); });
  return ok_status();
}

Status EngineImpl::open_sql(const InteractionTypes& types) {
  if (options_.sql.dsn.empty()) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(database_,
                         sql::open_database(options_.sql, types, options_.decode.dedup_window, options_.log));
  sql_sink_ = std::make_unique<ingest::SqlSink>(*database_, state_->id());
  return ok_status();
}

void EngineImpl::start_consumers() {
  add_consumers([this] { return streaming::make_log_source(std::string(kApiSource), *event_log_); });
  for (std::size_t i = 0; i < options_.files.size(); ++i) {
    add_consumers([this, i] {
      return streaming::make_file_source(options_.files[i], Partition{static_cast<std::int32_t>(i)},
                                         options_.decode.event_bytes_max, options_.log);
    });
  }
  if (!options_.kafka.brokers.empty()) {
    add_consumers(
        [this] { return streaming::make_kafka_source(options_.kafka, options_.decode.event_bytes_max, options_.log); });
  }
}

void EngineImpl::add_consumers(const ingest::Consumer::SourceFactory& factory) {
  ingest::Consumer::Options options;
  options.consumer = "features";
  options.records_max = options_.state.batch_events_max;
  options.batch_wait_max = options_.state.batch_wait_max;
  options.decode = options_.decode;
  options.log = options_.log;
  feature_consumers_.push_back(std::make_unique<ingest::Consumer>(options, factory, *feature_sink_, *types_, clock_));
  if (!sql_sink_) return;
  options.consumer = "sql";
  options.records_max = options_.sql.batch_rows_max;
  sql_consumers_.push_back(std::make_unique<ingest::Consumer>(options, factory, *sql_sink_, *types_, clock_));
}

Status EngineImpl::close() {
  const std::lock_guard lock(close_mutex_);
  if (closing_.exchange(true)) return ok_status();
  if (event_log_) event_log_->close();
  house_.request_stop();
  if (house_.joinable()) house_.join();
  for (const auto& consumer : feature_consumers_) consumer->stop();
  for (const auto& consumer : sql_consumers_) consumer->stop();
  return store_ ? store_->close() : ok_status();
}

// ---- writing ------------------------------------------------------------------------------------------------------

Result<IngestAck> EngineImpl::ingest(const CallContext&, std::span<const std::string_view> events) {
  if (closing_.load()) return unavailable("the engine is closing");
  // Decoded here for the caller's sake only: what the stream keeps or refuses is decided once more when it is read.
  streaming::Decoder decoder(*types_, options_.decode, clock_);
  Interaction decoded;
  std::string padded;
  IngestAck ack;
  for (std::size_t i = 0; i < events.size(); ++i) {
    padded.assign(events[i]).append(streaming::kPayloadPadding, '\0');
    const auto reject = decoder.decode(std::string_view(padded).substr(0, events[i].size()), &decoded);
    if (reject == streaming::Reject::kNone) {
      ++ack.accepted;
      continue;
    }
    ++ack.rejected;
    if (ack.rejections.size() < 100) {
      ack.rejections.push_back({i, std::string(streaming::to_string(reject)) + ": " + decoder.detail()});
    }
  }
  CAIRN_ASSIGN_OR_RETURN(const Offset end, event_log_->append(events));
  ack.reflected_at = {std::string(kApiSource), {Partition{0}, end, {}}};
  return ack;
}

Status EngineImpl::upsert_places(const CallContext&, std::span<const Place> places) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(state_->catalog().upsert(places));
  {
    const std::lock_guard lock(house_mutex_);
    house_called_ = true;
  }
  house_call_.notify_all();
  return ok_status();
}

Result<CheckpointInfo> EngineImpl::checkpoint(const CallContext&, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error)) return Status(StatusCode::kAlreadyExists, "'" + path + "' exists; name a new directory");
  if (!fs::create_directory(path, error)) return invalid_argument("cannot create '" + path + "': " + error.message());
  CheckpointInfo info{path, 0, state_->watermarks()};
  Status copied = copy_state(path);
  if (!copied.ok()) {
    fs::remove_all(path, error);
    return copied;
  }
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) info.bytes += entry.file_size(error);
  }
  return info;
}

Status EngineImpl::copy_state(const std::string& path) {
  // The log is copied after the state and not trimmed meanwhile, so it reaches from the state's position on.
  const std::lock_guard no_trimming(trim_mutex_);
  CAIRN_RETURN_IF_ERROR(store_->checkpoint(path + "/state"));
  std::error_code error;
  std::filesystem::copy(options_.state_dir + "/event-log", path + "/event-log", error);
  return error ? unavailable("cannot copy the event log to '" + path + "': " + error.message()) : ok_status();
}

// ---- reading ------------------------------------------------------------------------------------------------------

Freshness EngineImpl::freshness(Tier tier) const {
  return {state_->watermarks(), event_time_from_ms(state_->counters().newest_event_ms), tier};
}

Result<FeatureResponse> EngineImpl::get_features(const CallContext&, const FeatureRequest& request) const {
  if (request.keys.size() > kFeatureKeysMax) {
    return invalid_argument("at most 1,024 keys at a time; " + std::to_string(request.keys.size()) + " were asked");
  }
  std::vector<const features::View*> views;
  for (const std::string& name : request.views) {
    const features::View* view = state_->schema().find(name);
    if (view == nullptr) return invalid_argument("no feature view is named '" + name + "'");
    if (view->spec.entity != request.entity) return invalid_argument("view '" + name + "' is of another entity");
    views.push_back(view);
  }
  for (const features::View& view : state_->schema().views()) {
    if (request.views.empty() && view.spec.entity == request.entity) views.push_back(&view);
  }

  FeatureResponse response;
  for (const features::View* view : views) response.views.push_back(view->spec.name);
  const EventTime as_of = request.as_of.value_or(clock_.now());
  const auto namer = [this](const features::View& view, std::uint64_t dimension) {
    return state_->dimension_name(view, dimension);
  };
  bool all_hit = true;
  for (const std::string& key : request.keys) {
    CAIRN_ASSIGN_OR_RETURN(const auto found, state_->row(request.entity, key));
    all_hit = all_hit && found.hit;
    FeatureResponse::EntityFeatures& entity = response.entities.emplace_back();
    entity.key = key;
    for (const features::View* view : views) {
      entity.vectors.push_back(features::read_view(*view, found.row.get(), as_of, namer));
    }
  }
  response.freshness = freshness(all_hit ? Tier::kMemory : Tier::kDisk);
  return response;
}

Result<Recommendations> EngineImpl::recommend(const CallContext& context, const RecommendRequest& request) const {
  recommendations_.fetch_add(1, std::memory_order_relaxed);
  return recommender_->recommend(context, request, clock_.now());
}

std::vector<FeatureViewSpec> EngineImpl::feature_views(const CallContext&) const {
  std::vector<FeatureViewSpec> specs;
  for (const features::View& view : state_->schema().views()) specs.push_back(view.spec);
  return specs;
}

Status EngineImpl::wait_caught_up(const CallContext& context) const {
  const auto deadline = context.deadline.value_or(steady_clock::time_point::max());
  std::vector<std::pair<ingest::Consumer*, std::uint64_t>> marks;
  for (const auto& consumer : feature_consumers_) marks.emplace_back(consumer.get(), consumer->mark());
  for (const auto& consumer : sql_consumers_) marks.emplace_back(consumer.get(), consumer->mark());
  for (const auto& [consumer, mark] : marks) CAIRN_RETURN_IF_ERROR(consumer->wait_passed(mark, deadline));
  recommender_->refresh_index();
  const std::uint64_t version = state_->catalog().version();
  std::unique_lock lock(house_mutex_);
  house_called_ = true;
  house_call_.notify_all();
  const auto places_done = [&] {
    const std::lock_guard sql_lock(sql_mutex_);
    return !database_ || (places_in_sql_known_ && places_in_sql_ >= version);
  };
  if (house_call_.wait_until(lock, deadline, places_done)) return ok_status();
  return deadline_exceeded("the places have not reached PostgreSQL");
}

// ---- status -------------------------------------------------------------------------------------------------------

EngineStatus EngineImpl::status(const CallContext&) const {
  EngineStatus status;
  status.version = version();
  status.started = started_;
  const state::Counters counters = state_->counters();
  status.events_applied = counters.applied;
  status.events_rejected = counters.rejected;
  status.events_repeated = counters.repeated;
  status.newest_event = event_time_from_ms(counters.newest_event_ms);
  status.places = state_->catalog().size();
  status.state_bytes = store_->stats().disk_bytes;
  const auto cache = state_->cache_stats();
  status.row_cache_bytes = cache.bytes;
  status.row_cache_hits = cache.hits;
  status.row_cache_misses = cache.misses;
  status.recommendations = recommendations_.load(std::memory_order_relaxed);
  status.sql_rows = sql_sink_ ? sql_sink_->rows() : 0;
  status.compute_backend = gpu::cpu_backend();
  for (const auto* consumers : {&feature_consumers_, &sql_consumers_}) {
    for (const auto& consumer : *consumers) {
      for (ConsumerStatus& one : consumer->status()) status.consumers.push_back(std::move(one));
    }
  }
  status.checks = checks();
  return status;
}

std::vector<ReadinessCheck> EngineImpl::checks() const {
  const storage::StateStoreStats store = store_->stats();
  std::vector<ReadinessCheck> checks;
  checks.push_back({"state", !closing_.load(), true, closing_.load() ? "closing" : "open"});
  checks.push_back({"disk", store.accepting_writes, false,
                    store.accepting_writes ? std::to_string(store.free_bytes >> 20) + " MiB free" : store.detail});
  checks.push_back(check_sources_run());
  if (database_) checks.push_back(check_postgres());
  return checks;
}

ReadinessCheck EngineImpl::check_sources_run() const {
  ReadinessCheck check{"sources", true, false, "consuming"};
  for (const auto& consumer : feature_consumers_) {
    const std::string trouble = consumer->trouble();
    if (trouble.empty()) continue;
    check.detail = (check.ok ? "" : check.detail + "; ") + consumer->source() + ": " + trouble;
    check.ok = false;
  }
  return check;
}

ReadinessCheck EngineImpl::check_postgres() const {
  ReadinessCheck check{"postgres", true, false, "writing"};
  {
    const std::lock_guard lock(sql_mutex_);
    if (!sql_trouble_.empty()) check = {"postgres", false, false, sql_trouble_};
  }
  for (const auto& consumer : sql_consumers_) {
    const std::string trouble = consumer->trouble();
    if (!trouble.empty()) check = {"postgres", false, false, consumer->source() + ": " + trouble};
  }
  return check;
}

// ---- chores -------------------------------------------------------------------------------------------------------

void EngineImpl::keep_house(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    recommender_->refresh_index();
    if (database_) {
      maintain_sql();
      push_places();
    }
    trim_log();
    if (const Status forgotten = state_->forget_old_event_ids(); !forgotten.ok()) {
      options_.log.warning("state.dedup", forgotten.message());
    }
    std::unique_lock lock(house_mutex_);
    house_call_.notify_all();
    house_call_.wait_for(lock, stop, std::chrono::seconds(1), [this] { return house_called_; });
    house_called_ = false;
  }
}

void EngineImpl::maintain_sql() {
  Status done = database_->ping();
  const auto now = steady_clock::now();
  const std::lock_guard lock(sql_mutex_);
  const bool due = sql_maintained_ == steady_clock::time_point{} || now - sql_maintained_ > std::chrono::hours(1);
  if (done.ok() && due) {
    done = database_->migrate();
    if (done.ok()) done = database_->maintain(clock_.now());
    if (done.ok()) sql_maintained_ = now;
  }
  const std::string trouble = done.ok() ? "" : done.to_string();
  if (trouble == sql_trouble_) return;
  sql_trouble_ = trouble;
  if (!trouble.empty()) options_.log.warning("sql.unavailable", trouble);
}

void EngineImpl::push_places() {
  constexpr std::size_t kChunk = 10'000;
  {
    const std::lock_guard lock(sql_mutex_);
    if (!sql_trouble_.empty()) return;
    if (!places_in_sql_known_) {
      const auto stored = database_->places_version();
      const auto pushed = state_->catalog().pushed_version();
      if (!stored.ok() || !pushed.ok()) return;
      // A database that holds another version has served another state directory: ours are the places from now on.
      if (*stored != *pushed && !state_->catalog().rise_above(*stored).ok()) return;
      places_in_sql_ = *stored;
      places_in_sql_known_ = true;
    }
    if (places_in_sql_ >= state_->catalog().version()) return;
  }
  const std::vector<state::Catalog::Stored> newer = state_->catalog().newer_than(places_in_sql_);
  std::vector<Place> chunk;
  for (std::size_t i = 0; i < newer.size(); ++i) {
    chunk.push_back(newer[i].place);
    if (chunk.size() < kChunk && i + 1 < newer.size()) continue;
    // A chunk that ends within a version is written under the version before, so that a crash repeats it.
    const bool version_ends = i + 1 == newer.size() || newer[i + 1].version != newer[i].version;
    const std::uint64_t version = version_ends ? newer[i].version : newer[i].version - 1;
    if (const Status written = database_->upsert_places(chunk, version); !written.ok()) {
      options_.log.warning("sql.places", written.message());
      return;
    }
    chunk.clear();
    if (!state_->catalog().set_pushed_version(version).ok()) return;
    const std::lock_guard lock(sql_mutex_);
    places_in_sql_ = version;
  }
}

void EngineImpl::trim_log() {
  const std::lock_guard no_copying(trim_mutex_);
  Offset reached = event_log_->end_offset();
  for (const auto* consumers : {&feature_consumers_, &sql_consumers_}) {
    for (const auto& consumer : *consumers) {
      if (consumer->source() != kApiSource) continue;
      const auto status = consumer->status();
      reached = std::min(reached, status.empty() ? Offset{0} : status.front().position.offset);
    }
  }
  if (const Status trimmed = event_log_->trim(reached); !trimmed.ok()) {
    options_.log.warning("log.trim", trimmed.message());
  }
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, const Clock& clock) {
  auto engine = std::make_unique<EngineImpl>(std::move(options), clock);
  CAIRN_RETURN_IF_ERROR(engine->start());
  return std::unique_ptr<Engine>(std::move(engine));
}

Status probe_postgres(const SqlOptions& options) {
  const InteractionTypes types;
  CAIRN_ASSIGN_OR_RETURN(const auto database, sql::open_database(options, types, std::chrono::hours(24), {}));
  return database->ping();
}

std::vector<RankingFeatureInfo> ranking_features() { return ranking::ranking_features(); }

std::vector<FeatureViewSpec> builtin_feature_views() { return ranking::builtin_views(); }

std::string_view version() noexcept { return CAIRN_VERSION; }

}  // namespace cairn
