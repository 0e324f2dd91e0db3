#include "cairn/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cairn/mutex.h"
#include "engine/api_log.h"
#include "engine/batching/batcher.h"
#include "engine/cache/answer_cache.h"
#include "engine/cache/warmer.h"
#include "engine/compute.h"
#include "engine/correction_side.h"
#include "engine/ingest/api_intake.h"
#include "engine/ingest/consumers.h"
#include "engine/ingest/sinks.h"
#include "engine/ingest/sources.h"
#include "engine/model_side.h"
#include "engine/part_options.h"
#include "engine/ranking/builtin_views.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/recommender.h"
#include "engine/readiness.h"
#include "engine/shared_side.h"
#include "engine/sql_side.h"
#include "engine/state/feature_reads.h"
#include "engine/state/feature_state.h"
#include "engine/state/state_directory.h"
#include "engine/upkeep/ballast.h"
#include "engine/upkeep/checkpointer.h"
#include "engine/upkeep/idle_rules_log.h"
#include "engine/upkeep/log_trimmer.h"
#include "engine/upkeep/memory_return.h"
#include "engine/upkeep/schedule.h"
#include "engine/user_side.h"
#include "gpu/select_k.h"
#include "sql/upkeep.h"
#include "storage/directory_owner.h"
#include "storage/passing_store.h"
#include "storage/state_store.h"
#include "streaming/dead_letters.h"
#include "streaming/event_log.h"
#include "streaming/mapping.h"
#include "streaming/source.h"
#include "streaming/zone.h"

namespace cairn {

namespace {

constexpr std::chrono::seconds kUpkeepPeriod{1};

/// Opens the parts in the order in which they need each other, wires them, delegates to them, and closes them in the
/// opposite order. It decides nothing.
class EngineImpl final : public Engine {
 public:
  EngineImpl(EngineOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock), started_(clock.now()) {}
  ~EngineImpl() override { static_cast<void>(close()); }

  Status start();

  Result<IngestAck> ingest(const CallContext& context, std::span<const std::string_view> events,
                           std::string_view idempotency_key) override;
  Result<IngestAck> check_events(const CallContext& context, std::span<const std::string_view> events) const override;
  Result<CorrectionAck> correct_event(const CallContext& context, const EventCorrection& correction) override;
  Status upsert_places(const CallContext& context, std::span<const Place> places) override;
  Status delete_places(const CallContext& context, std::span<const PlaceId> ids, PlaceHistory history) override;
  Result<DeletedPlaces> delete_known_places(const CallContext& context, std::span<const PlaceId> ids,
                                            PlaceHistory history) override;
  std::vector<Category> categories(const CallContext& context) const override;
  Result<std::uint64_t> rename_category(const CallContext& context, const std::string& from, const std::string& to,
                                        CategoryTarget target) override;
  Result<Place> get_place(const CallContext& context, const PlaceId& id) const override;
  Result<FeatureResponse> get_features(const CallContext& context, const FeatureRequest& request) const override;
  Result<Recommendations> recommend(const CallContext& context, const RecommendRequest& request) const override;
  std::optional<Recommendations> kept_recommendations(const RecommendRequest& request) const override;
  Status invalidate_answers(const CallContext& context, const AnswerTags& named) override;
  Result<ErasureReceipt> erase_user(const CallContext& context, const UserId& user) override;
  Result<UserExport> export_user(const CallContext& context, const UserId& user) const override;
  EngineStatus status(const CallContext& context) const override;
  std::vector<FeatureViewSpec> feature_views(const CallContext& context) const override;
  std::vector<RankingFeatureInfo> ranking_features(const CallContext& context) const override;
  Status wait_caught_up(const CallContext& context) const override;
  Status retry_consumer(const CallContext& context, const std::string& name) override;
  Status accept_gap(const CallContext& context, const std::string& name) override;
  Result<CheckpointInfo> checkpoint(const CallContext& context, const std::string& path) override;
  Result<ModelStatus> activate_ranker(const CallContext& context, const std::string& directory,
                                      ModelChoice choice) override;
  Result<ModelStatus> activate_model(const CallContext& context, const std::string& directory,
                                     ModelChoice choice) override;
  Status apply_rules(const CallContext& context, std::vector<PlaceRule> rules) override;
  Status close() override;

