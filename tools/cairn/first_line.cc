#include "tools/cairn/first_line.h"

namespace cairn::cli {
namespace {

std::string_view without_blanks(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

bool is_utf16(std::string_view line) {
  return line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF") ||
         line.substr(0, 2).find('\0') != std::string_view::npos;
}

}  // namespace

std::string trouble_of_first_line(std::string_view line, const std::string& file) {
  if (is_utf16(line)) return "it looks like UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8 " + file;
  const std::string_view text = without_blanks(line);
  if (text.starts_with('{') && text.ends_with('}')) return {};
  const std::string wanted = "each event is one line of JSON";
  if (text.starts_with('[')) return wanted + "; take an array apart with: jq -c '.[]' " + file;
  if (text.starts_with('{')) return wanted + "; join an object's lines with: jq -c . " + file;
  return wanted +
         R"(, such as {"user_id":"u1","place_id":"p1","type":"visit","ts":"2024-05-01T12:00:00Z"}; `cairn dataset )"
         "convert` makes such lines of known data sets";
}

}  // namespace cairn::cli
