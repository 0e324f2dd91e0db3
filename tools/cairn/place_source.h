#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/place.h"
#include "cairn/status.h"
#include "tools/cairn/record_mapping.h"
#include "tools/cairn/record_source.h"

namespace cairn::cli {

/// The places of a file as JSON in Cairn's words, one at a time: NDJSON, JSON, GeoJSON or CSV, told by content. One
/// thread.
class PlaceSource {
 public:
  /// "-" is standard input. Returns: what RecordSource and RecordMapping return, CSV's heading included.
  [[nodiscard]] static Result<PlaceSource> open(const std::string& path, const MappingArguments& arguments = {});

  /// The next place in `*json`, or false after the last.
  /// Returns: INVALID_ARGUMENT "line N: ...".
  [[nodiscard]] Result<bool> next(std::string* json);
  /// The line at which the last place began.
  [[nodiscard]] std::uint64_t first_line() const noexcept { return record_.line; }

 private:
  PlaceSource(RecordSource records, RecordMapping mapping)
      : records_(std::move(records)), mapping_(std::move(mapping)) {}

  RecordSource records_;
  RecordMapping mapping_;
  Record record_;
};

/// The id in the JSON that a PlaceSource gives, as the server reads it. Returns: empty for what is none.
[[nodiscard]] std::string place_id_of(std::string_view json);

/// A place out of the JSON that a PlaceSource gives, judged as the server judges it.
/// Returns: INVALID_ARGUMENT.
[[nodiscard]] Result<Place> place_of(std::string_view json);

}  // namespace cairn::cli
