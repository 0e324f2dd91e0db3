#pragma once

#include <string>
#include <string_view>

namespace cairn::cli {

/// What keeps a file from being NDJSON, judged by its first line that is not blank, and what to do; empty when the line
/// looks like an object. It is a look and no parse: what is wrong within a line is the server's to say.
[[nodiscard]] std::string trouble_of_first_line(std::string_view line, const std::string& file);

}  // namespace cairn::cli
