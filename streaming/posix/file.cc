#include "streaming/posix/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace cairn::streaming::posix {
namespace {

FileInfo info_from(const struct stat& st) {
  return {.id = {.device = st.st_dev, .inode = st.st_ino},
          .size = st.st_size,
          .modified = st.st_mtim,
          .regular = S_ISREG(st.st_mode),
          .links = st.st_nlink};
}

/// Whose the nearest existing part of `path` is, when it is not ours: the usual cause of a missing right.
std::string owner_remark(std::string path) {
  struct stat st {};
  while (::stat(path.c_str(), &st) != 0) {
    const std::string above = directory_of(path);
    if (above == path) return "";
    path = above;
  }
  if (st.st_uid == ::geteuid()) return "; check the mode of '" + path + "'";
  const std::string owner = std::to_string(st.st_uid);
  const std::string us = std::to_string(::geteuid());
  return "; '" + path + "' is owned by uid " + owner + " and this process runs as uid " + us + ": chown -R " + us +
         " it, or run as its owner";
}

/// Calls `call` again for as long as a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

Status io_error(std::string_view what, const std::string& path, int error) {
  std::string message = std::string(what) + " '" + path + "': " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
      return not_found(std::move(message));
    case ENOSPC:
    case EDQUOT:
      return resource_exhausted(std::move(message) + "; free space on its disk");
    case EACCES:  // a right can be given while we run, so trying again makes sense
    case EPERM:
      return unavailable(std::move(message) + owner_remark(path));
    default:
      return unavailable(std::move(message));
  }
}

Result<FileInfo> file_info(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return io_error("cannot look at", path, errno);
  return info_from(st);
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

/// The descriptor that this file had is closed with `other`.
File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Result<File> File::open(const std::string& path, int flags, int mode) {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) return io_error("cannot open", path, errno);
  return File(fd, path);
}

Result<FileInfo> File::info() const {
  struct stat st {};
  if (::fstat(fd_, &st) != 0) return io_error("cannot look at", path_, errno);
  return info_from(st);
}

Result<std::size_t> File::read_at(std::span<char> to, std::int64_t offset) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const auto at = offset + static_cast<std::int64_t>(done);
    const ssize_t n = uninterrupted([&] { return ::pread(fd_, to.data() + done, to.size() - done, at); });
    if (n < 0) return io_error("cannot read", path_, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

/// pwrite(2) may take less than it is given, near a full disk above all: whether that is an error the next call tells.
Status File::write_at(std::string_view bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = uninterrupted([&] { return ::pwrite(fd_, bytes.data(), bytes.size(), offset); });
    if (n < 0) return io_error("cannot write", path_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += n;
  }
  return ok_status();
}

Status File::truncate(std::int64_t size) {
  if (uninterrupted([&] { return ::ftruncate(fd_, size); }) != 0) return io_error("cannot shorten", path_, errno);
  return ok_status();
}

/// fdatasync and not fsync: the size is written with the contents, and nothing depends on the times of our files.
Status File::sync() {
  if (uninterrupted([&] { return ::fdatasync(fd_); }) != 0) return io_error("cannot sync", path_, errno);
  return ok_status();
}

Status File::lock() {
  if (uninterrupted([&] { return ::flock(fd_, LOCK_EX | LOCK_NB); }) == 0) return ok_status();
  if (errno != EWOULDBLOCK) return io_error("cannot lock", path_, errno);
  return unavailable("'" + path_ + "' is locked by another process; stop that one first");
}

Result<std::uint64_t> File::free_bytes() const {
  struct statvfs fs {};
  if (uninterrupted([&] { return ::fstatvfs(fd_, &fs); }) != 0) {
    return io_error("cannot tell the free space of", path_, errno);
  }
  return static_cast<std::uint64_t>(fs.f_bavail) * fs.f_frsize;  // f_bfree would count what is root's alone
}

Status make_directories(const std::string& path) {
  struct stat st {};
  if (path.empty() || ::stat(path.c_str(), &st) == 0) return ok_status();
  const std::string above = directory_of(path);
  if (above != path) CAIRN_RETURN_IF_ERROR(make_directories(above));
  if (::mkdir(path.c_str(), 0750) != 0 && errno != EEXIST) return io_error("cannot create", path, errno);
  return sync_directory(above);
}

Status replace_file(const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  {
    CAIRN_ASSIGN_OR_RETURN(File file, File::open(fresh, O_WRONLY | O_CREAT | O_TRUNC));
    CAIRN_RETURN_IF_ERROR(file.write_at(bytes, 0));
    CAIRN_RETURN_IF_ERROR(file.sync());
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return io_error("cannot rename", fresh, errno);
  return sync_directory(directory_of(path));
}

Result<std::string> read_file(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const File file, File::open(path, O_RDONLY));
  CAIRN_ASSIGN_OR_RETURN(const FileInfo info, file.info());
  std::string bytes(static_cast<std::size_t>(info.size), '\0');
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file.read_at(bytes, 0));
  bytes.resize(n);
  return bytes;
}

/// A file whose name is not on the disk is lost in a crash with everything that was synced in it.
Status sync_directory(const std::string& directory) {
  auto opened = File::open(directory, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return std::move(opened).status();
  return opened->sync();
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace cairn::streaming::posix
