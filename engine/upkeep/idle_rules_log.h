#pragma once

#include <utility>
#include <vector>

#include "cairn/engine_status.h"
#include "cairn/log.h"

namespace cairn::upkeep {

/// Names rules that do nothing in the log, each once until it does something or does nothing for another reason.
///
/// Threads: one.
class IdleRulesLog {
 public:
  explicit IdleRulesLog(Logger log) : log_(std::move(log)) {}

  /// A chore of each round. What only one round saw is not told: the places that a rule is for may be coming just then.
  void round(std::vector<IdleRule> idle);

 private:
  Logger log_;
  std::vector<IdleRule> seen_;  ///< in the last round
  std::vector<IdleRule> told_;  ///< of these
};

}  // namespace cairn::upkeep
