#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/ingest/measure.h"
#include "cairn/engine.h"

namespace cairn::bench {

/// Events that are due ten at a time, every millisecond: 10,000 a second. A tick that could not be kept is late, not
/// left out: its events bear the time at which they were due.
struct Pace {
  static constexpr std::size_t kTickEvents = 10;
  static constexpr std::chrono::microseconds kTick{1'000};

  std::size_t ticks = 0;
  SteadyTime start = {};

  [[nodiscard]] SteadyTime due(std::size_t tick) const { return start + tick * kTick; }
};

/// The probe is a user of whose events the largest `value` is a feature. Of every hundred events one is the probe's,
/// with a value that counts up, so that an answer can be held against the watermark that it claims.
inline constexpr const char* kProbeUser = "probe";
inline constexpr const char* kProbeView = "probe_largest_value";
inline constexpr std::size_t kProbeEvery = 100;

/// Visits of made-up users at places of the catalogue, both by a power law, as they happen.
class FreshEvents {
 public:
  FreshEvents(std::size_t users, std::size_t places) : users_(users), places_(places) {}

  struct Event {
    std::string user;
    std::string json;
    std::uint64_t probe = 0;  ///< the probe's value; 0: another user's event
  };
  [[nodiscard]] Event next();

 private:
  [[nodiscard]] std::size_t draw(std::size_t count);

  const std::size_t users_;
  const std::size_t places_;
  std::uint64_t made_ = 0;
  std::uint64_t state_ = 1;
};

/// What answers showed, moment by moment.
struct Observation {
  SteadyTime at;                         ///< when the answer had come
  std::vector<std::int64_t> watermarks;  ///< of the source, by partition
  std::uint64_t probe = 0;               ///< the largest value of the probe's events in the answer
};

/// Asks for the probe's features, 0.25 ms after each answer, until stopped, and notes each answer that showed more of
/// the source than the one before.
[[nodiscard]] std::vector<Observation> observe(const Engine& engine, const std::string& source, std::size_t partitions,
                                               const std::atomic<bool>& stop);

/// One event, or several that became visible as one: where it stands, and when it was due.
struct Sent {
  std::size_t partition = 0;
  std::int64_t visible_at = 0;  ///< the watermark from which on it is visible
  SteadyTime due;
  std::uint64_t probe = 0;
};

/// Milliseconds from when each was due until an answer showed it. Requires: sent in the order of each partition.
/// Stops the program when one never became visible, or when an answer did not hold what its watermark claims.
[[nodiscard]] std::vector<double> delays(const std::vector<Sent>& sent, const std::vector<Observation>& seen);

}  // namespace cairn::bench
