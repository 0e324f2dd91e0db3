#pragma once

#include <string_view>

#include "cairn/status.h"

namespace cairn::sql {

/// The exception being handled, as a Status: SQLSTATE decides (PostgreSQL 15, appendix A), the remedy is named. The one
/// place that knows libpqxx's exceptions.
/// Requires: called from a catch block. Does not throw for exceptions of libpqxx and the standard library; others go
/// on.
[[nodiscard]] Status current_exception_status();

/// The same of what libpq says itself: an error of the server with its SQLSTATE, and that there is no connection.
[[nodiscard]] Status status_of_sqlstate(std::string_view sqlstate, std::string_view what);
[[nodiscard]] Status status_of_connection_failure(std::string_view what);

}  // namespace cairn::sql
