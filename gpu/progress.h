#pragma once

#include <functional>

#include "cairn/status.h"

namespace cairn::gpu {

/// Told how far a long piece of work is, from 0 to 1; answers whether to go on. Called by the thread that does the work
/// for its caller, at times that are open, with fractions that never fall. An empty one lets everything go on.
using Progress = std::function<bool(double fraction)>;

/// Reports `fraction`.
/// Returns: CANCELLED when the work is to stop.
[[nodiscard]] inline Status report_progress(const Progress& progress, double fraction) {
  if (!progress || progress(fraction)) return ok_status();
  return {StatusCode::kCancelled, "the work was cancelled"};
}

/// The part [begin, end] of a progress, as a progress of its own from 0 to 1. Borrows `progress`.
[[nodiscard]] inline Progress part_of(const Progress& progress, double begin, double end) {
  if (!progress) return {};
  return [&progress, begin, end](double fraction) { return progress(begin + fraction * (end - begin)); };
}

}  // namespace cairn::gpu
