#include "engine/upkeep/idle_rules_log.h"

#include <algorithm>
#include <utility>

namespace cairn::upkeep {

void IdleRulesLog::round(std::vector<IdleRule> idle) {
  const auto among = [](const std::vector<IdleRule>& rules, const IdleRule& rule) {
    return std::find(rules.begin(), rules.end(), rule) != rules.end();
  };
  std::erase_if(told_, [&](const IdleRule& rule) { return !among(idle, rule); });
  for (const IdleRule& rule : idle) {
    if (!among(seen_, rule) || among(told_, rule)) continue;
    log_.warning("rules.idle", "a rule does nothing, or not what it says: " + rule.why, {{"rule", rule.name}});
    told_.push_back(rule);
  }
  seen_ = std::move(idle);
}

}  // namespace cairn::upkeep
