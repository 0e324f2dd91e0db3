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

/// Where the object at the front of `text` ends, by its brackets; 0 when it does not.
std::size_t object_end(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

/// Objects one after the other, with white space between or nothing. Returns: none when it is anything else.
std::vector<std::string_view> split_objects(std::string_view body) {
  std::vector<std::string_view> objects;
  while (!body.empty()) {
    const std::size_t end = body.front() == '{' ? object_end(body) : 0;
    if (end == 0) return {};
    objects.push_back(body.substr(0, end));
    body = json::trim(body.substr(end));
  }
  return objects;
}

/// Whether a line that looks like an object is followed by another, which is nowhere so within one JSON value.
bool holds_lines_of_objects(std::string_view body) {
  const std::size_t end = body.find('\n');
  return end != std::string_view::npos && json::trim(body.substr(0, end)).ends_with('}') &&
         json::trim(body.substr(end)).starts_with('{');
}

/// One object, or several. Lines are told from objects by their brackets, so that one that is broken costs itself only.
std::vector<std::string_view> split_object_body(std::string_view body) {
  if (auto objects = split_objects(body); !objects.empty()) return objects;
  return holds_lines_of_objects(body) ? split_lines(body) : std::vector{body};
}

}  // namespace

bool is_ndjson(const ApiRequest& request) {
  std::string type(json::trim(std::string_view(request.content_type).substr(0, request.content_type.find(';'))));
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return type == "application/x-ndjson" || type == "application/ndjson" || type == "application/jsonl";
}

Result<std::vector<std::string_view>> split_records(const ApiRequest& request) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::vector<std::string_view> records;
  std::string_view body = json::trim(request.body);
  if (body.starts_with(kByteOrderMark)) body = json::trim(body.substr(kByteOrderMark.size()));
  if (is_ndjson(request)) {
    // Lines that are one array together are meant as one; a line among others that begins like one costs itself only.
    if (body.starts_with('[')) {
      if (auto array = json::split_array(body); array.ok()) records = *std::move(array);
    }
    if (records.empty()) records = split_lines(body);
  } else if (body.starts_with('[')) {
    CAIRN_ASSIGN_OR_RETURN(records, json::split_array(body));
  } else if (body.starts_with('{')) {
    records = split_object_body(body);
  } else {
    return invalid_argument("a JSON object, an array of objects, or lines of objects are expected" +
                            std::string(body.empty() ? ", and the body is empty"
                                                     : "; a file of CSV is read by `cairn places import` and `cairn "
                                                       "ingest`, which send it so"));
  }
  if (records.empty()) return invalid_argument("the body holds no record");
  return records;
}

}  // namespace cairn::serving
