#pragma once

#include <utility>
#include <vector>

#include "cairn/engine_status.h"
#include "cairn/log.h"
#include "cairn/place_rule.h"

namespace cairn::upkeep {

/// Names rules that do nothing in the log, each once until it does something, does nothing for another
/// reason, or is another rule of the same name.
///
/// Threads: one.
class IdleRulesLog {
 public:
  explicit IdleRulesLog(Logger log) : log_(std::move(log)) {}

  /// A chore of each round; `rules` are all in force. What only one round saw is not told: the places that a rule is
  /// for may be coming just then.
  void round(std::vector<IdleRule> idle, std::vector<PlaceRule> rules);

 private:
  Logger log_;
  std::vector<IdleRule> seen_;    ///< in the last round
  std::vector<IdleRule> told_;    ///< of these
  std::vector<PlaceRule> rules_;  ///< in the last round
};

}  // namespace cairn::upkeep
