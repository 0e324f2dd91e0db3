#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/engine_status.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "cairn/recommendation.h"
#include "engine/ranking/explain/reasons.h"
#include "engine/ranking/explain/sentences.h"
#include "engine/ranking/model_scores.h"
#include "engine/ranking/own_features.h"
#include "engine/ranking/place_signals.h"
#include "engine/ranking/place_terms.h"
#include "engine/ranking/question.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/score/place_scan.h"
#include "engine/ranking/score/ranker.h"
#include "engine/state/feature_state.h"

namespace cairn::ranking {

/// Answers "which places, for this user, here, now" from the feature state and the place index: candidates by geofence
/// and filters, the best of all of them found by a scan and scored exactly, the reasons written.
///
/// A request sees one place index, one model and one ranker from its beginning to its end; what changes meanwhile is
/// for later ones.
///
/// Threads: any.
class Recommender {
 public:
  /// `state` must outlive the recommender, and is observed from here on.
  /// `backend` scans; null: this machine's processors.
  /// Returns: INVALID_ARGUMENT for a weight that no ranking feature has; what read_ranker() and reading the state
  /// returned.
  [[nodiscard]] static Result<std::unique_ptr<Recommender>> create(state::FeatureState& state,
                                                                   const RankingOptions& options,
                                                                   std::unique_ptr<gpu::Backend> backend = nullptr,
                                                                   const PlaceTerms& terms = PlaceTerms(),
                                                                   std::vector<PlaceRule> rules = {});
  /// With this ranker, and not the one that the options name.
  [[nodiscard]] static Result<std::unique_ptr<Recommender>> create(state::FeatureState& state,
                                                                   const RankingOptions& options, RankerModel ranker,
                                                                   std::unique_ptr<gpu::Backend> backend = nullptr,
                                                                   const PlaceTerms& terms = PlaceTerms(),
                                                                   std::vector<PlaceRule> rules = {});

  /// `now` is used where the request names no time. The answer's freshness is that of the features before any of them
  /// was read, so the answer reflects at least that much.
  ///
  /// Gives up when `call` does: before the work, while it waits for `min_offset`, after the user's row is read, and
  /// every few thousand candidates.
  /// Returns: INVALID_ARGUMENT; FAILED_PRECONDITION when `min_offset` is not reached and is not to be waited for;
  /// DEADLINE_EXCEEDED, CANCELLED; what reading the state returned.
  [[nodiscard]] Result<Recommendations> recommend(const CallContext& call, const RecommendRequest& request,
                                                  EventTime now) const;

  /// Sentences speak by a clock that is so far ahead of UTC at an instant. Call before questions are asked.
  void speak_by(std::function<std::chrono::minutes(EventTime)> clock_ahead) { clock_ahead_ = std::move(clock_ahead); }
  /// Sentences::language_of.
  [[nodiscard]] std::string language_of(std::string_view wanted) const { return sentences_.language_of(wanted); }
  /// See Engine::ranking_features.
  [[nodiscard]] std::vector<RankingFeatureInfo> features() const CAIRN_EXCLUDES(index_mutex_);
  /// A question between the steps that follow. Threads: one at a time.
  class Asked;
  class Sitting;

  /// What recommend() does, in steps, so that the questions of any number of callers are scanned together:
  ///
  ///     const auto asked = recommender.read(call, request, now);   // of each question: rows, profile, fold-in
  ///     const Recommender::Sitting sitting(recommender, all);      // one scan for all that there are
  ///     auto answer = sitting.answer(call, **asked);               // of each question: second stage, reasons
  ///
  /// An answer has the bits that it would have alone. Waits for `min_offset` as recommend() does.
  /// Returns: as recommend().
  [[nodiscard]] Result<std::shared_ptr<Asked>> read(const CallContext& call, const RecommendRequest& request,
                                                    EventTime now) const;
  /// What read() begins with, for who would rather wait before: until the question's `min_offset` is reached, if that
  /// is to be waited for. Returns: DEADLINE_EXCEEDED, CANCELLED; what waiting for the state returned.
  [[nodiscard]] Status wait_for_offset(const CallContext& call, const RecommendRequest& request) const;