 private:
  Status open_parts();
  void open_user_side();
  [[nodiscard]] std::unique_ptr<storage::PassingStore> open_answers_on_disk();
  Status start_consumers();
  void start_upkeep();
  void start_warming();
  [[nodiscard]] bool knows(const UserId& user) const;
  [[nodiscard]] AnswerTags with_all_names(AnswerTags tags) const;
  [[nodiscard]] std::vector<ReadinessCheck> checks(const EngineStatus& status, storage::StateStoreStats store) const;
  [[nodiscard]] std::vector<ConsumerHealth> consumer_health() const;
  [[nodiscard]] Result<std::vector<ingest::Consumer*>> consumers_named(const std::string& name) const;

  // Fixed after start(). Declared in the order of opening, so that they are destroyed in the opposite one.
  const EngineOptions options_;
  const Clock& clock_;
  const EventTime started_;
  InteractionTypes types_;
  std::unique_ptr<state::StateDirectory> directory_;
  std::unique_ptr<upkeep::Ballast> ballast_;
  upkeep::MemoryReturn memory_return_;                 ///< the schedule's
  upkeep::IdleRulesLog idle_rules_log_{options_.log};  ///< the schedule's
  state::Fading fading_{clock_};
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<streaming::EventLog> event_log_;
  std::unique_ptr<streaming::DeadLetters> dead_letters_;
  Compute compute_;  ///< its backend is the recommender's
  std::unique_ptr<ranking::Recommender> recommender_;
  std::unique_ptr<ModelSide> models_;
  std::unique_ptr<batching::Batcher> batcher_;
  std::unique_ptr<SharedSide> shared_;  ///< null without PostgreSQL, and where no answers are kept
  std::unique_ptr<cache::AnswerCache> answers_;
  bool answers_on_disk_ = false;
  std::unique_ptr<cache::Warmer> warmer_;  ///< null: nothing is warmed
  std::unique_ptr<ingest::ApiIntake> intake_;
  std::unique_ptr<ingest::FeatureSink> feature_sink_;
  std::unique_ptr<ingest::Consumers> feature_consumers_;
  std::unique_ptr<SqlSide> sql_;  ///< null without PostgreSQL
  std::unique_ptr<upkeep::LogTrimmer> trimmer_;
  std::unique_ptr<UserSide> users_;
  std::unique_ptr<CorrectionSide> corrections_;
  std::unique_ptr<upkeep::Checkpointer> checkpointer_;
  std::unique_ptr<upkeep::Schedule> schedule_;

