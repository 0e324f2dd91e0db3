#include "tests/support/disk_syncs.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>

namespace cairn::test {
namespace {

struct Seen {
  std::mutex mutex;
  bool watching = false;
  std::vector<std::string> paths;
  std::string failing;
  std::string holding;
  bool held = false;
  bool go = false;
  std::condition_variable changed;
};

Seen& seen() {
  static Seen seen;
  return seen;
}

bool note(int fd) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  std::unique_lock lock(seen().mutex);
  if (!seen().watching) return true;
  std::string name(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  if (!seen().failing.empty() && name.find(seen().failing) != std::string::npos) {
    seen().failing.clear();
    return false;
  }
  if (!seen().holding.empty() && name.find(seen().holding) != std::string::npos) {
    seen().holding.clear();
    seen().held = true;
    seen().changed.notify_all();
    seen().changed.wait(lock, [] { return seen().go; });
    return false;
  }
  seen().paths.push_back(std::move(name));
  return true;
}

int sync(int fd, long call) {
  if (note(fd)) return static_cast<int>(::syscall(call, fd));
  errno = EIO;
  return -1;
}

}  // namespace

DiskSyncs::DiskSyncs() {
  const std::lock_guard lock(seen().mutex);
  seen().watching = true;
  seen().paths.clear();
  seen().failing.clear();
}

DiskSyncs::~DiskSyncs() {
  const std::lock_guard lock(seen().mutex);
  seen().watching = false;
}

std::vector<std::string> DiskSyncs::synced() const {
  const std::lock_guard lock(seen().mutex);
  return seen().paths;
}

int DiskSyncs::count(const std::string& part) const {
  const std::vector<std::string> paths = synced();
  return static_cast<int>(std::count_if(paths.begin(), paths.end(),
                                        [&](const std::string& path) { return path.find(part) != std::string::npos; }));
}

void DiskSyncs::fail_next(const std::string& part) {
  const std::lock_guard lock(seen().mutex);
  seen().failing = part;
}

void DiskSyncs::hold_next(const std::string& part) {
  const std::lock_guard lock(seen().mutex);
  seen().holding = part;
  seen().held = false;
  seen().go = false;
}

void DiskSyncs::wait_until_held() {
  std::unique_lock lock(seen().mutex);
  seen().changed.wait(lock, [] { return seen().held; });
}

void DiskSyncs::let_go() {
  const std::lock_guard lock(seen().mutex);
  seen().go = true;
  seen().changed.notify_all();
}

}  // namespace cairn::test

// Shared libraries find these before the C library's.
extern "C" __attribute__((visibility("default"))) int fdatasync(int fd) { return cairn::test::sync(fd, SYS_fdatasync); }
extern "C" __attribute__((visibility("default"))) int fsync(int fd) { return cairn::test::sync(fd, SYS_fsync); }
