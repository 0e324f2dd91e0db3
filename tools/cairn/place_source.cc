#include "tools/cairn/place_source.h"

#include <utility>

namespace cairn::cli {

namespace {

// A quote that is never closed would otherwise take the rest of the file.
constexpr std::size_t kRecordBytesMax = 64 * 1024;

}  // namespace

Result<PlaceSource> PlaceSource::open(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(LineSource lines, LineSource::open(path));
  return PlaceSource(std::move(lines));
}

Result<bool> PlaceSource::next(std::string* json) {
  std::string_view line;
  CAIRN_ASSIGN_OR_RETURN(const bool more, next_line(&line));
  if (!more) return false;
  if (!csv_) {
    *json = std::string(line);
    return true;
  }
  std::string record(line);
  Result<std::string> place = csv_->to_json(record);
  while (!place.ok() && place.status().code() == StatusCode::kOutOfRange && record.size() < kRecordBytesMax) {
    CAIRN_ASSIGN_OR_RETURN(const bool continued, lines_.next(&line));
    if (!continued) break;
    record += '\n';
    record += line;
    place = csv_->to_json(record);
  }
  CAIRN_ASSIGN_OR_RETURN(*json, std::move(place));
  return true;
}

Result<bool> PlaceSource::next_line(std::string_view* line) {
  CAIRN_ASSIGN_OR_RETURN(bool more, lines_.next(line));
  const bool first = !started_;
  started_ = true;
  if (more && first && !line->starts_with('{')) {
    CAIRN_ASSIGN_OR_RETURN(csv_, PlaceCsv::from_header(*line));
    CAIRN_ASSIGN_OR_RETURN(more, lines_.next(line));
  }
  first_line_ = lines_.number();
  return more;
}

}  // namespace cairn::cli
