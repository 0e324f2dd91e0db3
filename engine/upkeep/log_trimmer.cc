#include "engine/upkeep/log_trimmer.h"

namespace cairn::upkeep {

void LogTrimmer::trim() {
  if (!mutex_.try_lock()) return;  // a copy is being made, which takes as long as the disk does: the next round trims
  if (log_.end_offset().value - reached_().value > kLogBytesMax) {
    if (const Status flushed = flush_(); !flushed.ok()) logger_.warning("log.trim", flushed.message());
  }
  if (const Status trimmed = log_.trim(reached_()); !trimmed.ok()) logger_.warning("log.trim", trimmed.message());
  mutex_.unlock();
}

}  // namespace cairn::upkeep
