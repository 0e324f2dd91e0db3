#include "tools/cairn/line_source.h"

#include <iostream>

namespace cairn::cli {

Result<LineSource> LineSource::open(const std::string& path) {
  LineSource source;
  if (path != "-") {
    CAIRN_ASSIGN_OR_RETURN(source.reader_, streaming::open_line_reader(path));
  }
  return source;
}

Result<bool> LineSource::next_raw(std::string_view* line) {
  if (reader_) return reader_->next(line);
  if (!std::getline(std::cin, buffer_)) {
    if (std::cin.bad()) return unavailable("standard input cannot be read");
    return false;
  }
  *line = buffer_;
  return true;
}

Result<bool> LineSource::next(std::string_view* line) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const bool more, next_raw(line));
    if (!more) return false;
    if (++number_ == 1 && line->starts_with(kByteOrderMark)) line->remove_prefix(kByteOrderMark.size());
    if (line->ends_with('\r')) line->remove_suffix(1);
    if (line->find_first_not_of(" \t") != std::string_view::npos) return true;
  }
}

}  // namespace cairn::cli
