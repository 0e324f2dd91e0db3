#include "engine/upkeep/idle_rules_log.h"

#include <algorithm>
#include <utility>

namespace cairn::upkeep {

void IdleRulesLog::round(std::vector<IdleRule> idle, std::vector<PlaceRule> rules) {
  const auto among = [](const std::vector<IdleRule>& list, const IdleRule& rule) {
    return std::find(list.begin(), list.end(), rule) != list.end();
  };
  // Who has changed a rule wants to know whether the new one does something.
  const auto changed = [&](const IdleRule& idle_one) {
    const auto named = [&](const PlaceRule& rule) { return rule.name == idle_one.name; };
    const auto before = std::find_if(rules_.begin(), rules_.end(), named);
    const auto now = std::find_if(rules.begin(), rules.end(), named);
    return before != rules_.end() && now != rules.end() && !(*before == *now);
  };
  std::erase_if(told_, [&](const IdleRule& rule) { return !among(idle, rule) || changed(rule); });
  for (const IdleRule& rule : idle) {
    if (!among(seen_, rule) || among(told_, rule)) continue;
    log_.warning("rules.idle", "a rule does nothing, or not what it says: " + rule.why, {{"rule", rule.name}});
    told_.push_back(rule);
  }
  seen_ = std::move(idle);
  rules_ = std::move(rules);
}

}  // namespace cairn::upkeep
