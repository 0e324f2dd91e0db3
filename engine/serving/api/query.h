#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "engine/serving/json/value.h"

namespace cairn::serving {

/// A parameter of a query that has the name and the meaning of a body's member.
struct QueryMember {
  enum class Kind : std::uint8_t {
    kText,
    kTexts,   ///< a list: the parameter may be repeated, or have commas between its values
    kNumber,  ///< as JSON writes numbers
    kFlag,    ///< true or false
    kTime,    ///< milliseconds, or text: a zone's '+' that was not encoded, and so reads as a space, is put back
  };
  std::string_view name;
  Kind kind;
};

using Query = std::vector<std::pair<std::string, std::string>>;

/// A query as the object that a body would be, so that both are read by one reader.
/// Returns: INVALID_ARGUMENT, naming the parameter, for one that is not among `members` (and the nearest that is), is
/// repeated and no list, or is not of its kind.
[[nodiscard]] Result<json::Value> object_of(const Query& query, std::span<const QueryMember> members);

/// The parameters as they stand in an address, percent-encoded (RFC 3986).
[[nodiscard]] std::string text_of(const Query& query);

}  // namespace cairn::serving