  mutable std::atomic<std::uint64_t> recommendations_{0};
  std::atomic<bool> closing_{false};
  Mutex close_mutex_;  ///< one close() at a time; the second waits for the first
};

// ---- opening and closing ------------------------------------------------------------------------------------------

Status EngineImpl::start() {
  CAIRN_RETURN_IF_ERROR(ingest::check_source_names(options_));
  CAIRN_ASSIGN_OR_RETURN(types_,
                         InteractionTypes::with_declared(options_.decode.declared_types, options_.decode.counts_as));
  CAIRN_RETURN_IF_ERROR(streaming::check_mapping(options_.decode.mapping, types_));
  // What the check of a configuration finds is found before anything is opened.
  if (!options_.model.dir.empty()) CAIRN_RETURN_IF_ERROR(check_model_directory(options_.model.dir));
  CAIRN_RETURN_IF_ERROR(check_place_options(options_.places, options_.rules));
  CAIRN_RETURN_IF_ERROR(open_parts());
  open_user_side();
  CAIRN_RETURN_IF_ERROR(users_->recover());
  CAIRN_RETURN_IF_ERROR(start_consumers());
  start_upkeep();
  start_warming();
  return ok_status();
}

Status EngineImpl::open_parts() {
  CAIRN_ASSIGN_OR_RETURN(
      auto directory, state::StateDirectory::open(options_.state_dir,
                                                  options_.state.any_owner ? state::Owner::kAny : state::Owner::kOurs));
  directory_ = std::make_unique<state::StateDirectory>(std::move(directory));
  CAIRN_RETURN_IF_ERROR(storage::DirectoryOwner::check_free(directory_->store()));  // its ballast is not ours to remove
  ballast_ = std::make_unique<upkeep::Ballast>(directory_->ballast(), options_.state.free_bytes_min, options_.log);
  ballast_->give_up_when_full();
  CAIRN_ASSIGN_OR_RETURN(const ranking::PlaceTerms terms, place_terms(options_.places));
  CAIRN_ASSIGN_OR_RETURN(store_, storage::open_rocksdb_store(store_options(options_, *directory_, fading_)));
  CAIRN_ASSIGN_OR_RETURN(state_, state::FeatureState::open(*store_, state_options(options_, &fading_, terms), types_));
  CAIRN_ASSIGN_OR_RETURN(event_log_, open_api_log(options_, *directory_, *store_, *state_));
  CAIRN_ASSIGN_OR_RETURN(
      dead_letters_, streaming::open_dead_letter_file(dead_letter_path(options_, *directory_), options_.dead_letters));
  CAIRN_ASSIGN_OR_RETURN(compute_, open_compute(options_.compute, options_.log));
  CAIRN_ASSIGN_OR_RETURN(
      recommender_,
      ranking::Recommender::create(*state_, options_.ranking, std::move(compute_.backend), terms, options_.rules));
  CAIRN_ASSIGN_OR_RETURN(const auto zone, streaming::Zone::find(options_.ranking.reasons.time_zone));
  recommender_->speak_by([zone](EventTime time) { return zone->ahead_at(time); });
  CAIRN_ASSIGN_OR_RETURN(
      models_, ModelSide::open(options_.model, options_.ranking.ranker_dir, *recommender_, clock_, options_.log));
  if (!options_.sql.dsn.empty() && options_.answers.memory_bytes > 0) {
    CAIRN_ASSIGN_OR_RETURN(shared_, SharedSide::open(options_, *state_, *recommender_));
  }
  batcher_ = std::make_unique<batching::Batcher>(*recommender_, compute_.batching(options_.batching));
  answers_ = std::make_unique<cache::AnswerCache>(
      options_.answers,
      [this](const CallContext& call, const RecommendRequest& request) {
        return batcher_->answer(call, request, clock_.now());
      },
      [this] { return recommender_->generation(); }, open_answers_on_disk(),
      [] { return std::chrono::steady_clock::now(); }, options_.log, [this](const UserId& user) { return knows(user); },
      shared_ && shared_->shares() ? shared_.get() : nullptr);
  if (options_.answers.memory_bytes > 0) {
    state_->observe_interactions([this](auto interactions) { answers_->happened(interactions); });
  }
  intake_ = std::make_unique<ingest::ApiIntake>(types_, options_.decode, options_.idempotency, clock_, *event_log_,
                                                &state_->erased_users());
  feature_sink_ = std::make_unique<ingest::FeatureSink>(*state_, *dead_letters_, clock_);
  return ok_status();
}

/// Null: no answers go to the disk. That is no reason to refuse the start, whatever has become of their directory.
std::unique_ptr<storage::PassingStore> EngineImpl::open_answers_on_disk() {
  const std::string path = directory_->answers();
  if (options_.answers.memory_bytes == 0 || options_.answers.disk_bytes == 0) {
    // What an earlier process left there is of no use, and of users.
    const Status removed = storage::PassingStore::remove(path);
    if (!removed.ok()) options_.log.warning("answers.not_removed", removed.message(), {});
    return nullptr;
  }
  auto opened = storage::PassingStore::open(answers_options(options_, *directory_));
  if (!opened.ok()) {
    options_.log.warning("answers.disk_failed", opened.status().message(),
                         {{"effect", "answers that leave memory are computed anew"}});
    return nullptr;
  }
  answers_on_disk_ = true;
  return *std::move(opened);
}

void EngineImpl::open_user_side() {
  const auto log_reached = [this] {
    const Offset features = state_->in_files(ingest::kApiSource, Partition{0});
    return sql_ ? std::min(features, sql_->consumers().reached(ingest::kApiSource)) : features;
  };
  const auto flush = [this] {
    CAIRN_RETURN_IF_ERROR(state_->flush());
    return store_->flush();
  };
  const auto keep_calls = [this](Offset begin) { return intake_->keep_calls(begin); };
  trimmer_ = std::make_unique<upkeep::LogTrimmer>(*event_log_, log_reached, flush, keep_calls, options_.log);
  UserSide::Parts parts{.state = *state_,
                        .log = *event_log_,
                        .intake = *intake_,
                        .features = *feature_sink_,
                        .trimmer = *trimmer_,
                        .sql = [this] { return sql_.get(); },
                        .has_sql = !options_.sql.dsn.empty(),
                        .settle_answers = [this] { answers_->wait_for_shared_writes(); }};
  std::error_code ignored;
  if (std::filesystem::exists(directory_->answers(), ignored)) {
    parts.forget_answers = [this](const UserId& user) {
      if (!answers_on_disk_) CAIRN_RETURN_IF_ERROR(storage::PassingStore::remove(directory_->answers()));
      return answers_->forget(user);
    };
  }
  users_ = std::make_unique<UserSide>(std::move(parts), directory_->erasing(), clock_, options_.log);
  corrections_ = std::make_unique<CorrectionSide>(
      CorrectionSide::Parts{*state_, *event_log_, *intake_, [this] { return sql_.get(); }, !options_.sql.dsn.empty()},
      options_.log);
}

Status EngineImpl::start_consumers() {
  const auto sources = ingest::configured_sources(options_, *event_log_, types_);
  feature_consumers_ =
      std::make_unique<ingest::Consumers>(feature_consumer_options(options_), sources, *feature_sink_, types_, clock_);
  if (options_.sql.dsn.empty()) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(sql_, SqlSide::open(options_, types_, *state_, *event_log_, sources, clock_));
  if (shared_) {
    shared_->start([this](const AnswerTags& tags) {
      // A cell that somebody has written into the table by hand, and that is none, may mean any.
      if (!answers_->invalidate(with_all_names(tags)).ok()) static_cast<void>(answers_->invalidate({.all = true}));
    });
  }
  return ok_status();
}

void EngineImpl::start_upkeep() {
  checkpointer_ = std::make_unique<upkeep::Checkpointer>(*directory_, *store_, *state_, *event_log_, *trimmer_);
  std::vector<upkeep::Schedule::Chore> chores;
  chores.emplace_back([this] {
    recommender_->refresh_index();
    recommender_->notice_time(clock_.now());
    recommender_->prepare(clock_.now());
  });
  chores.emplace_back([this] { idle_rules_log_.round(recommender_->idle_rules(), recommender_->rules()); });
  if (sql_) sql_->add_chores(&chores);
  if (shared_) chores.emplace_back([this] { shared_->run(); });
  chores.emplace_back([this] { trimmer_->trim(); });
  chores.emplace_back([this] {
    ballast_->tell_of_room();
    ballast_->keep();
  });
  chores.emplace_back([this] { feature_sink_->settle_dead_letters(); });
  chores.emplace_back([this] { users_->go_on(); });
  chores.emplace_back([this] { corrections_->mend(); });
  chores.emplace_back([this] {
    const state::Counters counters = state_->counters();
    memory_return_.round(counters.applied + counters.repeated + counters.rejected);
  });
  schedule_ = std::make_unique<upkeep::Schedule>(std::move(chores), kUpkeepPeriod, options_.log);
}

/// Of a row that cannot be read nobody can say that it is not there.
bool EngineImpl::knows(const UserId& user) const {
  const auto found = state_->row(EntityKind::kUser, user.str());
  return !found.ok() || found->row != nullptr;
}

/// Whatever is asked by nobody in particular from where most go: with all segments together, and with each.
void EngineImpl::start_warming() {
  const AnswerCacheOptions& answers = options_.answers;
  if (answers.memory_bytes == 0 || answers.warm_cells == 0) return;
  const auto plan = [this] {
    std::vector<RecommendRequest> requests;
    const std::uint32_t segments = recommender_->segments();
    for (const std::string& cell : recommender_->popular_cells(options_.answers.warm_cells)) {
      requests.push_back({.cell = cell});
      for (std::uint32_t i = 0; i < segments; ++i) requests.push_back({.cell = cell, .segment = i});
    }
    return requests;
  };
  const auto make = [this](const CallContext& call, const RecommendRequest& request) {
    return answers_->warm(call, request, options_.answers.warm_every);
  };
  warmer_ = std::make_unique<cache::Warmer>(
      cache::Warmer::Options{.every = answers.warm_every, .time = answers.warm_time}, plan, make,
      [this] { return recommender_->generation(); }, options_.log);
}

Status EngineImpl::close() {
  const MutexLock one_at_a_time(close_mutex_);
  if (closing_.exchange(true)) return ok_status();
  if (state_) state_->stop_waiting();
  if (warmer_) warmer_->stop();
  if (shared_) shared_->stop();
  if (batcher_) batcher_->stop();
  if (answers_) answers_->stop();
  if (event_log_) event_log_->close();
  if (schedule_) schedule_->stop();
  if (feature_consumers_) feature_consumers_->stop();
  if (sql_) sql_->stop();
  if (feature_sink_) feature_sink_->settle_dead_letters();
  // What is pending is stored before the store goes.
  Status stored = state_ ? state_->close() : ok_status();
  if (store_) CAIRN_RETURN_IF_ERROR(store_->close());
  return stored;
}

// ---- calls --------------------------------------------------------------------------------------------------------

Result<IngestAck> EngineImpl::ingest(const CallContext& context, std::span<const std::string_view> events,
                                     std::string_view idempotency_key) {
  if (closing_.load()) return unavailable("the engine is closing");
  return intake_->take(context, events, idempotency_key);
}

Result<IngestAck> EngineImpl::check_events(const CallContext& context, std::span<const std::string_view> events) const {
  CAIRN_RETURN_IF_ERROR(context.check());
  return intake_->check(events);
}

Result<CorrectionAck> EngineImpl::correct_event(const CallContext& context, const EventCorrection& correction) {
  if (closing_.load()) return unavailable("the engine is closing");
  return corrections_->correct(context, correction);
}

Status EngineImpl::upsert_places(const CallContext& context, std::span<const Place> places) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(state_->upsert_places(places));
  schedule_->call();
  return ok_status();
}

Status EngineImpl::delete_places(const CallContext& context, std::span<const PlaceId> ids, PlaceHistory history) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(state_->delete_places(ids, history, clock_.now()));
  recommender_->refresh_index();
  schedule_->call();
  return ok_status();
}

