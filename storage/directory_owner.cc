#include "storage/directory_owner.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include "storage/owner_remark.h"

namespace cairn::storage {
namespace {

std::string error_text(int error) { return std::generic_category().message(error); }

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

Status held_by_other(int fd, const std::string& directory) {
  char text[128];
  const ssize_t size = ::pread(fd, text, sizeof text, 0);
  std::string holder(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  if (holder.empty()) holder = "another process";
  return failed_precondition(directory + " is held by " + holder + "; stop it or choose another state.dir");
}

Status write_holder(int fd, const std::string& path) {
  const std::string text = "process " + std::to_string(::getpid()) + " since " + utc_now() + "\n";
  const bool written =
      ::ftruncate(fd, 0) == 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (written) return ok_status();
  // A full disk is no reason to refuse: the lock is held all the same, only its text is missing.
  if (errno == ENOSPC || errno == EDQUOT) return ok_status();
  return failed_precondition("cannot write " + path + ": " + error_text(errno));
}

}  // namespace

Result<DirectoryOwner> DirectoryOwner::acquire(const std::string& directory) {
  const std::string path = directory + "/OWNER";
  DirectoryOwner owner(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (owner.fd_ < 0) {
    return failed_precondition("cannot open " + path + ": " + error_text(errno) + owner_remark(path));
  }
  // The kernel drops the lock with the process, also after a crash: a stale file never keeps a store from opening.
  if (::flock(owner.fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return held_by_other(owner.fd_, directory);
    return failed_precondition("cannot lock " + path + ": " + error_text(errno) +
                               "; choose a state.dir on a local disk");
  }
  CAIRN_RETURN_IF_ERROR(write_holder(owner.fd_, path));
  return owner;
}

Status DirectoryOwner::check_free(const std::string& directory) {
  const DirectoryOwner looked(::open((directory + "/OWNER").c_str(), O_RDONLY | O_CLOEXEC));
  if (looked.fd_ < 0 || ::flock(looked.fd_, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return ok_status();
  return held_by_other(looked.fd_, directory);
}

DirectoryOwner::DirectoryOwner(DirectoryOwner&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryOwner& DirectoryOwner::operator=(DirectoryOwner&& other) noexcept {
  // The other one closes ours when it goes.
  std::swap(fd_, other.fd_);
  return *this;
}

DirectoryOwner::~DirectoryOwner() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace cairn::storage
