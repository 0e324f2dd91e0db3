#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::storage {

/// The smallest key that is larger, in byte order, than every key with the prefix.
/// Returns: nullopt when there is none: the prefix is empty or all 0xff.
[[nodiscard]] inline std::optional<std::string> prefix_end(std::string_view prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.remove_suffix(1);
  if (prefix.empty()) return std::nullopt;
  std::string end(prefix);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace cairn::storage
