#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"

namespace cairn::load {

/// The ids of a file, each once, in the order in which they first stand there: one a line, or JSON objects that have
/// the member `name` ("user_id"), such as a file of events. At most ten million.
/// Returns: INVALID_ARGUMENT with file and line for anything else, for a file without ids, and what LineSource returns.
[[nodiscard]] Result<std::vector<std::string>> read_ids(const std::string& path, const char* name);

/// The lines of a file of JSON, each checked to be an object.
/// Returns: as `read_ids`.
[[nodiscard]] Result<std::vector<std::string>> read_bodies(const std::string& path);

/// `prefix`0, `prefix`1 and so on.
[[nodiscard]] std::vector<std::string> made_ids(const std::string& prefix, std::uint64_t count);

}  // namespace cairn::load