Result<DeletedPlaces> EngineImpl::delete_known_places(const CallContext& context, std::span<const PlaceId> ids,
                                                      PlaceHistory history) {
  while (true) {
    std::vector<PlaceId> known;
    DeletedPlaces outcome;
    std::set<PlaceId> seen;
    for (const PlaceId& id : ids) {
      if (!seen.insert(id).second) continue;
      const Status found = state_->catalog().check_removal({&id, 1}, history);
      if (!found.ok() && found.code() != StatusCode::kNotFound) return found;
      (found.ok() ? known : outcome.unknown).push_back(id);
    }
    if (known.empty()) return outcome;
    const Status deleted = delete_places(context, known, history);
    outcome.count = known.size();
    if (deleted.ok()) return outcome;
    // Another call has deleted one of them meanwhile.
    if (deleted.code() != StatusCode::kNotFound) return deleted;
  }
}

std::vector<Category> EngineImpl::categories(const CallContext&) const { return state_->catalog().categories(); }

Result<std::uint64_t> EngineImpl::rename_category(const CallContext& context, const std::string& from,
                                                  const std::string& to, CategoryTarget target) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t moved, state_->catalog().rename_category(from, to, target));
  recommender_->refresh_index();
  // The context's deadline has no say any more: it is done.
  CAIRN_RETURN_IF_ERROR(answers_->invalidate({.users = {}, .places = {}, .categories = {from, to}, .cells = {}}));
  schedule_->call();
  return moved;
}

