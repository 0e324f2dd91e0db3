#pragma once

#include <string>

#include "cairn/engine.h"
#include "tests/system/streams/trace.h"

namespace cairn::test {

// Both compare everything there is with the plain aggregation and report differences as failed checks.

/// Features: visits, hours of the week and tiles of every place, the history of every user, the counters.
void check_features(const Engine& engine, const Trace& trace, const Totals& totals);

/// Tables: rows of user_interactions and sums of place_stats_hourly.
void check_tables(const std::string& dsn, const Totals& totals);

}  // namespace cairn::test
