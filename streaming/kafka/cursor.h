#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::streaming::kafka {

/// The Kafka source's SourcePosition::cursor: how many partitions the topic had when the position was reached. A topic
/// never has fewer later, unless it is another one of the same name. format.md has the bytes.
[[nodiscard]] std::string encode_cursor(std::int32_t partitions);

/// Returns: 0 for an empty cursor, which says nothing; INVALID_ARGUMENT, beginning with `where`, for what
/// encode_cursor() did not make.
[[nodiscard]] Result<std::int32_t> decode_cursor(const std::string& text, std::string_view where);

}  // namespace cairn::streaming::kafka
