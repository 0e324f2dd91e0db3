#include "engine/serving/api/body.h"

#include <algorithm>

#include "engine/serving/json/value.h"

namespace cairn::serving {
namespace {

std::vector<std::string_view> split_lines(std::string_view body) {
  std::vector<std::string_view> lines;
  while (!body.empty()) {
    const std::size_t end = body.find('\n');
    const std::string_view line = json::trim(body.substr(0, end));
    if (!line.empty()) lines.push_back(line);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
  }
  return lines;
}

/// Whether an object ends with its line and the next line begins another, which is nowhere so within one JSON value.
bool holds_lines_of_objects(std::string_view body) {
  const std::size_t end = body.find('\n');
  return end != std::string_view::npos && json::trim(body.substr(0, end)).ends_with('}') &&
         json::trim(body.substr(end)).starts_with('{');
}

}  // namespace

bool is_ndjson(const ApiRequest& request) {
  std::string type(json::trim(std::string_view(request.content_type).substr(0, request.content_type.find(';'))));
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return type == "application/x-ndjson" || type == "application/ndjson" || type == "application/jsonl";
}

Result<std::vector<std::string_view>> split_records(const ApiRequest& request) {
  std::vector<std::string_view> records;
  const std::string_view body = json::trim(request.body);
  if (is_ndjson(request)) {
    records = split_lines(body);
  } else if (body.starts_with('[')) {
    CAIRN_ASSIGN_OR_RETURN(records, json::split_array(body));
  } else if (body.starts_with('{') && holds_lines_of_objects(body)) {
    return invalid_argument(
        "the body holds several lines of objects; send them with Content-Type: application/x-ndjson");
  } else if (body.starts_with('{')) {
    records.push_back(body);
  } else {
    return invalid_argument(
        "a JSON object or array is expected, or lines of objects with Content-Type: application/x-ndjson");
  }
  if (records.empty()) return invalid_argument("the body holds no record");
  return records;
}

}  // namespace cairn::serving
