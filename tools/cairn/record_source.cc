#include "tools/cairn/record_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "streaming/json_members.h"
#include "tools/cairn/csv.h"

namespace cairn::cli {
namespace {

// A quote or bracket that is never closed would otherwise take the rest of the file.
constexpr std::size_t kCsvRecordBytesMax = 64 * 1024;
constexpr std::size_t kElementBytesMax = 1024 * 1024;
constexpr std::string_view kWhitespace = " \t\r\n";
/// Begins each text of a GeoJSON sequence (RFC 8142).
constexpr char kRecordSeparator = '\x1E';

Status at_line(Status status, std::uint64_t line) {
  return std::move(status).with_context("line " + std::to_string(line));
}

/// Whether a whole object is a collection of GeoJSON.
bool has_features(std::string_view object) {
  const auto members = streaming::json_members(object);
  return std::any_of(members.begin(), members.end(), [](const streaming::JsonMember& member) {
    return member.key == "\"features\"" && member.value.starts_with('[');
  });
}

RecordFormat format_of(std::string_view text) {
  if (text.starts_with(kRecordSeparator)) return RecordFormat::kLines;
  if (text.starts_with('[')) return RecordFormat::kDocument;
  // A file that was cut begins inside an object: that line is refused by whoever reads it, and the rest are lines.
  if (!text.starts_with('{')) return text.ends_with('}') ? RecordFormat::kLines : RecordFormat::kCsv;
  const auto end = streaming::json_value_end(text);
  const bool whole = end && *end == text.size();
  // An object that does not end with its line goes on in the next one; it may also be a broken line, and is refused.
  return whole && !has_features(text) ? RecordFormat::kLines : RecordFormat::kDocument;
}

}  // namespace

Status check_json(std::string_view text) {
  try {
    [[maybe_unused]] const auto parsed = nlohmann::json::parse(text);
    return ok_status();
  } catch (const nlohmann::json::exception& error) {
    const std::string_view words = error.what();  // "[json.exception.parse_error.101] parse error at line 1 ..."
    const std::size_t bracket = words.find("] ");
    return invalid_argument("is no JSON: " +
                            std::string(words.substr(bracket == std::string_view::npos ? 0 : bracket + 2)));
  }
}

Result<RecordSource> RecordSource::open(const std::string& path, Encoding encoding) {
  CAIRN_ASSIGN_OR_RETURN(LineSource lines, LineSource::open(path, encoding));
  RecordSource source(std::move(lines));
  CAIRN_RETURN_IF_ERROR(source.begin());
  return source;
}

Status RecordSource::begin() {
  CAIRN_ASSIGN_OR_RETURN(const bool more, next_line_with_text());
  if (!more) return ok_status();
  pending_ = true;
  format_ = format_of(trimmed(line_));
  if (format_ == RecordFormat::kCsv) return read_heading();
  if (format_ == RecordFormat::kDocument) {
    text_ = std::exchange(line_, {}) + "\n";
    text_line_ = lines_.number();
    CAIRN_RETURN_IF_ERROR(at_line(check_utf8(text_), text_line_));
  }
  return ok_status();
}

/// Into line_. A line that is read ahead is taken before it.
Result<bool> RecordSource::next_line_with_text() {
  if (std::exchange(pending_, false)) return true;
  std::string_view line;
  do {
    const Result<bool> more = lines_.next(&line);
    if (!more.ok()) return at_line(Status(more.status()), lines_.number());
    if (!*more) return false;
  } while (trimmed(line).empty());
  line_ = line;
  return true;
}

Status RecordSource::read_heading() {
  separator_ = separator_of(line_);
  CAIRN_ASSIGN_OR_RETURN(heading_, csv_record(&heading_line_));
  for (std::string& column : heading_) column = trimmed(column);
  return ok_status();
}

Result<bool> RecordSource::next(Record* record) {
  record->json.clear();
  record->line = std::max<std::uint64_t>(lines_.number(), 1);
  switch (format_) {
    case RecordFormat::kNothing:
      return false;
    case RecordFormat::kLines:
      return next_of_lines(record);
    case RecordFormat::kCsv:
      return next_of_csv(record);
    case RecordFormat::kDocument:
      return next_of_document(record);
  }
  return false;
}

// ---- lines --------------------------------------------------------------------------------------------------------

Result<bool> RecordSource::next_of_lines(Record* record) {
  const Result<bool> more = next_line_with_text();
  record->line = lines_.number();
  if (!more.ok() || !*more) return more;
  std::string_view text = line_;
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.starts_with(kRecordSeparator)) text.remove_prefix(1);
  record->json = text;
  return true;
}

// ---- CSV ----------------------------------------------------------------------------------------------------------

Result<bool> RecordSource::next_of_csv(Record* record) {
  const Result<bool> more = next_line_with_text();
  record->line = lines_.number();
  if (!more.ok() || !*more) return more;
  pending_ = true;
  CAIRN_ASSIGN_OR_RETURN(record->fields, csv_record(&record->line));
  return true;
}

/// The record that begins with the line at hand, with those that a quoted field goes on in. A '\r' ends a line only
/// where the record ends.
Result<std::vector<std::string>> RecordSource::csv_record(std::uint64_t* first_line) {
  pending_ = false;
  *first_line = lines_.number();
  std::string record = std::exchange(line_, {});
  const auto split = [&] {
    std::string_view text = record;
    if (text.ends_with('\r')) text.remove_suffix(1);
    return split_csv(text, separator_);
  };
  auto fields = split();
  while (!fields.ok() && fields.status().code() == StatusCode::kOutOfRange && record.size() < kCsvRecordBytesMax) {
    std::string_view line;
    CAIRN_ASSIGN_OR_RETURN(const bool more, lines_.next(&line));
    if (!more) break;
    record.append("\n").append(line);
    fields = split();
  }
  CAIRN_RETURN_IF_ERROR(at_line(check_utf8(record), *first_line));
  if (!fields.ok()) return at_line(Status(fields.status()), *first_line);
  return fields;
}

