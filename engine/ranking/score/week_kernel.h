#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "engine/ranking/place_signals.h"
#include "engine/ranking/ranker_model.h"

namespace cairn::ranking {

/// How much a visit at one hour of the week says about another hour: nearby hours of the day most, the same day more
/// than the same kind of day, that more than any day. Made for the hour that is asked for.
class WeekKernel {
 public:
  WeekKernel(const WeekCoefficients& c, int asked) {
    const int reach = static_cast<int>(c.reach_hours);
    for (int shift = -reach; shift <= reach; ++shift) {
      const double near = std::exp(-shift * shift / (2.0 * c.hour_width_hours * c.hour_width_hours));
      for (int days = 0; days < 7; ++days) {
        // A visit at `then` spreads to then + shift, and from there to the same hour of every day.
        const int then = wrap(asked - shift - 24 * days);
        const bool same_kind = is_weekend(wrap(then + shift)) == is_weekend(asked);
        weight_[static_cast<std::size_t>(then)] += near * (days == 0   ? c.same_day
                                                           : same_kind ? c.same_kind_of_day
                                                                       : c.other_day);
      }
    }
    for (std::size_t hour = 0; hour < weight_.size(); ++hour) {
      if (weight_[hour] != 0.0) counting_[counting_hours_++] = static_cast<std::uint8_t>(hour);
    }
  }

  [[nodiscard]] double of(const PlaceSignal& place) const {
    double sum = 0.0;
    for (const auto& [hour, visits] : place.week) sum += weight_[hour] * visits;
    return sum;
  }
  [[nodiscard]] double of(const PlaceSignals::CategoryTotals& totals) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < counting_hours_; ++i) sum += weight_[counting_[i]] * totals.week[counting_[i]];
    return sum;
  }

 private:
  static int wrap(int hour) { return (hour % 168 + 168) % 168; }
  static bool is_weekend(int hour) { return hour >= 5 * 24; }
  std::array<double, 168> weight_{};
  std::array<std::uint8_t, 168> counting_{};  ///< the hours of some weight, of which there are few
  std::size_t counting_hours_ = 0;
};

}  // namespace cairn::ranking
