#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cairn::streaming {

/// The field of the contract that a member of this name probably is, by what other programs call it: "customer_id" is
/// "user_id", "Timestamp" is "ts", "user_di" is "user_id". Case and separators do not matter.
/// Returns: empty when none is near; a field's own name for itself.
[[nodiscard]] std::string_view likely_field(std::string_view name);

/// What a message says of the members of an event that the contract does not know, where `missing` is not there:
/// "; it has the unknown members 'a', 'customer_id'; 'customer_id': did you mean 'user_id'? ...". Empty when there are
/// none.
[[nodiscard]] std::string unknown_members(std::span<const std::string_view> names, std::string_view missing);

}  // namespace cairn::streaming
