#include "engine/model/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace cairn::model {
namespace {

constexpr std::size_t kCallBytesMax = std::size_t{1} << 30;  // Linux moves at most 2 GiB a call

Status failure(const std::string& path, const char* doing) {
  const int error = errno;
  std::string message = path + ": " + doing + ": " + std::strerror(error);
  if (error == ENOENT) return not_found(std::move(message));
  if (error == ENOSPC || error == EDQUOT) return resource_exhausted(std::move(message));
  return unavailable(std::move(message));
}

int open_retrying(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  const int fd = open_retrying(path, O_RDONLY | O_NONBLOCK);  // a FIFO is refused below, not waited for
  if (fd < 0) return failure(path, "cannot be opened");
  struct stat about {};
  if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    ::close(fd);
    return failed_precondition(path + ": is no regular file");
  }
  return InputFile(path, fd, static_cast<std::uint64_t>(about.st_size));
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status InputFile::read(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::read(fd_, out.data(), std::min(out.size(), kCallBytesMax));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(path_, "cannot be read");
    if (got == 0) return {StatusCode::kDataLoss, path_ + ": ended before its size"};
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return ok_status();
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  const int fd = open_retrying(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (fd < 0) return failure(path, "cannot be created");
  return OutputFile(path, fd);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), std::min(bytes.size(), kCallBytesMax));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failure(path_, "write failed");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return ok_status();
}

Status OutputFile::finish() {
  const int fd = std::exchange(fd_, -1);
  if (::fsync(fd) != 0) {
    const Status status = failure(path_, "write failed");
    ::close(fd);
    return status;
  }
  return ::close(fd) == 0 ? ok_status() : failure(path_, "write failed");
}

Result<std::string> read_text(const std::string& path, std::size_t bytes_max) {
  CAIRN_ASSIGN_OR_RETURN(InputFile file, InputFile::open(path));
  if (file.bytes() > bytes_max) {
    return Status(StatusCode::kOutOfRange, path + ": has more than " + std::to_string(bytes_max) + " bytes");
  }
  std::string text(file.bytes(), '\0');
  CAIRN_RETURN_IF_ERROR(file.read(std::as_writable_bytes(std::span(text))));
  return text;
}

Status replace_text(const std::string& path, std::string_view text) {
  const std::string part = path + ".part";
  CAIRN_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(part));
  CAIRN_RETURN_IF_ERROR(file.write(std::as_bytes(std::span(text))));
  CAIRN_RETURN_IF_ERROR(file.finish());
  return std::rename(part.c_str(), path.c_str()) == 0 ? ok_status() : failure(path, "cannot be renamed from .part");
}

Status sync_folder(const std::string& folder) {
  const int fd = open_retrying(folder, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return failure(folder, "cannot be opened");
  const int synced = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // File systems that cannot sync a folder (some network ones) say so; there is nothing else to do then.
  if (synced == 0 || error == EINVAL) return ok_status();
  errno = error;
  return failure(folder, "cannot be brought to disk");
}

}  // namespace cairn::model
