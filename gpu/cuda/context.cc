#include "gpu/cuda/context.h"

namespace cairn::gpu::cuda {

Result<std::shared_ptr<Context>> Context::open(int device, std::size_t memory_max_bytes) {
  CAIRN_ASSIGN_OR_RETURN(DeviceTraits traits, probe_device(device));
  return std::make_shared<Context>(device, std::move(traits), memory_max_bytes);
}

Context::~Context() {
  (void)use().ok();  // what is freed is freed where it was made
}

Result<std::unique_ptr<Workspace>> Context::take_workspace() {
  CAIRN_RETURN_IF_ERROR(use());
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
  }
  CAIRN_ASSIGN_OR_RETURN(Stream stream, Stream::make());
  return std::make_unique<Workspace>(std::move(stream));
}

void Context::give_back(std::unique_ptr<Workspace> workspace) {
  // A call that failed half-way left work that reads its caller's memory.
  if (workspace->stream.busy()) (void)workspace->stream.wait().ok();
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(workspace));
}

Result<Reservation> Reservation::make(std::shared_ptr<Context> context, std::size_t bytes) {
  CAIRN_RETURN_IF_ERROR(context->memory().reserve(bytes));
  Reservation reservation;
  reservation.context_ = std::move(context);
  reservation.bytes_ = bytes;
  return reservation;
}

Result<WorkspaceLease> WorkspaceLease::take(Context& context) {
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<Workspace> workspace, context.take_workspace());
  return WorkspaceLease(&context, std::move(workspace));
}

}  // namespace cairn::gpu::cuda
