#include "engine/learning/text_lines.h"

#include <algorithm>
#include <cstddef>

#include "streaming/line_reader.h"

namespace cairn::learning {

Status for_each_line(const std::string& path, const std::function<LineFault(std::string_view)>& take) {
  CAIRN_ASSIGN_OR_RETURN(const auto reader, streaming::open_line_reader(path));
  std::string_view line;
  for (std::size_t number = 1;; ++number) {
    CAIRN_ASSIGN_OR_RETURN(const bool more, reader->next(&line));
    if (!more) return ok_status();
    if (const LineFault fault = take(line); !fault.empty()) {
      return invalid_argument(path + ":" + std::to_string(number) + ": " + fault);
    }
  }
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::string cut(text.substr(0, kShown));
  std::replace_if(
      cut.begin(), cut.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return "'" + cut + (text.size() > kShown ? "...'" : "'");
}

}  // namespace cairn::learning
