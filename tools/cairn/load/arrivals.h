#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace cairn::load {

enum class Arrivals : std::uint8_t {
  kConstant,  ///< equal gaps
  kPoisson,   ///< as strangers come: independent of one another, gaps exponentially distributed
};

/// When requests are due, counted from the start of a run, whatever becomes of those before: an open loop. With
/// several schedules of one run (`share` of `shares`), all of them together have the rate.
///
/// Threads: one at a time.
class ArrivalSchedule {
 public:
  struct Options {
    Arrivals kind = Arrivals::kPoisson;
    double rate = 1.0;  ///< requests a second, of all shares; greater than 0
    std::uint64_t seed = 1;
    unsigned share = 0;
    unsigned shares = 1;
  };
  explicit ArrivalSchedule(const Options& options);

  /// The next one, never before the last.
  std::chrono::nanoseconds next();

 private:
  const Options options_;
  std::mt19937_64 random_;
  std::uint64_t count_ = 0;
  double seconds_ = 0.0;  ///< of kPoisson
};

}  // namespace cairn::load
