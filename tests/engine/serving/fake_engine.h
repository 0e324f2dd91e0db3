#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "cairn/mutex.h"

namespace cairn::serving_test {

/// An engine of a few lines that remembers what it was asked and answers from what a test put in. Set the answers
/// before a server uses it; what was asked may be read at any time through the methods.
class FakeEngine final : public Engine {
 public:
  FakeEngine();

  Result<IngestAck> ingest(const CallContext& context, std::span<const std::string_view> events,
                           std::string_view idempotency_key) override;
  Result<IngestAck> check_events(const CallContext& context, std::span<const std::string_view> events) const override;
  Status upsert_places(const CallContext& context, std::span<const Place> places) override;
  Status delete_places(const CallContext& context, std::span<const PlaceId> ids, PlaceHistory history) override;
  Result<DeletedPlaces> delete_known_places(const CallContext& context, std::span<const PlaceId> ids,
                                            PlaceHistory history) override;
  std::vector<Category> categories(const CallContext&) const override { return categories_answer; }
  Result<std::uint64_t> rename_category(const CallContext&, const std::string& from, const std::string& to,
                                        CategoryTarget target) override {
    return on_rename(from, to, target);
  }
  Result<Place> get_place(const CallContext& context, const PlaceId& id) const override;
  Result<FeatureResponse> get_features(const CallContext& context, const FeatureRequest& request) const override;
  Result<Recommendations> recommend(const CallContext& context, const RecommendRequest& request) const override;
  Result<CorrectionAck> correct_event(const CallContext&, const EventCorrection& correction) override {
    return on_correct(correction);
  }
  std::optional<Recommendations> kept_recommendations(const RecommendRequest& request) const override {
    return on_kept(request);
  }
  Result<ErasureReceipt> erase_user(const CallContext&, const UserId& user) override { return on_erase(user); }
  Result<UserExport> export_user(const CallContext&, const UserId& user) const override { return on_export(user); }
  EngineStatus status(const CallContext& context) const override;
  std::vector<FeatureViewSpec> feature_views(const CallContext&) const override { return views; }
  std::vector<RankingFeatureInfo> ranking_features(const CallContext&) const override {
    return cairn::ranking_features();
  }
  Status wait_caught_up(const CallContext& context) const override;
  Result<CheckpointInfo> checkpoint(const CallContext& context, const std::string& path) override;
  Result<ModelStatus> activate_model(const CallContext&, const std::string& directory, ModelChoice choice) override {
    return on_activate(directory, choice);
  }
  Result<ModelStatus> activate_ranker(const CallContext&, const std::string& directory, ModelChoice choice) override {
    return on_activate(directory, choice);
  }
  Status apply_rules(const CallContext&, std::vector<PlaceRule>) override { return {}; }
  Status invalidate_answers(const CallContext&, const AnswerTags& tags) override {
    const MutexLock lock(mutex_);
    invalidated_.push_back(tags);
    return {};
  }
  Status retry_consumer(const CallContext&, const std::string& name) override { return on_consumer("retry", name); }
  Status accept_gap(const CallContext&, const std::string& name) override { return on_consumer("accept-gap", name); }
  Status close() override { return {}; }

  std::vector<std::string> ingested() const;
  PlaceHistory last_history() const;  ///< of the last deletion
  RecommendRequest last_recommend() const;
  std::vector<AnswerTags> invalidated() const {
    const MutexLock lock(mutex_);
    return invalidated_;
  }
  CallContext last_context() const;  ///< of the last recommendation

  // Answers. The defaults: events without "type" are rejected, one place and two users are known, all is ready.
  std::vector<FeatureViewSpec> views;
  EngineStatus status_answer;
  std::function<Status()> on_ingest = [] { return Status(); };
  std::function<Status(const RecommendRequest&)> on_recommend = [](const RecommendRequest&) { return Status(); };
  std::function<std::optional<Recommendations>(const RecommendRequest&)> on_kept =
      [](const RecommendRequest&) -> std::optional<Recommendations> { return std::nullopt; };
  std::function<Status(const std::string& what, const std::string& name)> on_consumer =
      [](const std::string&, const std::string&) { return Status(); };
  std::function<Result<ModelStatus>(const std::string& directory, ModelChoice choice)> on_activate =
      [](const std::string& directory, ModelChoice) {
        return Result<ModelStatus>(ModelStatus{.directory = directory, .version = "0123456789abcdef-1"});
      };
  std::function<Result<CorrectionAck>(const EventCorrection&)> on_correct = [](const EventCorrection&) {
    return CorrectionAck{
        .reflected_at = {"api", {Partition{0}, Offset{9}, {}}}, .found_in = "caller", .replaced_by = ""};
  };
  std::function<Result<ErasureReceipt>(const UserId&)> on_erase = [](const UserId& user) {
    const EventTime at = event_time_from_ms(1'714'564'800'000);
    return Result<ErasureReceipt>(ErasureReceipt{user, at, at, {{"features", "entries", 3, true, ""}}});
  };
  std::function<Result<UserExport>(const UserId&)> on_export = [](const UserId& user) {
    return Result<UserExport>(UserExport{.user = user});
  };
  std::vector<Category> categories_answer;
  std::function<Result<std::uint64_t>(const std::string& from, const std::string& to, CategoryTarget)> on_rename =
      [](const std::string&, const std::string&, CategoryTarget) { return Result<std::uint64_t>(std::uint64_t{2}); };
  std::function<void()> on_status = [] {};
  std::function<Status(const CallContext&)> on_wait = [](const CallContext&) { return Status(); };

 private:
  mutable Mutex mutex_;
  std::vector<std::string> ingested_ CAIRN_GUARDED_BY(mutex_);
  std::set<std::string> keys_ CAIRN_GUARDED_BY(mutex_);  ///< a call whose key came before says that it is repeated
  mutable RecommendRequest last_recommend_ CAIRN_GUARDED_BY(mutex_);
  mutable CallContext last_context_ CAIRN_GUARDED_BY(mutex_);
  PlaceHistory last_history_ CAIRN_GUARDED_BY(mutex_) = PlaceHistory::kKeep;
  std::map<std::string, Place> places_ CAIRN_GUARDED_BY(mutex_);
  std::vector<AnswerTags> invalidated_ CAIRN_GUARDED_BY(mutex_);
};

/// A door that handlers wait at until the test opens it.
class Gate {
 public:
  void wait() {
    const MutexLock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    while (!open_) changed_.wait(mutex_);
  }
  void open() {
    const MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void await_waiting(int count) {
    const MutexLock lock(mutex_);
    while (waiting_ < count) changed_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int waiting_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool open_ CAIRN_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::serving_test