Result<Place> EngineImpl::get_place(const CallContext& context, const PlaceId& id) const {
  CAIRN_RETURN_IF_ERROR(context.check());
  return state_->catalog().get(id);
}

Result<FeatureResponse> EngineImpl::get_features(const CallContext& context, const FeatureRequest& request) const {
  return state::read_features(*state_, context, request, clock_.now());
}

namespace {

/// What is asked of now, asked of this minute by its name: so what is kept of one minute is not given in another.
/// Returns: nullopt for other requests.
std::optional<RecommendRequest> of_this_minute(const RecommendRequest& request, EventTime now) {
  if (!request.open_now || request.open_at || request.time) return std::nullopt;
  RecommendRequest said = request;
  said.open_now = false;
  said.open_at = std::chrono::floor<std::chrono::minutes>(now);
  return said;
}

/// A clock that was set back makes no minute longer.
std::chrono::milliseconds left_of_minute(EventTime minute, EventTime now) {
  constexpr std::chrono::milliseconds kMinute = std::chrono::minutes(1);
  return std::clamp<std::chrono::milliseconds>(minute + kMinute - now, {}, kMinute);
}

}  // namespace

Result<Recommendations> EngineImpl::recommend(const CallContext& context, const RecommendRequest& request) const {
  recommendations_.fetch_add(1, std::memory_order_relaxed);
  std::optional<RecommendRequest> said = of_this_minute(request, clock_.now());
  const std::optional<EventTime> minute = said ? said->open_at : std::nullopt;
  // Whatever a language is called, its answers are kept under one name.
  if (std::string language = recommender_->language_of(request.language); language != request.language) {
    if (!said) said = request;
    said->language = std::move(language);
  }
  auto answer = answers_->answer(context, said ? *said : request);
  if (answer.ok() && minute) answer->open_for = left_of_minute(*minute, clock_.now());
  return answer;
}

