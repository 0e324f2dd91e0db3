#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/recommendation.h"
#include "cairn/status.h"
#include "engine/ranking/ranker_network.h"

/// The numbers of ranking that are fitted to data. They are a file, so that a deployment can fit its own and no source
/// has to change: format.md says what each is. What a feature computes is code: ranking_features.cc.
namespace cairn::ranking {

/// [habit_kernel]: how much a past visit speaks for a visit to the same place now, as exp() of a linear form.
struct HabitCoefficients {
  // Coefficients of the form.
  double constant = 0.0;
  double age = 0.0;                    ///< of ln(1 + days since the visit)
  double hour_close = 0.0;             ///< of a narrow bell over hours of day between the visit and now
  double hour_wide = 0.0;              ///< of a wide one
  double same_day = 0.0;               ///< on the same day of the week
  double hour_when_fresh = 0.0;        ///< of the bell over hours, as far as the user has just been somewhere
  double hour_same_kind_of_day = 0.0;  ///< of the bell over hours, when both are on workdays or both at a weekend
  double same_gap = 0.0;               ///< as long after the visit before it as now is after the last visit
  double near_start = 0.0;             ///< the place before it lies near the place of the last visit
  double same_start = 0.0;             ///< the place before it is the place of the last visit
  double same_start_and_gap = 0.0;     ///< both
  double same_second = 0.0;            ///< same_start, and the places before those two are one place as well
  // Shapes.
  double hour_close_width_hours = 1.0;
  double hour_wide_width_hours = 1.0;
  double hour_width_hours = 1.0;
  double near_start_meters = 1.0;
  double gap_floor_hours = 1.0;  ///< added to gaps, so that the logarithm of no gap is finite
};

/// [week_kernel]: how much visits at one hour of the week say about another.
struct WeekCoefficients {
  std::uint64_t reach_hours = 0;  ///< further hours of the day say nothing; at most 12
  double hour_width_hours = 1.0;
  double same_day = 0.0;  ///< the hour of the same day of the week
  double same_kind_of_day = 0.0;
  double other_day = 0.0;
};

struct RankerModel {
  std::uint64_t version = 0;    ///< of the numbers, for people
  std::vector<double> weights;  ///< one a ranking feature, in their order
  HabitCoefficients habit;
  WeekCoefficients week;
  std::optional<RankerNetwork> network;  ///< absent: places are ranked by the weighted sum of their features alone
  /// The folder, in the ranker's directory, of the model of items that the weight of `model` was fitted with; empty: it
  /// was fitted with none. Nobody serves that model by reading this.
  std::string items;
};

/// Reads the ranker in a directory.
/// Returns: NOT_FOUND when there is no model.toml, or no file of the network that it names; INVALID_ARGUMENT naming
/// file, line and key for a number that is missing, not finite or out of its range, for a key that is not known, and
/// for a model of another kind; UNIMPLEMENTED for a format of later versions.
[[nodiscard]] Result<RankerModel> read_ranker(const std::string& directory);

/// Reads the text of a model.toml. `name` is what messages call it. A network is asked of `network`, which gets the
/// name of its file. Returns: as read_ranker(); what `network` returns.
using ReadNetwork = std::function<Result<RankerNetwork>(const std::string& file)>;
[[nodiscard]] Result<RankerModel> parse_ranker(const std::string& name, std::string_view text,
                                               const ReadNetwork& network);

/// Writes a ranker into a directory, which is there. A reader finds the ranker before or this one, whole, as far as one
/// file is concerned; the file of the network has a name of its own for each ranker.
/// Returns: UNAVAILABLE.
[[nodiscard]] Status write_ranker(const std::string& directory, const RankerModel& ranker);

/// The ranker that ships with Cairn, default_ranker/model.toml: it is part of the library, and no file is read.
[[nodiscard]] const RankerModel& default_ranker();
[[nodiscard]] std::string_view default_ranker_text() noexcept;
[[nodiscard]] std::span<const std::byte> default_ranker_network() noexcept;

/// Whether model.toml of `directory` is that of a ranker, of whatever worth, and not of another model. False where
/// there is none that can be read.
[[nodiscard]] bool is_ranker(const std::string& directory);

/// The ranker in `directory`, or where that is empty the one that ships with Cairn. Returns: as read_ranker().
[[nodiscard]] Result<RankerModel> configured_ranker(const std::string& directory);

/// Every ranking feature in order, with its weight in the default ranker.
[[nodiscard]] std::vector<RankingFeatureInfo> ranking_features();

}  // namespace cairn::ranking
