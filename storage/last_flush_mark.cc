#include "storage/last_flush_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "storage/owner_remark.h"

namespace cairn::storage {
namespace {

constexpr std::size_t kWordBytes = 8;
constexpr std::size_t kFileBytes = 4 * kWordBytes;  // within one sector of a disk: no crash can tear it

void append(std::uint64_t word, std::string* bytes) {
  for (std::size_t i = 0; i < kWordBytes; ++i) bytes->push_back(static_cast<char>(word >> (8 * i)));
}

std::uint64_t word_at(std::string_view bytes, std::size_t index) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < kWordBytes; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(bytes[index * kWordBytes + i])} << (8 * i);
  }
  return word;
}

/// FNV-1a 64 of all bytes but the check itself.
std::uint64_t check_of(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char byte : bytes.substr(0, 3 * kWordBytes)) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  }
  return hash;
}

std::string encode(const LastFlush& flush) {
  std::string bytes;
  append(flush.manifest, &bytes);
  append(flush.manifest_bytes, &bytes);
  append(flush.last_write, &bytes);
  append(check_of(bytes), &bytes);
  return bytes;
}

}  // namespace

Result<LastFlushMark> LastFlushMark::open(const std::string& directory) {
  const std::string file = path(directory);
  LastFlushMark mark(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (mark.fd_ >= 0) return mark;
  return unavailable("cannot open " + file + ": " + std::generic_category().message(errno) + owner_remark(file));
}

Result<std::optional<LastFlush>> LastFlushMark::read(const std::string& directory) {
  std::ifstream in(path(directory), std::ios::binary);
  std::string bytes(kFileBytes + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  // None yet, or a crash took what was written into it when it was new.
  if (bytes.find_first_not_of('\0') == std::string::npos) return std::optional<LastFlush>();
  if (bytes.size() != kFileBytes || word_at(bytes, 3) != check_of(bytes)) {
    return data_loss(path(directory) + " cannot be read: what it says of the last flush is lost, and nothing else");
  }
  return std::optional(LastFlush{word_at(bytes, 0), word_at(bytes, 1), word_at(bytes, 2)});
}

LastFlushMark::LastFlushMark(LastFlushMark&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LastFlushMark& LastFlushMark::operator=(LastFlushMark&& other) noexcept {
  // The other one closes ours when it goes.
  std::swap(fd_, other.fd_);
  return *this;
}

LastFlushMark::~LastFlushMark() {
  if (fd_ >= 0) ::close(fd_);
}

Status LastFlushMark::set(const LastFlush& flush) {
  const std::string bytes = encode(flush);
  if (::pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())) return ok_status();
  return unavailable(std::string("cannot write LASTFLUSH: ") + std::generic_category().message(errno) +
                     "; check the disk");
}

}  // namespace cairn::storage
