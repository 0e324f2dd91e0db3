#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/ranking/place_signals.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/retrieve/place_index.h"
#include "engine/ranking/score/facts.h"
#include "engine/ranking/score/place_rules.h"
#include "engine/ranking/score/ranker.h"
#include "gpu/backend.h"
#include "gpu/scan.h"

namespace cairn::ranking {

/// A radius that every place of the Earth is within.
inline constexpr double kEverywhereMeters = 20'100'000.0;

/// Which places a question is about.
struct CandidateFilter {
  double radius_meters = 0.0;
  std::unordered_set<std::uint32_t> categories;  ///< dictionary ids
  bool any_category = true;
  std::unordered_set<std::uint32_t> excluded_categories;  ///< dictionary ids
  bool exclude_seen = false;            ///< leave out places in the user's history
  std::vector<std::uint32_t> excluded;  ///< rows, ascending
  std::shared_ptr<const RowBits> allowed;  ///< null: all rows

  [[nodiscard]] bool passes_category(std::uint32_t category) const noexcept {
    return (any_category || categories.contains(category)) &&
           (excluded_categories.empty() || !excluded_categories.contains(category));
  }

  [[nodiscard]] bool passes(const PlaceIndex& index, const UserProfile& user, std::uint32_t row) const noexcept {
    if (allowed && !has_row(*allowed, row)) return false;
    if (std::binary_search(excluded.begin(), excluded.end(), row)) return false;
    if (!passes_category(index.category(row))) return false;
    return !exclude_seen || user.find_row(row) == nullptr;
  }
};

/// What an operator says of an index's places.
struct SaidOfPlaces {
  std::shared_ptr<const PlaceFilters> filters = nullptr;  ///< null: questions have no conditions
  std::shared_ptr<const PlaceRules> rules = nullptr;      ///< null: none
};

/// Finds those among all places of an index that may be the best for a question, with one fused scan (gpu/scan.h),
/// without computing every feature of every place.
///
/// A scan makes the linear stage's score of a place from a column of what is known of the place alone, a table by
/// category and functions of the distance. It is a float and may be wrong by a bound that is known; what it finds is
/// every place whose score may be among the k best. Those are then scored in full, so that an answer has the same
/// places in the same order as if all had been. Places that the user has something to do with stand outside the scan,
/// and are all found.
///
/// Columns are made for an hour of the clock, kept, and patched place by place where signals have changed since, before
/// each scan: an answer reflects the signals that its reader holds, to the last event.
///
/// Threads: any.
class PlaceScan {
 public:
  using Said = SaidOfPlaces;
  /// Keeps the index, the model's scores of its places (null: no model), the ranker, and what is said of places.
  /// Returns: what the backend returns.
  [[nodiscard]] static Result<std::unique_ptr<PlaceScan>> create(std::shared_ptr<const PlaceIndex> index,
                                                                 std::shared_ptr<const ModelScores> model,
                                                                 std::shared_ptr<const Ranker> ranker,
                                                                 gpu::Backend& backend, Said said = Said());

  /// The columns of one hour.
  struct Hour;

  /// The columns for the hour of `time`, with what the rules `adding` add, made now if it is worth it: when what questions about this hour have scored in
  /// full, together with the `rows` that this one would, is as much work as making them.
  /// Returns: null when it is not worth it; what the backend returns.
  [[nodiscard]] Result<std::shared_ptr<Hour>> hour(EventTime time, std::size_t rows, const PlaceSignals& signals,
                                                   PlaceRules::Set adding = 0) const CAIRN_EXCLUDES(mutex_);
  /// Makes the columns for the hours that another scan has some for, so that questions that go from there to here find
  /// them. Whoever asks makes what this fails to make.
  void prepare_like(const PlaceScan& other, const PlaceSignals& signals) const CAIRN_EXCLUDES(mutex_);

  struct Found {
    std::vector<PlaceIndex::Near> candidates;  ///< ascending by row; the k best of all are among them
    std::size_t passed = 0;                    ///< places within the radius that pass the filter
    bool by_scan = false;      ///< whether this was possible; if not, nothing was looked for, and all have to be scored
    bool by_fallback = false;  ///< the device that should have scanned did not
  };
  /// `ranges` are those of the filter's radius around the question's position. `hour` is that of the question's time.
  /// Returns: what the backend returns.
  [[nodiscard]] Result<Found> find(const QuestionFacts& question, const CandidateFilter& filter,
                                   std::span<const gpu::RowRange> ranges, std::size_t k, Hour& hour) const;

  /// What one question asks of a scan. All that find() takes must outlive it.
  class Search;
  /// Null: a scan cannot help, and all have to be scored.
  [[nodiscard]] std::unique_ptr<Search> prepare(const QuestionFacts& question, const CandidateFilter& filter,
                                                std::span<const gpu::RowRange> ranges, std::size_t k, Hour& hour) const;
  /// One scan for all of them, of this or of several questions that read the same signals. Each has what it would have
  /// alone, also when another one cannot be answered.
  void scan(std::span<Search* const> searches) const;

