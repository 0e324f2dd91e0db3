#pragma once

#include <optional>
#include <string>

#include "cairn/status.h"
#include "streaming/event_log.h"

namespace cairn::streaming {

/// The file beside a log's segments that says which log it is (format.md). A copy has no id of its own until it is
/// opened: then it draws one.
[[nodiscard]] std::string identity_path(const std::string& directory);

/// Returns: nothing when there is no file; DATA_LOSS when it cannot be read; UNAVAILABLE.
[[nodiscard]] Result<std::optional<LogIdentity>> read_identity(const std::string& directory);
/// On the disk when this returns.
[[nodiscard]] Status write_identity(const std::string& directory, const LogIdentity& identity);

/// 16 hexadecimal digits, at random.
[[nodiscard]] std::string draw_log_id();

/// What a copy of the log becomes when it is opened: another log, which shares with this one everything before `end`.
[[nodiscard]] LogIdentity fork_at(const LogIdentity& identity, Offset end);

}  // namespace cairn::streaming
