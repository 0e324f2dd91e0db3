#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tools/cairn/load/histogram.h"

namespace cairn::load {

/// What became of requests. `due == sent + unsent`, and of those sent, `good + refused + failed + cut_off` is all.
struct Tally {
  std::uint64_t due = 0;  ///< whose time had come
  std::uint64_t sent = 0;
  std::uint64_t unsent = 0;        ///< still waited for a connection when the run ended
  std::uint64_t good = 0;          ///< answered below 400; a place that is not known (404) counts as answered
  std::uint64_t good_in_time = 0;  ///< of good: before the measured time was over
  std::uint64_t refused = 0;       ///< 429 or 503: the server protects itself
  std::uint64_t failed = 0;        ///< any other answer, and what follows
  std::uint64_t timeouts = 0;      ///< of failed: no whole answer in time
  std::uint64_t broken = 0;        ///< of failed: no connection, or it ended or made no sense before a whole answer
  std::uint64_t cut_off = 0;       ///< in flight when the run was interrupted
  std::uint64_t reconnects = 0;    ///< a kept connection had ended between requests, and another was made
  std::uint64_t waited = 0;        ///< found no free connection when they were due
  std::uint64_t bytes = 0;         ///< of bodies
  std::map<int, std::uint64_t> codes;
  std::map<int, std::string> reasons;  ///< by code of errors: what the server said the first time

  Histogram refusal;  ///< of refused: from when they were sent to the end of the refusal
  /// From when a request was due to the end of its answer: what a user feels. Of good answers; refusals and errors,
  /// which come quickly, are left out. What had no answer when it was given up, or when the run ended, counts with the
  /// time until then.
  Histogram latency;
  Histogram service;  ///< the same requests from when they were sent: what the server took
  Histogram delay;    ///< from when a request was due to when it was sent

  void add(const Tally& other);
  void clear();
  /// Of all that were due and not cut off: the share that failed or was never sent.
  [[nodiscard]] double failed_share() const noexcept;
  [[nodiscard]] double refused_share() const noexcept;
};

/// What an error's body says: the message of {"error":{"message":...}}, else its first line; at most 300 bytes, and
/// none that would steer a terminal.
[[nodiscard]] std::string reason_of(std::string_view body);

}  // namespace cairn::load
