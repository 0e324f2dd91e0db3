#include "engine/serving/admission/admission.h"

#include <utility>

#include "cairn/guarded.h"

namespace cairn::serving {
namespace {

constexpr std::size_t slot(Lane lane) { return static_cast<std::size_t>(lane); }

}  // namespace

Admission::Admission(Reads reads, Logger log) : log_(std::move(log)) {
  // Reads have threads to spare: one that waits for min_offset, or for the scan of its batch, sleeps on its thread.
  pools_[slot(Lane::kRead)] = std::make_unique<WorkerPool>(reads.threads, reads.queue, log_);
  pools_[slot(Lane::kWrite)] = std::make_unique<WorkerPool>(4, 256, log_);
  // Those wait on purpose: more of them in a queue would only be refused later.
  pools_[slot(Lane::kWait)] = std::make_unique<WorkerPool>(4, 16, log_);
  pools_[slot(Lane::kAwait)] = std::make_unique<WorkerPool>(8, 16, log_);
  pools_[slot(Lane::kProbe)] = std::make_unique<WorkerPool>(1, 64, log_);
}

Admission::~Admission() { stop(); }

void Admission::submit(Lane lane, Call call) {
  call.context.stopping = stopping_.get_token();
  if (lane == Lane::kInline) return run_inline(std::move(call));
  pools_[slot(lane)]->submit(std::move(call));
}

void Admission::run_inline(Call call) {
  {
    const MutexLock lock(inline_mutex_);
    ++inline_counts_.admitted;
    ++inline_counts_.running;
  }
  call.context.cancelled = call.cancel.get_token();
  guarded(log_, "admission.exception", [&] { call.run(std::move(call.context)); });
  const MutexLock lock(inline_mutex_);
  --inline_counts_.running;
  ++inline_counts_.completed;
}

LaneCounts Admission::counts(Lane lane) const {
  if (lane != Lane::kInline) return pools_[slot(lane)]->counts();
  const MutexLock lock(inline_mutex_);
  return inline_counts_;
}

void Admission::stop() {
  // All lanes are cancelled before any is waited for: a lane that is slow to end must not keep the others going.
  for (const auto& pool : pools_) {
    if (pool) pool->close();
  }
  for (const auto& pool : pools_) {
    if (pool) pool->stop();
  }
}

}  // namespace cairn::serving