std::optional<Recommendations> EngineImpl::kept_recommendations(const RecommendRequest& request) const {
  const std::optional<RecommendRequest> said = of_this_minute(request, clock_.now());
  auto kept = answers_->kept(said ? *said : request);
  if (kept) recommendations_.fetch_add(1, std::memory_order_relaxed);
  if (kept && said) kept->open_for = left_of_minute(*said->open_at, clock_.now());
  return kept;
}

/// Answers are kept by what a category was called when they were asked for and made: whichever of its names is given,
/// all are meant.
AnswerTags EngineImpl::with_all_names(AnswerTags tags) const {
  if (tags.categories.empty()) return tags;
  const std::set<std::string> given(tags.categories.begin(), tags.categories.end());
  for (Category& category : state_->catalog().categories()) {
    std::vector<std::string> names = std::move(category.old_names);
    names.push_back(std::move(category.name));
    const auto is_given = [&](const std::string& name) { return given.contains(name); };
    if (std::any_of(names.begin(), names.end(), is_given)) {
      std::erase_if(names, is_given);
      tags.categories.insert(tags.categories.end(), names.begin(), names.end());
    }
  }
  return tags;
}

Status EngineImpl::invalidate_answers(const CallContext& context, const AnswerTags& named) {
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(cache::AnswerCache::check(named));  // before anybody is told
  const AnswerTags tags = with_all_names(named);
  if (!shared_ || !shared_->shares()) return answers_->invalidate(tags);
  // First of all where others read, or what they have could come back here.
  const Status told = shared_->invalidate(tags);
  CAIRN_RETURN_IF_ERROR(answers_->invalidate(tags));
  return Status(told).with_context(
      "this daemon's own answers are outdated; others were not told, so that they, and what is shared with them, may "
      "still be given until they grow old; ask again");
}

Result<ErasureReceipt> EngineImpl::erase_user(const CallContext& context, const UserId& user) {
  if (closing_.load()) return unavailable("the engine is closing");
  return users_->erase(context, user);
}

Result<UserExport> EngineImpl::export_user(const CallContext& context, const UserId& user) const {
  if (closing_.load()) return unavailable("the engine is closing");
  return users_->export_user(context, user, clock_.now());
}

std::vector<RankingFeatureInfo> EngineImpl::ranking_features(const CallContext&) const {
  return recommender_->features();
}

std::vector<FeatureViewSpec> EngineImpl::feature_views(const CallContext&) const {
  std::vector<FeatureViewSpec> specs;
  for (const features::View& view : state_->schema().views()) specs.push_back(view.spec);
  return specs;
}

Result<CheckpointInfo> EngineImpl::checkpoint(const CallContext& context, const std::string& path) {
  return checkpointer_->make(context, path);
}

