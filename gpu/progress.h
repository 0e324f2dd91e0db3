#pragma once

#include <functional>

#include "cairn/status.h"

namespace cairn::gpu {

/// A function that long work calls to report how far it is, from 0 to 1, and that returns whether to go on. It is
/// called on the thread that asked for the work, at no fixed times, with fractions that never fall. An empty one is not
/// called, and the work goes on to its end.
using Progress = std::function<bool(double fraction)>;

/// Reports `fraction`.
/// Returns: CANCELLED when the work is to stop.
[[nodiscard]] inline Status report_progress(const Progress& progress, double fraction) {
  if (!progress || progress(fraction)) return ok_status();
  return {StatusCode::kCancelled, "the work was cancelled"};
}

/// A progress for a part of the work: its 0 to 1 is [begin, end] of `progress`, which it borrows.
[[nodiscard]] inline Progress part_of(const Progress& progress, double begin, double end) {
  if (!progress) return {};
  return [&progress, begin, end](double fraction) { return progress(begin + fraction * (end - begin)); };
}

}  // namespace cairn::gpu
