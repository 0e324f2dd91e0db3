#pragma once

#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/serving/api/message.h"

namespace cairn::serving {

/// Whether the body is newline-delimited JSON by its Content-Type (application/x-ndjson, application/ndjson,
/// application/jsonl; parameters are ignored).
[[nodiscard]] bool is_ndjson(const ApiRequest& request);

/// The raw records of a body: the lines of NDJSON (blank ones left out), the elements of a JSON array, or the objects
/// that stand one after the other, in lines or without (`curl -d @FILE` takes the line ends out), whatever its type
/// is. A byte order mark at the beginning is left out. Views into the body; the records themselves are not validated.
///
/// Returns: INVALID_ARGUMENT when there is no record, or an array is malformed.
[[nodiscard]] Result<std::vector<std::string_view>> split_records(const ApiRequest& request);

}  // namespace cairn::serving
