#include "engine/ranking/retrieve/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>

namespace cairn::ranking {

namespace {

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Levenshtein's distance, capitals being as good as small letters.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t k = 0; k < b.size(); ++k) {
      const std::size_t replaced = diagonal + (small(a[i]) == small(b[k]) ? 0 : 1);
      diagonal = row[k + 1];
      row[k + 1] = std::min({replaced, row[k] + 1, row[k + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& names) {
  constexpr std::size_t kBytesMax = 128;  // bounds the work that a name can cause
  std::string best;
  if (name.size() > kBytesMax) return best;
  std::size_t fewest = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& one : names) {
    const std::size_t longer = std::max(one.size(), name.size());
    if (longer - std::min(one.size(), name.size()) >= fewest) continue;  // it takes that many at least
    const std::size_t distance = edits(name, one);
    if (distance < fewest) {
      fewest = distance;
      best = one;
    }
  }
  return best;
}

}  // namespace cairn::ranking
