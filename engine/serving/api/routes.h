#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/serving/api/message.h"

namespace cairn::serving {

class Handlers;

/// Which threads run a handler. Lanes are separate pools with bounded queues, so that a slow kind of request (a write
/// that waits for the disk, a wait of minutes) never takes the threads of a quick one.
enum class Lane : std::uint8_t {
  kInline,  ///< on the socket's thread: answers that touch nothing but memory
  kProbe,   ///< readiness, status, metrics: answered also while everything else is full
  kRead,    ///< recommendations and features
  kWrite,   ///< waits for the disk
  kWait,    ///< may take minutes by design
};
inline constexpr std::size_t kLanes = 5;

/// One line of the API. openapi.json describes exactly these.
struct Route {
  std::string_view method;   ///< "GET" or "POST"
  std::string_view pattern;  ///< "/v1/places/{id}"; also the metrics' `route` label
  Lane lane;
  ApiResponse (Handlers::*handle)(const ApiRequest&) const;
};

/// Every route, in a fixed order.
[[nodiscard]] std::span<const Route> routes() noexcept;

/// Finds the route of `request` and decodes its path parameters and query into it.
///
/// Returns null and fills `refusal` when there is none: 404; 405 with Allow when the path exists for other methods; 400
/// for percent-encoding or UTF-8 that is malformed.
[[nodiscard]] const Route* match_route(ApiRequest& request, ApiResponse& refusal);

}  // namespace cairn::serving
