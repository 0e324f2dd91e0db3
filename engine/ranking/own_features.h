#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "features/row.h"
#include "features/schema.h"

namespace cairn::ranking {

struct CandidateFacts;

/// The ranking features that a configuration declares (RankingFeatureSpec), looked up among the views. They stand
/// behind the built-in ones, and their sum is added to the score of those. Immutable. Threads: any.
class OwnFeatures {
 public:
  /// What a value is looked up by, which says where a scan has it.
  enum class Reads : std::uint8_t {
    kPlace,         ///< known of the place alone, as of the beginning of the hour
    kCell,          ///< of the cell that it lies in, likewise
    kUserPlace,     ///< of the user and the place: 0 where they have nothing to do with each other
    kUserCategory,  ///< of the user and the place's category
    kUserCell,      ///< of the user and the cell that the place lies in
  };
  struct Feature {
    RankingFeatureSpec spec;
    Reads reads;
    features::View view;      ///< a copy, so that nothing has to outlive it
    std::uint64_t dimension;  ///< of the view's entries, where it has a key; else 0
    std::size_t slot;         ///< its number among those that read of places, of cells, or of users
  };

  OwnFeatures() = default;
  /// Returns: INVALID_ARGUMENT, naming the feature and the key at fault.
  [[nodiscard]] static Result<OwnFeatures> create(std::span<const RankingFeatureSpec> specs,
                                                  const features::Schema& schema, const InteractionTypes& types);
  /// What a feature reads, where it makes sense beside these views.
  /// Returns: INVALID_ARGUMENT, beginning with the key at fault: "view", "key", "name".
  [[nodiscard]] static Result<Reads> check(const RankingFeatureSpec& spec, std::span<const FeatureViewSpec> views,
                                           const InteractionTypes& types);

  [[nodiscard]] bool empty() const noexcept { return features_.empty(); }
  [[nodiscard]] std::span<const Feature> all() const noexcept { return features_; }
  [[nodiscard]] std::size_t of_places() const noexcept { return of_places_; }
  [[nodiscard]] std::size_t of_cells() const noexcept { return of_cells_; }
  [[nodiscard]] std::size_t of_users() const noexcept { return of_users_; }
  [[nodiscard]] bool reads_cells() const noexcept { return of_cells_ > 0; }

  /// One sentence, as RankingFeatureInfo::meaning.
  [[nodiscard]] static std::string meaning(const Feature& feature);
  /// The value of a feature: of its view, transformed; 0 where there is none.
  [[nodiscard]] static double value(const Feature& feature, const CandidateFacts& candidate) noexcept;
  /// The value of its view alone; 0 where there is none.
  [[nodiscard]] static double plain_value(const Feature& feature, const CandidateFacts& candidate) noexcept;
  /// The sum of weight * value over all features, in order.
  [[nodiscard]] double weighted_sum(const CandidateFacts& candidate) const noexcept;
  /// The same over those that read so.
  [[nodiscard]] double weighted_part(Reads reads, const CandidateFacts& candidate) const noexcept;

  /// What a view's value counts as in a score: no magnitude is larger, and it is a number.
  static constexpr double kValueMax = 1e15;

 private:
  std::vector<Feature> features_;
  std::size_t of_places_ = 0;
  std::size_t of_cells_ = 0;
  std::size_t of_users_ = 0;
};

}  // namespace cairn::ranking
