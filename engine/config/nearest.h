#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::config {

/// The candidate that `word` is most likely a slip of: fewest edits (insert, delete, replace, swap neighbours), at most
/// a third of its letters and at least 2 allowed; among equals the first. Empty when none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean 'half_life'?", or "" when nothing is near.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b, c".
[[nodiscard]] std::string joined(const std::vector<std::string>& words);

/// Text as it may stand in one line: control characters escaped.
[[nodiscard]] std::string one_line(std::string_view text);

/// A foreign word as it may stand in a message: in one line, cut after 80 bytes.
[[nodiscard]] std::string printable(std::string_view text);

/// A complaint of another part as it may stand in a message: in one line. Of a long one the middle is left out, where
/// it quotes what somebody wrote: the key stands first, and the remedy last.
[[nodiscard]] std::string whole_complaint(std::string_view text);

}  // namespace cairn::config
