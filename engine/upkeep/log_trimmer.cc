#include "engine/upkeep/log_trimmer.h"

namespace cairn::upkeep {

void LogTrimmer::trim() {
  const MutexLock no_copying(mutex_);
  if (const Status trimmed = log_.trim(reached_()); !trimmed.ok()) logger_.warning("log.trim", trimmed.message());
}

}  // namespace cairn::upkeep
