#pragma once

#include <cstdint>
#include <cstdlib>

namespace cairn::test {

/// The number in an environment variable: a seed, or how many rounds are wanted. `usual` where it is not set.
inline std::uint32_t environment_number(const char* name, std::uint32_t usual) {
  const char* given = std::getenv(name);
  return given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : usual;
}

}  // namespace cairn::test
