#include "tools/cairn/csv.h"

#include <algorithm>
#include <array>

namespace cairn::cli {
namespace {

/// Reads a quoted field; `rest` stands after the opening quote, and afterwards after the closing one.
Result<std::string> quoted_field(std::string_view& rest, char separator) {
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
  if (!rest.empty() && rest.front() != separator)
    return invalid_argument("text after a closing quote; double the quotes inside a field");
  return field;
}

Result<std::string> bare_field(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  std::string field(rest.substr(0, end));
  if (field.find('"') != std::string::npos) {
    return invalid_argument("a quote inside a field that does not begin with one; quote the whole field and double it");
  }
  rest.remove_prefix(end);
  return field;
}

}  // namespace

Result<std::vector<std::string>> split_csv(std::string_view record, char separator) {
  std::vector<std::string> fields;
  for (;;) {
    const bool quoted = record.starts_with('"');
    if (quoted) record.remove_prefix(1);
    CAIRN_ASSIGN_OR_RETURN(std::string field, quoted ? quoted_field(record, separator) : bare_field(record, separator));
    fields.push_back(std::move(field));
    if (record.empty()) return fields;
    record.remove_prefix(1);
  }
}

char separator_of(std::string_view heading) {
  constexpr std::string_view kSeparators = ",\t;";
  std::array<std::size_t, kSeparators.size()> counts{};
  bool quoted = false;
  for (const char c : heading) {
    if (c == '"') quoted = !quoted;
    const std::size_t which = kSeparators.find(c);
    if (!quoted && which != std::string_view::npos) ++counts.at(which);
  }
  return kSeparators[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin())];
}

}  // namespace cairn::cli
