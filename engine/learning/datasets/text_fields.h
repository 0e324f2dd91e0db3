#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "cairn/status.h"

// How trace files are read, between the loaders. Not for use outside.
namespace cairn::datasets::text {

/// Why a line cannot be used; empty when it can.
using Fault = std::string;

/// Calls `take` for every line, without its line end, until the file's end or a fault.
/// Returns: INVALID_ARGUMENT "path:line: fault" for the first fault, or what the line reader says.
[[nodiscard]] Status for_each_line(const std::string& path,
                                   const std::function<Fault(std::size_t number, std::string_view line)>& take);

/// The first of `names` that is a file in `dir` or in `dir`/`subfolder`.
[[nodiscard]] std::optional<std::string> find_file(const std::string& dir, const std::string& subfolder,
                                                   const std::vector<std::string>& names);

/// Cuts at every `separator`; as many fields as separators plus one.
void split(std::string_view line, char separator, std::vector<std::string_view>* fields);

/// Cuts a line of comma-separated values (RFC 4180, no line ends inside quotes) into unquoted fields.
/// Returns: false for a quote that is not closed or is followed by text.
[[nodiscard]] bool split_csv(std::string_view line, std::vector<std::string>* fields);

/// Returns: a fault naming the field, or none after `*position` was set.
[[nodiscard]] Fault parse_position(std::string_view lat, std::string_view lon, GeoPoint* position);
[[nodiscard]] Fault parse_id(std::string_view what, std::string_view text, std::string* id);
/// Any text that is UTF-8.
[[nodiscard]] Fault parse_text(std::string_view what, std::string_view text, std::string* value);
/// "2012-04-03T18:00:00Z".
[[nodiscard]] Fault parse_time(std::string_view text, EventTime* time);
/// "Tue Apr 03 18:00:09 +0000 2012", the form of ctime() with an offset.
[[nodiscard]] Fault parse_ctime(std::string_view text, EventTime* time);

/// `text` as it is when it is UTF-8; otherwise each of its bytes read as Latin-1: for files that are published so, and
/// for messages.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace cairn::datasets::text
