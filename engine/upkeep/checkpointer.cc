#include "engine/upkeep/checkpointer.h"

#include "cairn/kill_point.h"

namespace cairn::upkeep {

Result<CheckpointInfo> Checkpointer::make(const CallContext& context, const std::string& path) {
  CAIRN_RETURN_IF_ERROR(context.check());
  if (directory_.contains(path)) {
    return invalid_argument("'" + path + "' lies in the state directory itself; name a folder outside of " +
                            directory_.path());
  }
  CAIRN_ASSIGN_OR_RETURN(const auto copy, state::StateDirectory::create_new(path));
  CAIRN_KILL_POINT("checkpoint.begun");
  CheckpointInfo info{path, 0, {}};
  if (Status copied = copy_into(context, copy, &info); !copied.ok()) {
    copy.remove();
    return copied;
  }
  info.bytes = copy.bytes();
  return info;
}

Status Checkpointer::copy_into(const CallContext& context, const state::StateDirectory& copy, CheckpointInfo* info) {
  const MutexLock no_trimming(trimmer_.not_trimming());
  CAIRN_RETURN_IF_ERROR(context.check());  // another copy may have been under way for long
  CAIRN_RETURN_IF_ERROR(state_.flush(context));
  info->watermarks = state_.durable_watermarks();  // the copy holds at least this much
  CAIRN_RETURN_IF_ERROR(store_.checkpoint(copy.store()));
  CAIRN_KILL_POINT("checkpoint.store_copied");
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(log_.copy(copy.event_log()).with_context("cannot copy the event log"));
  CAIRN_KILL_POINT("checkpoint.log_copied");
  return copy.sync();
}

}  // namespace cairn::upkeep
