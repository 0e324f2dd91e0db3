#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/clock.h"
#include "cairn/status.h"
#include "gpu/matrix.h"

namespace cairn::learning {

/// Who interacted with what, in memory: a sparse matrix of users (rows) and items (columns) with the names of both.
struct Interactions {
  std::vector<std::string> users = {};       ///< in model::id_before()'s order; some may have no items
  std::vector<std::string> items = {};       ///< in model::id_before()'s order; each has at least one user
  std::vector<std::uint64_t> offsets = {0};  ///< users + 1
  std::vector<std::uint32_t> columns = {};   ///< ascending within a row, none twice
  std::vector<float> values = {};            ///< as many as columns, finite and positive, or empty: all 1

  [[nodiscard]] gpu::SparseView view() const noexcept { return {offsets, columns, values, items.size()}; }
};

/// What becomes of a pair that is seen more than once.
enum class Repeats : std::uint8_t {
  kOnce,  ///< its value is 1
  kSum,   ///< its value is the sum of the weights; pairs whose sum is not positive are left out
};

/// Collects pairs in any order. One thread.
class InteractionsBuilder {
 public:
  explicit InteractionsBuilder(Repeats repeats = Repeats::kOnce) : repeats_(repeats) {}

  /// Makes the user known, with or without items to come.
  void add_user(std::string_view user) { users_.row_of(user); }
  /// Requires: `weight` is finite.
  void add(std::string_view user, std::string_view item, float weight = 1.0F);

  [[nodiscard]] std::size_t pairs() const noexcept { return pairs_.size(); }

  [[nodiscard]] Interactions finish() &&;

 private:
  /// Numbers names in the order of their arrival.
  class Names {
   public:
    std::uint32_t row_of(std::string_view name);
    /// The names sorted; `order` says for each old number the new one.
    [[nodiscard]] std::vector<std::string> sorted(std::vector<std::uint32_t>* order) &&;

   private:
    struct Hash {
      using is_transparent = void;
      std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
    };
    std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> numbers_;
  };
  struct Pair {
    std::uint32_t user;
    std::uint32_t item;
    float weight;
  };
  static bool by_row(const Pair& a, const Pair& b) noexcept {
    return a.user != b.user ? a.user < b.user : a.item < b.item;
  }

  void unite_repeats();
  /// Renumbers both sides in the order of ids, without the items that no pair is left of.
  void renumber(Interactions* made);

  const Repeats repeats_;
  Names users_;
  Names items_;
  std::vector<Pair> pairs_;
};

/// Unites `files`, in the format of the LightGCN data sets: one line a user, `user item item ...`, ids between
/// blanks, as they are. Files are plain or gzip. A user may stand in several files and lines, a pair as well; blank
/// lines are passed over, a user without items is known. Returns: INVALID_ARGUMENT with file, line and token for
/// anything else; NOT_FOUND and what open_line_reader() returns for files that cannot be read.
[[nodiscard]] Result<Interactions> read_lightgcn(std::span<const std::string> files);

/// How much one interaction of a type counts; types that are not named do not count.
using TypeWeights = std::map<std::string, float, std::less<>>;

/// Reads "visit=1,save=2.5,dismiss=-1".
/// Returns: INVALID_ARGUMENT saying what was expected.
[[nodiscard]] Result<TypeWeights> parse_type_weights(std::string_view text);

/// Reads NDJSON interactions (DESIGN's contract) from plain or gzip files. With weights, a pair's value is the sum over
/// its interactions; without, every type but `dismiss` counts, and a pair counts once. Types beyond the built-in ones
/// are those the weights name.
/// Returns: INVALID_ARGUMENT with file and line for what a source would reject; else as read_lightgcn().
[[nodiscard]] Result<Interactions> read_events(std::span<const std::string> files, const TypeWeights& weights);

/// What users had until some instant, and from then on.
struct SplitInteractions {
  Interactions before;
  Interactions after;
};
/// Reads events as read_events() does without weights, parted at a time: those at `at` are after it.
/// Returns: as read_events(); INVALID_ARGUMENT when one of the parts is empty.
[[nodiscard]] Result<SplitInteractions> read_split_events(std::span<const std::string> files, EventTime at);

/// Reads the interactions that `cairnd` wrote to PostgreSQL (user_interactions in `schema`), weighed like events.
/// Returns: what sql::for_each_interaction_count() returns.
[[nodiscard]] Result<Interactions> read_sql(const std::string& dsn, const std::string& schema,
                                            const TypeWeights& weights);

}  // namespace cairn::learning