  /// From here on questions are answered with this model (null: with none). Those under way end with the one before.
  void serve_model(std::shared_ptr<const model::ServedModel> model) CAIRN_EXCLUDES(rebuild_mutex_, index_mutex_);
  /// From here on questions are answered with this ranker. Those under way end with the one before. The weights that
  /// the options name go on to replace a ranker's.
  /// Returns: what Ranker::create() returns; the one before then stays in force.
  [[nodiscard]] Status serve_ranker(RankerModel model) CAIRN_EXCLUDES(rebuild_mutex_, index_mutex_);
  /// From here on places rise and fall by these rules. Returns: what PlaceRules::check() returns; those before then
  /// stay in force.
  [[nodiscard]] Status serve_rules(std::vector<PlaceRule> rules) CAIRN_EXCLUDES(rebuild_mutex_, index_mutex_);
  /// Moves the generation when other rules are in force now than before. Call every second or so.
  void notice_time(EventTime now) CAIRN_EXCLUDES(index_mutex_);
  /// Another number with each change of the index, the model, the ranker or the rules: what was answered under another
  /// one may not be what would be answered now.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }
  /// From here on made_with() can tell.
  void tell_what_answers_are_made_with() CAIRN_EXCLUDES(rebuild_mutex_, index_mutex_);
  /// The index, the model and the ranker in force by their contents: as bytes that are the same wherever these are.
  /// Null: nobody said that they want to know, or rules are there, which come into force by the clock.
  [[nodiscard]] std::shared_ptr<const std::string> made_with() const CAIRN_EXCLUDES(index_mutex_);
  /// Recommendations::next for who has had these places and no others.
  [[nodiscard]] std::string cursor_behind(std::span<const Recommended> items) const;
  /// The ranker in force.
  [[nodiscard]] std::shared_ptr<const Ranker> ranker() const CAIRN_EXCLUDES(index_mutex_) { return places()->ranker(); }
  /// The model in force, by row of places; null: none.
  [[nodiscard]] std::shared_ptr<const ModelScores> model() const CAIRN_EXCLUDES(index_mutex_) {
    return places()->model();
  }

  /// Every candidate's score, for those who need whole rankings (evaluation). Where the ranker has a network, the best
  /// are in its order, and all others stand below them in the order of the linear stage.
  struct Scored {
    std::shared_ptr<const PlaceIndex> index;
    std::vector<PlaceIndex::Near> candidates;  ///< ascending by row
    std::vector<float> scores;                 ///< by candidate
    std::vector<float> linear;                 ///< those of the linear stage; empty: there is no other
    std::vector<float> model;                  ///< what the model in force gives each; empty: none takes part
  };
  /// `exclude_seen`: places that the user has been to are no candidates, as in study().
  [[nodiscard]] Result<Scored> score(const UserId& user, GeoPoint position, EventTime time, double position_age_hours,
                                     double radius_meters, bool exclude_seen = false) const;

  /// What a question looks like before the second stage, for who learns from it.
  struct Study {
    const QuestionFacts& facts;
    std::span<const PlaceIndex::Near> best;  ///< of all places, by the linear stage, best first
    std::span<const float> scores;           ///< by the linear stage
    std::span<const float> features;         ///< their ranking features, a row a place
  };
  /// Shows `see` a question about all places, or about those alone that the user has not been to. `k` of the best are
  /// found. Signals stand still while it looks.
  [[nodiscard]] Status study(const UserId& user, GeoPoint position, EventTime time, double position_age_hours,
                             bool exclude_seen, std::size_t k, const std::function<void(const Study&)>& see) const;

  /// How many of the best go through what looks at places one beside another.
  static constexpr std::size_t kSecondStage = 256;

  /// Rebuilds the place index when the catalogue has changed since. Cheap when it has not.
  void refresh_index() CAIRN_EXCLUDES(rebuild_mutex_, index_mutex_);

  /// Makes what questions about `now` read, and soon about the next hour, so that none of them has to. Does nothing
  /// before there was a question.
  void prepare(EventTime now) const CAIRN_EXCLUDES(index_mutex_);

  /// Cells (geohashes of PlaceIndex::kCellLetters letters) with places, those with the most visits first, of which
  /// older ones count less; where there are none, those with the most places. At most `count`. Looks at every place.
  [[nodiscard]] std::vector<std::string> popular_cells(std::size_t count) const CAIRN_EXCLUDES(index_mutex_);
  /// How many segments of users the model in force knows; 0 without one.
  [[nodiscard]] std::uint32_t segments() const CAIRN_EXCLUDES(index_mutex_);

