#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "engine/config/config.h"

namespace cairn::config::test {

/// Names as an engine could give them.
inline Vocabulary vocabulary() {
  return {.ranking_features = {"distance", "popularity", "user_affinity"}, .builtin_views = {"user_places"}};
}

/// Checks a file called "c.toml".
inline ConfigReport check(std::string_view text, const Environment& environment = {}) {
  return check_config(text, "c.toml", environment, vocabulary());
}

/// What check_config says about a text, one problem a line.
inline std::string problems(std::string_view text, const Environment& environment = {}) {
  return check(text, environment).problems_text();
}

/// The value of one key as shown; "(no such key)" when there is none.
inline std::string shown(const ConfigReport& report, std::string_view key) {
  const auto found = std::find_if(report.settings.begin(), report.settings.end(),
                                  [&](const Setting& setting) { return setting.key == key; });
  return found == report.settings.end() ? "(no such key)" : found->value;
}

}  // namespace cairn::config::test
