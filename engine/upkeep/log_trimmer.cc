#include "engine/upkeep/log_trimmer.h"

namespace cairn::upkeep {

void LogTrimmer::trim() {
  if (!mutex_.try_lock()) return;  // a copy is being made, which takes as long as the disk does: the next round trims
  if (log_.end_offset().value - reached_().value > kLogBytesMax) {
    if (const Status flushed = flush_(); !flushed.ok()) logger_.warning("log.trim", flushed.message());
  }
  if (const Status removed = remove(); !removed.ok()) logger_.warning("log.trim", removed.message());
  mutex_.unlock();
}

Status LogTrimmer::remove() {
  const Offset reached = reached_();
  const Offset begin = log_.begin_after_trim(reached);
  if (begin == log_.begin_offset()) return ok_status();
  CAIRN_RETURN_IF_ERROR(keep_(begin));
  return log_.trim(reached);
}

}  // namespace cairn::upkeep