  /// Fills in what ranking knows of an engine's status: its memory.
  void describe(EngineStatus* status) const;
  /// See EngineStatus.
  [[nodiscard]] std::vector<IdleRule> idle_rules() const;
  /// Those in force, whatever the time.
  [[nodiscard]] std::vector<PlaceRule> rules() const;
  [[nodiscard]] std::shared_ptr<const PlaceIndex> index() const { return places()->shared_index(); }

 private:
  [[nodiscard]] std::shared_ptr<const PlaceScan> places() const CAIRN_EXCLUDES(index_mutex_);
  [[nodiscard]] bool index_current() const;
  /// Makes an index of the catalogue as it is.
  void build_index(std::shared_ptr<const Ranker> ranker, std::vector<PlaceRule> rules) CAIRN_REQUIRES(rebuild_mutex_)
      CAIRN_EXCLUDES(index_mutex_);
  /// Puts an index, a model and a ranker in place, in one step.
  void replace_places(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const model::ServedModel> model,
                      std::shared_ptr<const Ranker> ranker, PlaceScan::Said said) CAIRN_REQUIRES(rebuild_mutex_)
      CAIRN_EXCLUDES(index_mutex_);
  /// What is said of an index's places: by the terms, and by the rules.
  [[nodiscard]] PlaceScan::Said said_of(const std::shared_ptr<const PlaceIndex>& index, std::vector<PlaceRule> rules,
                                        std::shared_ptr<const PlaceFilters> filters) const;
  /// The model in force, before it is mapped to rows; null: none.
  [[nodiscard]] std::shared_ptr<const model::ServedModel> served_model() const CAIRN_EXCLUDES(index_mutex_);
  Recommender(state::FeatureState& state, const RankingOptions& options, OwnFeatures own, Sentences sentences,
              std::unique_ptr<gpu::Backend> backend, const PlaceTerms& terms);

  /// What is answered, best first.
  struct Ranked {
    std::vector<PlaceIndex::Near> places = {};
    std::vector<float> scores = {};
    std::vector<float> added = {};           ///< by the second stage, and in the scores already; empty: there is none
    std::vector<std::uint32_t> raised = {};  ///< rows whose scores have what the model's bounds add, ascending
    std::size_t passed = 0;                  ///< places that pass the filters
    bool by_fallback = false;                ///< the device that should have scanned did not
  };
  /// Candidates as the linear stage sees them.
  struct Linear {
    std::span<const PlaceIndex::Near> candidates;
    std::vector<float> scores = {};
    std::vector<float> features = {};  ///< their ranking features, a row a candidate; empty: they were not kept
    std::vector<float> by_rules = {};  ///< what of the scores rules added; empty: nothing
  };
  /// Candidates beyond so many do not have their features kept.
  static constexpr std::size_t kFeaturesKept = 4096;
  [[nodiscard]] static Result<Linear> score_all(const Ranker& ranker, const QuestionFacts& facts,
                                                std::span<const PlaceIndex::Near> candidates,
                                                const std::function<Status()>& go_on, const PlaceRules* rules = nullptr,
                                                PlaceRules::Set adding = 0);
  /// The features of the `chosen` candidates.
  [[nodiscard]] static std::vector<float> features_of(const QuestionFacts& facts, const Linear& linear,
                                                      std::span<const std::uint32_t> chosen);
  /// What the second stage adds to the scores of the candidates `looked_at`, the best first.
  [[nodiscard]] static std::vector<float> added_by_network(const Ranker& ranker, const QuestionFacts& facts,
                                                           const Linear& linear,
                                                           std::span<const std::uint32_t> looked_at);
  /// The candidates of `order`, the best first, in the order of their scores when the second stage has added to them.
  [[nodiscard]] static Ranked in_order(const Ranker& ranker, const QuestionFacts& facts, const Linear& linear,
                                       std::span<const std::uint32_t> order);
  /// Waits for `min_offset`, or sets `degraded`, or fails, as the request says.
  Status reach(const CallContext& call, const RecommendRequest& request, bool* degraded) const;
  /// The columns that a scan of `ranges` reads. Null where there is no scan.
  [[nodiscard]] Result<std::shared_ptr<PlaceScan::Hour>> hour_for(const Question& question, const PlaceScan& places,
                                                                  std::span<const gpu::RowRange> ranges) const;
  /// How many of the best are looked for first, where `limit` are asked for.
  [[nodiscard]] static std::size_t wanted_first(const Question& question, std::size_t limit, const Ranker& ranker);
  /// Those that are pinned, all others, those that are buried: each tier by itself.
  [[nodiscard]] Result<Ranked> rank(const CallContext& call, Asked& asked) const;
  /// The places of an answer so far, by category.
  using Taken = std::unordered_map<std::uint32_t, std::size_t>;
  /// `filter` is that of the tier.
  [[nodiscard]] Result<Ranked> rank_tier(const CallContext& call, Asked& asked, const CandidateFilter& filter,
                                         std::size_t limit, Taken* taken) const;
  [[nodiscard]] Result<std::size_t> count_passing(Asked& asked, const CandidateFilter& filter, bool* by_fallback) const;
  /// What a scan has found; what `search` found, where there is one.
  [[nodiscard]] static Result<PlaceScan::Found> found(Asked& asked, std::unique_ptr<PlaceScan::Search> search,
                                                      const CandidateFilter& filter, std::size_t wanted);
  /// Gives the best their order by the second stage, and all others scores below theirs.
  static void put_best_first(const Ranker& ranker, const QuestionFacts& facts, Linear linear, Scored* scored);
  [[nodiscard]] static Result<std::vector<float>> model_scores_of(const Question& question, const Ranked& ranked,
                                                                  double model_weight);
  [[nodiscard]] std::string next_page(const Question& question, const PlaceIndex& index, const Ranked& ranked) const;
  [[nodiscard]] std::string shortfall(const Question& question, const PlaceIndex& index, std::size_t passed) const;
  [[nodiscard]] std::string misnamed(const Question& question) const;
  /// The candidates among those that are to be ordered.
  [[nodiscard]] static PlaceScan::Found find_some(const Question& question, const CandidateFilter& filter,
                                                  const PlaceIndex& index);
  /// Every candidate, for what a scan cannot do or is not worth doing for.
  [[nodiscard]] PlaceScan::Found find_all(const Question& question, const CandidateFilter& filter,
                                          const PlaceIndex& index) const;

