#pragma once

#include <optional>
#include <string_view>

#include "engine/serving/json/value.h"

namespace cairn::serving::json {

/// parse() by simdjson, several times as fast. Returns: what parse() returns; nullopt where it might return something
/// else, or an error that tells more: then ask parse().
///
/// Threads: any; each keeps a buffer of a few times the longest text that is read so.
[[nodiscard]] std::optional<Value> parse_quickly(std::string_view text);

}  // namespace cairn::serving::json
