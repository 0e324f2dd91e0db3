#pragma once

#include "cairn/status.h"

namespace cairn::sql {

/// The exception being handled, as a Status: SQLSTATE decides (PostgreSQL 15, appendix A), the remedy is named. The one
/// place that knows libpqxx's exceptions.
/// Requires: called from a catch block. Does not throw for exceptions of libpqxx and the standard library; others go
/// on.
[[nodiscard]] Status current_exception_status();

}  // namespace cairn::sql