  // Fixed after construction.
  state::FeatureState& state_;
  const RankingOptions options_;
  const Sentences sentences_;
  std::function<std::chrono::minutes(EventTime)> clock_ahead_;  ///< empty: sentences speak by UTC
  const std::unique_ptr<gpu::Backend> backend_;
  const std::shared_ptr<const PlaceTerms> terms_;

  PlaceSignals signals_;  ///< synchronises itself
  const QuestionReader questions_;

  Mutex rebuild_mutex_;  ///< one rebuild at a time; guards no field, and is taken before index_mutex_
  bool tells_ CAIRN_GUARDED_BY(rebuild_mutex_) = false;  ///< made_with() is wanted
  mutable Mutex index_mutex_;
  std::atomic<std::uint64_t> rules_in_force_{0};                                 ///< when notice_time() looked last
  std::atomic<std::uint64_t> generation_{0};                                     ///< moves after places_
  std::shared_ptr<const std::string> made_with_ CAIRN_GUARDED_BY(index_mutex_);  ///< of places_
  std::shared_ptr<const PlaceScan> places_
      CAIRN_GUARDED_BY(index_mutex_);  ///< index, model and ranker, as scans read them
};

class Recommender::Asked {
 public:
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

 private:
  friend class Recommender;
  friend class Sitting;
  Asked() = default;

  Recommendations answer;  ///< as far as it is known
  bool explain = true;
  ReasonsWanted reasons = ReasonsWanted::kFor;
  const Language* language = nullptr;  ///< of the recommender; set where the question is read
  bool attributes = false;
  std::shared_ptr<const PlaceScan> places;
  Question question;
  std::vector<gpu::RowRange> ranges;
  std::shared_ptr<PlaceScan::Hour> hour;  ///< null: there is no scan
  std::optional<QuestionFacts> facts;     ///< as long as the sitting lasts
  std::unique_ptr<PlaceScan::Search> search;
};

/// Questions that are answered while signals stand still: scan, scores and reasons are of the same signals. It keeps
/// writers of signals waiting while it lasts. Threads: the one that made it destroys it.
class Recommender::Sitting {
 public:
  /// Scans for all of them. `recommender` and they must outlive it.
  Sitting(const Recommender& recommender, std::span<Asked* const> asked);

  /// Requires: `asked` is one of those, and is answered once. Threads: any number may be answered at once, each by one.
  /// Returns: as recommend().
  [[nodiscard]] Result<Recommendations> answer(const CallContext& call, Asked& asked) const;

 private:
  void prepare(Asked& asked) const;

  const Recommender& recommender_;
  const PlaceSignals::Reader signals_;
};

}  // namespace cairn::ranking