  /// Whether any hour has columns: questions are asked.
  [[nodiscard]] bool asked() const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] const PlaceIndex& index() const noexcept { return *index_; }
  [[nodiscard]] std::shared_ptr<const PlaceIndex> shared_index() const noexcept { return index_; }
  [[nodiscard]] const std::shared_ptr<const ModelScores>& model() const noexcept { return model_; }  ///< null: none
  [[nodiscard]] const std::shared_ptr<const Ranker>& ranker() const noexcept { return ranker_; }
  [[nodiscard]] const Said& said() const noexcept { return said_; }
  [[nodiscard]] const PlaceRules* rules() const noexcept { return said_.rules.get(); }  ///< null: none
  [[nodiscard]] std::size_t memory_bytes() const CAIRN_EXCLUDES(mutex_);

 private:
  /// The two numbers that columns hold of a place.
  struct Known {
    float prior = 0.0F;
    float logs = 0.0F;
  };
  struct Distances;
  struct Rim;
  struct Kept {
    std::int64_t tile = 0;
    PlaceRules::Set adding = 0;
    std::size_t rows_scored = 0;  ///< in full, for want of columns
    std::shared_ptr<Hour> hour;
  };

  PlaceScan(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const ModelScores> model,
            std::shared_ptr<const Ranker> ranker, Said said);
  void collect_tags();
  void collect_cells();
  [[nodiscard]] Result<std::shared_ptr<Hour>> make_hour(EventTime time, const PlaceSignals& signals,
                                                        PlaceRules::Set adding) const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] std::vector<std::int64_t> tiles() const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Known known_of(const QuestionFacts& question, bool has_visits, std::uint32_t row,
                               PlaceRules::Set adding) const;
  Status fill(const Situation& hour, const PlaceSignals& signals, Hour* made) const;
  void bring_up_to_date(const QuestionFacts& question, Hour& hour) const;
  [[nodiscard]] Kept& kept(std::int64_t tile, PlaceRules::Set adding) const CAIRN_REQUIRES(mutex_);
  void add_own_places(const QuestionFacts& question, const CandidateFilter& filter,
                      std::span<const gpu::RowRange> ranges, std::vector<std::uint32_t>* own, Found* found) const;
  void add_if_within(const QuestionFacts& question, const CandidateFilter& filter, std::uint32_t row,
                     Found* found) const;
  void fill_tables(const QuestionFacts& question, const CandidateFilter& filter, std::vector<float>* table,
                   std::vector<float>* logs) const;
  /// What is added to the scores of some rows.
  struct Additions {
    std::vector<std::uint32_t> rows;  ///< ascending
    std::vector<float> values;
    double largest = 0.0;  ///< no magnitude is larger
  };
  void add_cells(const QuestionFacts& question, Additions* additions) const;
  void add_model(const QuestionFacts& question, Additions* additions) const;
  [[nodiscard]] double error_of(const gpu::ScanQuery& query, const Hour& hour, double largest_addition,
                                const Distances& distances) const;
  /// Whether the scan itself computes the model's scores, from vectors in its table.
  [[nodiscard]] bool asks_vectors(const QuestionFacts& question) const;

  void ask_alone(Search& search) const;
  [[nodiscard]] Found found(const Search& search, const gpu::ScanAnswer& answer) const;

  const std::shared_ptr<const PlaceIndex> index_;
  const std::shared_ptr<const ModelScores> model_;
  const std::shared_ptr<const Ranker> ranker_;
  const Said said_;
  double hour_weight_ = 0.0;  ///< of CandidateFacts::hour_popularity, for a place the user has not been to
  bool cells_weigh_ = false;
  std::vector<std::uint32_t> tags_;                             ///< by row
  std::vector<std::uint32_t> row_of_tag_;                       ///< some row of each tag
  std::vector<std::pair<std::uint64_t, std::uint32_t>> cells_;  ///< (cell, row), ascending; only when cells weigh
  double largest_norm_ = 0.0;                                   ///< of the model's vectors in the table
  std::unique_ptr<gpu::ScanTable> table_;

  mutable Mutex mutex_;
  mutable std::vector<Kept> kept_ CAIRN_GUARDED_BY(mutex_);  ///< the last used last
};

/// Made by prepare(), answered by scan(). Threads: one at a time.
class PlaceScan::Search {
 public:
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  /// Once, after scan(). Returns: what the backend returned.
  [[nodiscard]] Result<Found> take() { return std::move(found_); }

 private:
  friend class PlaceScan;
  Search(const QuestionFacts& asked, const CandidateFilter& passing) : question(asked), filter(passing) {}

  const QuestionFacts& question;
  const CandidateFilter& filter;
  Found own;  ///< the places that the user has something to do with
  std::vector<float> table;
  std::vector<float> logs_table;
  Additions additions;
  std::vector<std::uint32_t> excluded;
  gpu::ScanQuery query;  ///< of all of these
  Result<Found> found_ = internal_error("a question was not scanned");
};

}  // namespace cairn::ranking
