#include "storage/disk_gate.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "cairn/byte_text.h"

namespace cairn::storage {
namespace {

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

}  // namespace

Result<std::uint64_t> free_space(const std::string& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) {
    return unavailable("cannot ask for the free space of " + path + ": " + std::generic_category().message(errno) +
                       "; check that the disk is mounted");
  }
  return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

DiskGate::DiskGate(Options options) : options_(std::move(options)) {}

Status DiskGate::admit(std::size_t bytes) {
  const MutexLock lock(mutex_);
  const Instant now = std::chrono::steady_clock::now();
  // Asking costs a system call, which is much for a small write. Between two probes our own writes are subtracted;
  // other programs' writes are what the reserve is for.
  if (!asked_ || now - probed_ >= options_.probe_interval || admitted_ >= kBytesPerProbe) probe(now);
  CAIRN_RETURN_IF_ERROR(judge(bytes));
  admitted_ += bytes;
  free_bytes_ -= std::min<std::uint64_t>(free_bytes_, bytes);
  return ok_status();
}

DiskGate::Reading DiskGate::read() {
  const MutexLock lock(mutex_);
  probe(std::chrono::steady_clock::now());
  Status status = judge(0);
  return {free_bytes_, std::move(status)};
}

void DiskGate::hold(std::string reason) {
  const MutexLock lock(mutex_);
  hold_ = std::move(reason);
}

void DiskGate::release() {
  const MutexLock lock(mutex_);
  hold_.clear();
}

bool DiskGate::held() const {
  const MutexLock lock(mutex_);
  return !hold_.empty();
}

void DiskGate::probe(Instant now) {
  Result<std::uint64_t> answer = options_.probe(options_.path);
  asked_ = true;
  probed_ = now;
  admitted_ = 0;
  // A disk that cannot be asked counts as full: its state is unknown, and writing into it may abort the process.
  free_bytes_ = answer.ok() ? *answer : 0;
  probe_status_ = answer.status();
}

Status DiskGate::judge(std::uint64_t bytes) {
  CAIRN_RETURN_IF_ERROR(Status(probe_status_));
  if (!hold_.empty()) return resource_exhausted(hold_);
  const std::uint64_t least = options_.free_bytes_min;
  // A gap between closing and opening, so that a disk at the limit does not make the gate flap with every write.
  const std::uint64_t resume = saturating_add(least, least / 8);
  open_ = free_bytes_ >= saturating_add(open_ ? least : resume, bytes);
  if (open_) return ok_status();
  // A large write is refused where smaller ones are not: then its size belongs to what is compared.
  const std::string wanted = bytes > 0 && free_bytes_ >= least ? ", too little for a write of " + byte_text(bytes) : "";
  return resource_exhausted("the disk of " + options_.path + " has " + byte_text(free_bytes_) + " free" + wanted +
                            "; writing stops below " + byte_text(least) + " and resumes by itself above " +
                            byte_text(resume) + ": free space there or move state.dir to a larger disk");
}

}  // namespace cairn::storage
