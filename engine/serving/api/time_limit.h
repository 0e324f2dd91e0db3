#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "engine/serving/json/fields.h"

namespace cairn::serving {

/// How long after a request was received its answer is still of use.
struct TimeLimit {
  std::chrono::milliseconds standard{0};   ///< of a request that names none; 0: no limit
  std::string_view member = {};            ///< of the JSON body, where a request may name its own; empty: it cannot
  std::chrono::milliseconds min{0};        ///< the shortest that a request may name
  std::chrono::milliseconds max{0};        ///< the longest
  std::chrono::milliseconds queue_min{0};  ///< a request that names less may still wait this long for a thread
};

/// Probes, which must be answered when all else is late, and work that takes as long as the state is large.
inline constexpr TimeLimit kNoTimeLimit{};
inline constexpr TimeLimit kUsualTimeLimit{.standard = std::chrono::seconds(30)};
inline constexpr TimeLimit kRecommendTimeLimit{.standard = std::chrono::seconds(1),
                                               .member = "deadline_ms",
                                               .min = std::chrono::milliseconds(1),
                                               .max = std::chrono::seconds(60)};
/// A request that names 0 ms asks without waiting, and still gets a second to reach a thread and to look.
inline constexpr TimeLimit kWaitTimeLimit{.standard = std::chrono::seconds(30),
                                          .member = "timeout_ms",
                                          .max = std::chrono::minutes(10),
                                          .queue_min = std::chrono::seconds(1)};

/// The time that admission should give a request with this body; none: no limit. It is found on a socket's thread, so
/// the body is only searched, not parsed. What the search cannot tell gets the longest time there is: no request
/// expires before its own deadline. Handlers read the member again, strictly, and complain of what is wrong with it.
[[nodiscard]] std::optional<std::chrono::milliseconds> time_allowed(const TimeLimit& limit, std::string_view body);

/// The time that a request names, or the standard one. What is wrong with it is recorded in `fields`.
[[nodiscard]] std::chrono::milliseconds read_time(json::Fields& fields, const TimeLimit& limit);

}  // namespace cairn::serving