Result<ModelStatus> EngineImpl::activate_model(const CallContext& context, const std::string& directory,
                                               ModelChoice choice) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(models_->activate(context, directory, choice));
  return models_->status();
}

Result<ModelStatus> EngineImpl::activate_ranker(const CallContext& context, const std::string& directory,
                                                ModelChoice choice) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(models_->activate_ranker(context, directory, choice));
  return models_->status();
}

Status EngineImpl::apply_rules(const CallContext& context, std::vector<PlaceRule> rules) {
  if (closing_.load()) return unavailable("the engine is closing");
  CAIRN_RETURN_IF_ERROR(context.check());
  return recommender_->serve_rules(std::move(rules));
}

Result<std::vector<ingest::Consumer*>> EngineImpl::consumers_named(const std::string& name) const {
  std::vector<ingest::Consumer*> found = feature_consumers_->named(name);
  if (sql_) {
    for (ingest::Consumer* consumer : sql_->consumers().named(name)) found.push_back(consumer);
  }
  if (!found.empty()) return found;
  // "sql" for "sql:api", where there is no other of SQL.
  found = feature_consumers_->of_sink(name);
  if (sql_) {
    for (ingest::Consumer* consumer : sql_->consumers().of_sink(name)) found.push_back(consumer);
  }
  if (found.size() == 1) return found;
  std::string known;
  for (const ConsumerHealth& one : consumer_health()) known += (known.empty() ? "" : ", ") + one.name();
  return not_found((found.empty() ? "there is no consumer '" + name : "several consumers may be meant by '" + name) +
                   "'; there are " + known);
}

Status EngineImpl::retry_consumer(const CallContext& context, const std::string& name) {
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_ASSIGN_OR_RETURN(const auto consumers, consumers_named(name));
  for (ingest::Consumer* consumer : consumers) consumer->retry();
  return ok_status();
}

Status EngineImpl::accept_gap(const CallContext& context, const std::string& name) {
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_ASSIGN_OR_RETURN(const auto consumers, consumers_named(name));
  bool accepted = false;
  for (ingest::Consumer* consumer : consumers) accepted |= consumer->accept_gap();
  if (accepted) return ok_status();
  return failed_precondition("'" + name + "' stands before no gap; cairn status says what it waits for");
}

Status EngineImpl::wait_caught_up(const CallContext& context) const {
  // All marks are asked for before any is waited for: the call means the moment in which it was made.
  const auto feature_marks = feature_consumers_->marks();
  const auto sql_marks = sql_ ? sql_->consumers().marks() : std::vector<std::uint64_t>{};
  const auto places = sql_ ? sql_->places().mark() : std::nullopt;
  CAIRN_RETURN_IF_ERROR(feature_consumers_->wait_passed(feature_marks, context));
  CAIRN_RETURN_IF_ERROR(state_->flush(context));
  recommender_->refresh_index();
  CAIRN_RETURN_IF_ERROR(context.check());
  if (!sql_) return ok_status();
  CAIRN_RETURN_IF_ERROR(sql_->consumers().wait_passed(sql_marks, context));
  schedule_->call();
  return sql_->places().wait_for(places, context);
}

void append_rejected(const streaming::DeadLetterCounts& counts, EngineStatus* status) {
  for (std::size_t reason = 0; reason < counts.came.size(); ++reason) {
    if (counts.came[reason] == 0) continue;
    const auto name = streaming::to_string(static_cast<streaming::Reject>(reason));
    status->rejected_by_reason.push_back({std::string(name), counts.came[reason], counts.not_kept[reason]});
  }
}

// ---- status -------------------------------------------------------------------------------------------------------

