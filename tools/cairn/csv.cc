#include "tools/cairn/csv.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace cairn::cli {
namespace {

constexpr std::string_view kColumns[] = {"place_id", "name", "lat", "lon", "category"};
constexpr std::string_view kRequired[] = {"place_id", "lat", "lon"};

/// Reads a quoted field; `rest` stands after the opening quote, and afterwards after the closing one.
Result<std::string> quoted_field(std::string_view& rest) {
  std::string field;
  for (;;) {
    const std::size_t quote = rest.find('"');
    if (quote == std::string_view::npos) return Status(StatusCode::kOutOfRange, "a quoted field does not end");
    field += rest.substr(0, quote);
    rest.remove_prefix(quote + 1);
    if (!rest.starts_with('"')) break;
    field += '"';
    rest.remove_prefix(1);
  }
  if (!rest.empty() && rest.front() != ',')
    return invalid_argument("text after a closing quote; double the quotes inside a field");
  return field;
}

Result<std::string> bare_field(std::string_view& rest) {
  const std::size_t comma = std::min(rest.find(','), rest.size());
  std::string field(rest.substr(0, comma));
  if (field.find('"') != std::string::npos) {
    return invalid_argument("a quote inside a field that does not begin with one; quote the whole field and double it");
  }
  rest.remove_prefix(comma);
  return field;
}

Result<double> coordinate(const std::string& column, const std::string& text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return value;
  return invalid_argument(column + " '" + text + "' is no number of degrees");
}

bool contains(const std::vector<std::string>& columns, std::string_view name) {
  return std::find(columns.begin(), columns.end(), name) != columns.end();
}

}  // namespace

Result<std::vector<std::string>> split_csv(std::string_view record) {
  std::vector<std::string> fields;
  for (;;) {
    const bool quoted = record.starts_with('"');
    if (quoted) record.remove_prefix(1);
    CAIRN_ASSIGN_OR_RETURN(std::string field, quoted ? quoted_field(record) : bare_field(record));
    fields.push_back(std::move(field));
    if (record.empty()) return fields;
    record.remove_prefix(1);
  }
}

Result<PlaceCsv> PlaceCsv::from_header(std::string_view header) {
  PlaceCsv csv;
  CAIRN_ASSIGN_OR_RETURN(const auto columns, split_csv(header));
  for (const std::string& column : columns) {
    if (std::find(std::begin(kColumns), std::end(kColumns), column) == std::end(kColumns)) {
      return invalid_argument("unknown column '" + column + "'; there are place_id, name, lat, lon and category");
    }
    if (contains(csv.columns_, column)) return invalid_argument("column '" + column + "' stands twice");
    csv.columns_.push_back(column);
  }
  for (const std::string_view required : kRequired) {
    if (!contains(csv.columns_, required)) return invalid_argument("column '" + std::string(required) + "' is missing");
  }
  return csv;
}

Result<std::string> PlaceCsv::to_json(std::string_view record) const {
  CAIRN_ASSIGN_OR_RETURN(const auto fields, split_csv(record));
  if (fields.size() != columns_.size()) {
    return invalid_argument("there are " + std::to_string(fields.size()) + " fields for " +
                            std::to_string(columns_.size()) + " columns");
  }
  nlohmann::json place = nlohmann::json::object();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].empty()) continue;
    if (columns_[i] == "lat" || columns_[i] == "lon") {
      CAIRN_ASSIGN_OR_RETURN(place[columns_[i]], coordinate(columns_[i], fields[i]));
    } else {
      place[columns_[i]] = fields[i];
    }
  }
  return place.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace cairn::cli
