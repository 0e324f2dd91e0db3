#pragma once

#include <string_view>

namespace cairn::test {

/// Whether `part` stands anywhere in `text`.
inline bool mentions(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace cairn::test
