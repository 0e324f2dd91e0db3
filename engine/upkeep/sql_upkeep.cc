#include "engine/upkeep/sql_upkeep.h"

#include <utility>

namespace cairn::upkeep {

namespace {

constexpr std::chrono::hours kMaintenancePeriod{1};

}  // namespace

void SqlUpkeep::run() {
  const Status kept = keep();
  set_trouble(kept.ok() ? "" : kept.to_string());
}

Status SqlUpkeep::keep() {
  CAIRN_RETURN_IF_ERROR(upkeep_.ping());
  const auto now = std::chrono::steady_clock::now();
  if (maintained_ && now - *maintained_ <= kMaintenancePeriod) return ok_status();
  CAIRN_RETURN_IF_ERROR(upkeep_.migrate());
  CAIRN_RETURN_IF_ERROR(upkeep_.maintain(clock_.now()));
  maintained_ = now;
  return ok_status();
}

void SqlUpkeep::set_trouble(std::string trouble) {
  {
    const MutexLock lock(mutex_);
    if (trouble == trouble_) return;  // said already
    trouble_ = trouble;
  }
  if (!trouble.empty()) log_.warning("sql.unavailable", trouble);
}

std::string SqlUpkeep::trouble() const {
  const MutexLock lock(mutex_);
  return trouble_;
}

}  // namespace cairn::upkeep
