#pragma once

/// The units that keys' bounds are written in: milliseconds for times, bytes for sizes, as in a Value.
namespace cairn::config {

inline constexpr double kMs = 1;
inline constexpr double kSecond = 1000 * kMs;
inline constexpr double kMinute = 60 * kSecond;
inline constexpr double kHour = 60 * kMinute;
inline constexpr double kDay = 24 * kHour;
inline constexpr double kKiB = 1024;
inline constexpr double kMiB = 1024 * kKiB;
inline constexpr double kGiB = 1024 * kMiB;
inline constexpr double kTiB = 1024 * kGiB;

}  // namespace cairn::config