EngineStatus EngineImpl::status(const CallContext&) const {
  EngineStatus status;
  status.version = version();
  status.started = started_;
  state_->describe(&status);
  recommender_->describe(&status);
  const storage::StateStoreStats store = store_->stats();
  status.state_bytes = store.disk_bytes;
  status.quarantined = store.quarantined_operands;
  status.recommendations = recommendations_.load(std::memory_order_relaxed);
  status.batching = batcher_->status();
  status.answers = answers_->status();
  if (warmer_) status.answers.warming = warmer_->status();
  if (shared_) shared_->describe(&status.answers);
  if (status.answers.limit > 0) status.memory.push_back({"answers", status.answers.bytes, status.answers.limit});
  status.sql_rows = sql_ ? sql_->rows() : 0;
  status.erasures_pending = users_->pending();
  status.compute = compute_.status();
  status.compute_backend = status.compute.backend;
  feature_consumers_->append_status(&status.consumers);
  if (sql_) sql_->consumers().append_status(&status.consumers);
  append_rejected(feature_sink_->dead_letter_counts(), &status);
  status.health = consumer_health();
  status.model = models_->status();
  if (status.model.in_force()) status.memory.push_back({"model", status.model.memory_bytes, 0});
  status.checks = checks(status, store);
  return status;
}

std::vector<ConsumerHealth> EngineImpl::consumer_health() const {
  std::vector<ConsumerHealth> health;
  feature_consumers_->append_health(&health);
  if (sql_) sql_->consumers().append_health(&health);
  return health;
}

std::vector<ReadinessCheck> EngineImpl::checks(const EngineStatus& status, storage::StateStoreStats store) const {
  const ReadinessInput input{.closing = closing_.load(),
                             .store = std::move(store),
                             .log_trouble = event_log_->trouble().message(),
                             .invalid_rows = status.invalid_rows,
                             .consumers = status.health,
                             .sources_trouble = feature_consumers_->trouble(),
                             .dead_letters_trouble = feature_sink_->dead_letter_trouble(),
                             .has_postgres = sql_ != nullptr,
                             .postgres_trouble = sql_ ? sql_->trouble() : "",
                             .postgres_remark = sql_ ? sql_->remark() : "",
                             .model_trouble = trouble_of(status.model),
                             .model_remark = remark_of(status.model)};
  return check_readiness(input);
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, const Clock& clock) {
  auto engine = std::make_unique<EngineImpl>(std::move(options), clock);
  CAIRN_RETURN_IF_ERROR(engine->start());
  return std::unique_ptr<Engine>(std::move(engine));
}

Status check_mapping_options(const DecodeOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const InteractionTypes types, InteractionTypes::with_declared(options.declared_types));
  return streaming::check_mapping(options.mapping, types);
}

Status check_ranking_feature(const RankingFeatureSpec& feature, const EngineOptions& options) {
  // What types count as has no part in this: a slip there is told of by itself.
  CAIRN_ASSIGN_OR_RETURN(const InteractionTypes types, InteractionTypes::with_declared(options.decode.declared_types));
  std::vector<FeatureViewSpec> views = ranking::builtin_views();
  views.insert(views.end(), options.feature_views.begin(), options.feature_views.end());
  return ranking::OwnFeatures::check(feature, views, types).status();
}

Status check_reason_options(const RankingOptions& options) {
  if (const auto zone = streaming::Zone::find(options.reasons.time_zone); !zone.ok()) {
    return invalid_argument("time_zone: " + zone.status().message());
  }
  return ranking::Sentences::create(options.reasons, options.features).status();
}

Status check_place_options(const PlaceOptions& options, const std::vector<PlaceRule>& rules) {
  CAIRN_RETURN_IF_ERROR(place_terms(options).status());
  return ranking::PlaceRules::check(rules);
}

Status check_postgres_options(const SqlOptions& options) { return sql::check_options(options); }

Status check_kafka_property(const std::string& name, const std::string& value) {
  return streaming::check_kafka_property(name, value);
}

Status probe_postgres(const SqlOptions& options) { return sql::ping(options); }

Status adopt_postgres(const SqlOptions& options) { return sql::release_schema(options); }

Result<std::uint64_t> restore_postgres_positions(const SqlOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const std::size_t restored, sql::restore_positions(options));
  return std::uint64_t{restored};
}

std::vector<RankingFeatureInfo> ranking_features() { return ranking::ranking_features(); }

Status check_ranker(const std::string& directory) { return ranking::read_ranker(directory).status(); }

Status check_model_directory(const std::string& directory) { return model::check_model_head(directory); }

std::vector<FeatureViewSpec> builtin_feature_views() { return ranking::builtin_views(); }

std::string_view version() noexcept { return CAIRN_VERSION; }

}  // namespace cairn
