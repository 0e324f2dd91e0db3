#pragma once

#include <cstddef>

#include "bench/report.h"
#include "bench/serve/options.h"

namespace cairn::bench {

/// What all cases of one run share. One thread.
struct ServeRun {
  /// How often each side runs.
  [[nodiscard]] std::size_t rounds(std::size_t usual) const {
    return options.rounds.value_or(options.quick ? 3 : usual);
  }

  const Report& report;
  const ServeOptions options;
};

// What each case measures stands above it in its source.
void kernel_case(ServeRun& run);
void request_case(ServeRun& run);
void filters_case(ServeRun& run);
void batch_case(ServeRun& run);
void http_case(ServeRun& run);
void recommendations_case(ServeRun& run);
void answers_case(ServeRun& run);
void disk_case(ServeRun& run);
void features_case(ServeRun& run);
void headline_case(ServeRun& run);
void overload_case(ServeRun& run);

}  // namespace cairn::bench
