#include "engine/config/nearest.h"

#include <algorithm>
#include <cstddef>

namespace cairn::config {
namespace {

constexpr std::size_t kWordMax = 128;

/// Optimal string alignment distance (Damerau-Levenshtein without overlapping edits).
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replace});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kWordMax) return {};
  std::size_t fewest = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::string best;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edits(word, candidate);
    // A word of which nothing would be left is no slip of the candidate.
    if (distance >= std::max(word.size(), candidate.size())) continue;
    if (distance < fewest) {
      fewest = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string found = nearest(word, candidates);
  return found.empty() ? "" : "; did you mean '" + found + "'?";
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

std::string one_line(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 80;
  return one_line(text.substr(0, kShown)) + (text.size() > kShown ? "..." : "");
}

std::string whole_complaint(std::string_view text) {
  constexpr std::size_t kFirst = 160;
  constexpr std::size_t kLast = 320;
  if (text.size() <= kFirst + kLast) return one_line(text);
  const auto inside = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U; };
  std::size_t first = kFirst;
  while (first > 0 && inside(first)) --first;
  std::size_t last = text.size() - kLast;
  while (last < text.size() && inside(last)) ++last;
  return one_line(text.substr(0, first)) + "..." + one_line(text.substr(last));
}

}  // namespace cairn::config
