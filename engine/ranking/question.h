#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/options.h"
#include "cairn/recommendation.h"
#include "engine/ranking/model_scores.h"
#include "engine/ranking/score/facts.h"
#include "engine/ranking/score/place_scan.h"
#include "engine/ranking/user_profile.h"
#include "engine/state/feature_state.h"

namespace cairn::ranking {

/// A request as it is worked on: defaults filled in, ids looked up, the user's row read.
struct Question {
  UserProfile user;
  bool row_damaged = false;  ///< answered as if nothing were known of the user
  Tier tier = Tier::kNone;
  UserKnownBy known_by = UserKnownBy::kNothing;
  Situation situation;  ///< its user is set where the question has come to rest
  std::size_t limit = 0;
  std::size_t max_per_category = 0;  ///< 0: any number
  double diversity = 0.0;            ///< 0 to 1
  CandidateFilter filter;
  std::shared_ptr<const RowBits> said;          ///< places for which the request's conditions hold; null: it has none
  std::vector<std::string> unknown_categories;  ///< that were asked for, and that no place has ever had
  std::size_t unknown_only = 0;                 ///< of the places that alone may be answered, those that are not known
  PlaceRules::Set rules = 0;                    ///< in force at the time asked for
  bool ranks_some = false;                      ///< only the rows of `only`
  std::vector<std::uint32_t> only;              ///< ascending
  std::vector<std::uint64_t> had;               ///< what the pages before had, by dictionary id, ascending
  std::unique_ptr<const AskedModel> model;      ///< null: none takes part
};

/// Makes questions of requests. Threads: any.
class QuestionReader {
 public:
  /// All must outlive it.
  QuestionReader(const state::FeatureState& state, const RankingOptions& options, const OwnFeatures& own)
      : state_(state), options_(options), own_(own) {}

  /// What costs nothing to check is checked before the user's row is read.
  /// Returns: INVALID_ARGUMENT; what reading the state returns.
  [[nodiscard]] Result<Question> read(const RecommendRequest& request, const PlaceScan& places, EventTime now) const;

  struct UserRow {
    state::RowCache::Found found;
    bool damaged = false;  ///< what is stored cannot be read; `found` has no row
  };
  [[nodiscard]] Result<UserRow> user_row(const UserId& user) const;
  /// What a model is asked with beside a user's row.
  struct ModelTerms {
    std::span<const PlaceId> recent = {};
    std::optional<Explore> explore = {};
    std::optional<std::uint32_t> segment = {};  ///< absent: all, as at the position
    GeoPoint position = {};
  };
  /// What the model in force says of a user: by the history, or where it knows none of that, by segments of users, if
  /// it has some. Null where there is no model, or where it weighs nothing.
  /// Returns: FAILED_PRECONDITION where it is to explore, or asked for a segment, and cannot; INVALID_ARGUMENT for a
  /// segment that it does not have; what ModelScores::ask() returns.
  [[nodiscard]] Result<std::unique_ptr<const AskedModel>> ask_model(const PlaceScan& places, const features::Row* row,
                                                                    const ModelTerms& terms) const;

 private:
  [[nodiscard]] Status check(const RecommendRequest& request) const;
  [[nodiscard]] Status check_explores(const PlaceScan& places) const;
  static void ask_segments(const ModelTerms& terms, AskedModel* asked);
  [[nodiscard]] static Status check_segment(const PlaceScan& places, std::uint32_t segment);
  void read_filter(const RecommendRequest& request, const PlaceIndex& index, Question* question) const;
  /// Conditions, opening hours and the places that are asked for.
  [[nodiscard]] Status read_conditions(const RecommendRequest& request, const PlaceScan& places,
                                       Question* question) const;
  [[nodiscard]] Status place(const RecommendRequest& request, const PlaceIndex& index, Question* question) const;
  [[nodiscard]] std::optional<std::uint32_t> row_of(const PlaceIndex& index, std::string_view place) const;
  [[nodiscard]] std::vector<std::uint32_t> rows_of(const PlaceIndex& index, std::span<const PlaceId> places) const;

  const state::FeatureState& state_;
  const RankingOptions& options_;
  const OwnFeatures& own_;
};

}  // namespace cairn::ranking
