#include "engine/upkeep/checkpointer.h"

#include <filesystem>
#include <system_error>

namespace cairn::upkeep {

namespace {

namespace fs = std::filesystem;

/// Links are followed. What cannot be looked at is taken as it is written.
bool is_inside(const std::string& path, const std::string& folder) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  if (error) return false;
  const fs::path relative = inner.lexically_relative(fs::weakly_canonical(folder, error));
  return !error && !relative.empty() && *relative.begin() != "..";
}

}  // namespace

Result<CheckpointInfo> Checkpointer::make(const CallContext& context, const std::string& path) {
  CAIRN_RETURN_IF_ERROR(context.check());
  if (is_inside(path, directory_.path())) {
    return invalid_argument("'" + path + "' lies inside the state directory; name a directory elsewhere");
  }
  CAIRN_ASSIGN_OR_RETURN(const auto copy, state::StateDirectory::create_new(path));
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
  CAIRN_RETURN_IF_ERROR(context.check());
  std::error_code error;
  std::filesystem::copy(directory_.event_log(), copy.event_log(), error);
  if (error) return unavailable("cannot copy the event log to '" + copy.path() + "': " + error.message());
  return ok_status();
}

}  // namespace cairn::upkeep
