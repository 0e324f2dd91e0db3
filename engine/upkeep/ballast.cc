#include "engine/upkeep/ballast.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "cairn/byte_text.h"
#include "storage/disk_gate.h"

namespace cairn::upkeep {
namespace {

/// Takes the space for good: a file with holes would be no ballast.
bool allocate(const std::string& path, std::uint64_t bytes) {
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool done = ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0;
  ::close(file);
  if (!done) ::unlink(path.c_str());
  return done;
}

std::string directory_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

}  // namespace

Ballast::Ballast(std::string path, std::uint64_t free_bytes_min, Logger log)
    : path_(std::move(path)), free_bytes_min_(free_bytes_min), log_(std::move(log)) {}

void Ballast::give_up_when_full() {
  const auto free = storage::free_space(directory_of(path_));
  if (!free.ok() || *free >= free_bytes_min_ / 4) return;
  if (::unlink(path_.c_str()) != 0) return;
  there_ = false;
  log_.warning("disk.ballast_given_up",
               "the disk is full; the ballast was removed so that the state can be opened and read. Free space there",
               {{"path", path_}, {"free_bytes", std::to_string(*free)}, {"ballast_bytes", std::to_string(bytes())}});
}

void Ballast::keep() {
  if (there_ || bytes() == 0) return;
  std::error_code ignored;
  if (std::filesystem::exists(path_, ignored)) {
    there_ = true;
    return;
  }
  // It may not bring the disk near the point where taking events stops, nor near to where it was just given up.
  const auto free = storage::free_space(directory_of(path_));
  if (!free.ok() || *free / 2 < free_bytes_min_) return;
  there_ = allocate(path_, bytes());
}

void Ballast::tell_of_room() {
  const auto free = storage::free_space(directory_of(path_));
  // An eighth between the two, as where writing stops and resumes (storage::DiskGate).
  if (!free.ok() || (full_ ? *free < free_bytes_min_ + free_bytes_min_ / 8 : *free >= free_bytes_min_)) return;
  full_ = !full_;
  if (full_) {
    log_.warning(
        "disk.full", "no events are taken until the disk has room again; free space there",
        {{"path", directory_of(path_)}, {"free", byte_text(*free)}, {"kept_free", byte_text(free_bytes_min_)}});
  } else {
    log_.info("disk.has_room", "events are taken again", {{"path", directory_of(path_)}, {"free", byte_text(*free)}});
  }
}

}  // namespace cairn::upkeep