// ---- documents ----------------------------------------------------------------------------------------------------

/// What is taken is dropped now and then, so that a long document costs each byte a constant number of moves.
void RecordSource::pass(std::size_t bytes) {
  const auto from = text_.begin() + static_cast<std::ptrdiff_t>(at_);
  text_line_ += static_cast<std::uint64_t>(std::count(from, from + static_cast<std::ptrdiff_t>(bytes), '\n'));
  at_ += bytes;
}

Result<bool> RecordSource::append_line() {
  std::string_view line;
  const Result<bool> more = lines_.next(&line);
  if (!more.ok()) return at_line(Status(more.status()), lines_.number());
  if (!*more) return false;
  CAIRN_RETURN_IF_ERROR(at_line(check_utf8(line), lines_.number()));
  text_.erase(0, at_);
  at_ = 0;
  text_.append(line).append("\n");
  return true;
}

/// Passes bytes of `any`. Returns: false at the end of the file.
Result<bool> RecordSource::skip(std::string_view any) {
  for (;;) {
    const std::size_t end = std::min(text_.find_first_not_of(any, at_), text_.size());
    pass(end - at_);
    if (at_ < text_.size()) return true;
    CAIRN_ASSIGN_OR_RETURN(const bool more, append_line());
    if (!more) return false;
  }
}

/// The value that begins at at_, whole; it is not passed. The view lives until the next line is read.
Result<std::string_view> RecordSource::value() {
  for (;;) {
    const std::string_view rest = std::string_view(text_).substr(at_);
    if (const auto end = streaming::json_value_end(rest)) return rest.substr(0, *end);
    const bool odd = !rest.empty() && std::string_view(",:]}").find(rest.front()) != std::string_view::npos;
    if (odd)
      return at_line(invalid_argument("a JSON value is expected where '" + std::string(1, rest.front()) + "' stands"),
                     text_line_);
    if (rest.size() > kElementBytesMax) {
      return at_line(
          invalid_argument("the JSON value that begins here is longer than 1 MiB, or its quotes and brackets "
                           "do not close"),
          text_line_);
    }
    CAIRN_ASSIGN_OR_RETURN(const bool more, append_line());
    if (!more) {
      return at_line(invalid_argument("the JSON value that begins here does not end: a quote or bracket is not closed"),
                     text_line_);
    }
  }
}

/// At the '{' of an object: goes on to the features of a GeoJSON collection, or takes the object as a record of its
/// own. Returns: true for the latter.
Result<bool> RecordSource::enter_features(Record* record) {
  record->line = text_line_;
  std::string before = "{";  // the object as far as it was read
  pass(1);
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const bool more, skip(kWhitespace));
    if (!more) return at_line(invalid_argument("the JSON object that begins here does not end"), record->line);
    const char c = text_[at_];
    if (c == '}' || c == ',' || c == ':') {
      before += c;
      pass(1);
      if (c != '}') continue;
      CAIRN_RETURN_IF_ERROR(at_line(check_json(before), record->line));
      record->json = std::move(before);
      return true;
    }
    CAIRN_ASSIGN_OR_RETURN(const std::string_view key, value());
    const bool features = key == "\"features\"";
    before += key;
    pass(key.size());
    if (!features) continue;
    CAIRN_ASSIGN_OR_RETURN(const bool array, skip(" \t\r\n:"));
    if (!array || text_[at_] != '[') {
      before += ':';
      continue;
    }
    pass(1);
    in_array_ = in_collection_ = true;
    return false;
  }
}

Result<bool> RecordSource::next_of_document(Record* record) {
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const bool more, skip(in_array_ ? " \t\r\n," : kWhitespace));
    record->line = text_line_;
    if (!more) {
      if (!in_array_) return false;
      return at_line(invalid_argument("the file ends inside its JSON array; is it whole?"), lines_.number());
    }
    const char c = text_[at_];
    if (in_array_ && c == ']') {
      pass(1);
      in_array_ = false;
      continue;
    }
    if (in_collection_ && !in_array_) {  // what stands behind the features, up to the object's end
      if (c == '}') in_collection_ = false;
      if (c == '}' || c == ',' || c == ':') {
        pass(1);
      } else {
        CAIRN_ASSIGN_OR_RETURN(const std::string_view ignored, value());
        pass(ignored.size());
      }
      continue;
    }
    if (!in_array_ && c == '[') {
      pass(1);
      in_array_ = true;
      continue;
    }
    if (!in_array_ && c == '{') {
      CAIRN_ASSIGN_OR_RETURN(const bool object, enter_features(record));
      if (object) return true;
      continue;
    }
    if (!in_array_) return at_line(invalid_argument("text follows the JSON value before it"), text_line_);
    CAIRN_ASSIGN_OR_RETURN(const std::string_view element, value());
    CAIRN_RETURN_IF_ERROR(at_line(check_json(element), text_line_));
    record->json = element;
    pass(element.size());
    // Valid JSON has line ends between its values only: the record becomes one line.
    std::replace(record->json.begin(), record->json.end(), '\n', ' ');
    return true;
  }
}

}  // namespace cairn::cli
