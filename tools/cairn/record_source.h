#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "tools/cairn/line_source.h"

namespace cairn::cli {

/// How records stand in a file, told by what is in it.
enum class RecordFormat : std::uint8_t {
  kNothing,   ///< no line that is not blank
  kLines,     ///< NDJSON, and GeoJSON's sequences: one JSON value a line
  kDocument,  ///< a JSON array, the features of a GeoJSON collection, or objects over several lines
  kCsv,       ///< under a heading
};

/// A record as it stands in its file.
struct Record {
  std::string json;                 ///< one line of text; empty with CSV
  std::vector<std::string> fields;  ///< of CSV
  std::uint64_t line = 0;           ///< where it begins
};

/// The records of a file or of standard input, one after the other, whatever its format. Text is UTF-8 or refused. What
/// is inside a record of JSON is not judged in lines, which fail one by one; a document whose element is no JSON is
/// refused there. One thread.
class RecordSource {
 public:
  /// "-" is standard input. Reads up to the first record, or the heading.
  /// Returns: what LineSource returns, with the line.
  [[nodiscard]] static Result<RecordSource> open(const std::string& path, Encoding encoding = Encoding::kUtf8);

  [[nodiscard]] RecordFormat format() const noexcept { return format_; }
  /// The columns of CSV.
  [[nodiscard]] const std::vector<std::string>& heading() const noexcept { return heading_; }
  [[nodiscard]] std::uint64_t heading_line() const noexcept { return heading_line_; }

  /// The next record, or false after the last. Returns: INVALID_ARGUMENT "line N: ..." and what LineSource returns; the
  /// record's line is set then, too.
  [[nodiscard]] Result<bool> next(Record* record);
  /// The last line that was read: after the last record, the file's last one.
  [[nodiscard]] std::uint64_t lines_read() const noexcept { return lines_.number(); }

 private:
  explicit RecordSource(LineSource lines) : lines_(std::move(lines)) {}
  [[nodiscard]] Status begin();
  [[nodiscard]] Status read_heading();
  [[nodiscard]] Result<bool> next_line_with_text();
  [[nodiscard]] Result<bool> next_of_lines(Record* record);
  [[nodiscard]] Result<bool> next_of_csv(Record* record);
  [[nodiscard]] Result<std::vector<std::string>> csv_record(std::uint64_t* line);
  [[nodiscard]] Result<bool> next_of_document(Record* record);

  // Documents: text_ from at_ on is what was read and not yet taken; it begins in line text_line_.
  [[nodiscard]] Result<bool> append_line();
  [[nodiscard]] Result<bool> skip(std::string_view any);
  [[nodiscard]] Result<std::string_view> value();
  [[nodiscard]] Result<bool> enter_features(Record* record);
  void pass(std::size_t bytes);

  LineSource lines_;
  RecordFormat format_ = RecordFormat::kNothing;
  std::string line_;      ///< the line at hand, when it was read ahead or is to be kept
  bool pending_ = false;  ///< line_ is still to be taken
  char separator_ = ',';
  std::vector<std::string> heading_;
  std::uint64_t heading_line_ = 0;

  std::string text_;
  std::size_t at_ = 0;
  std::uint64_t text_line_ = 1;  ///< of the byte at at_
  bool in_array_ = false;
  bool in_collection_ = false;  ///< the array is the features of an object, whose rest follows
};

/// Whether a text is one JSON value. Returns: INVALID_ARGUMENT with the parser's words.
[[nodiscard]] Status check_json(std::string_view text);

}  // namespace cairn::cli
