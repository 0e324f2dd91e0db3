#include "storage/last_write_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include "storage/owner_remark.h"

namespace cairn::storage {
namespace {

constexpr int kNumberBits = 48;
constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << kNumberBits) - 1;

/// FNV-1a over the number's bytes, folded to 16 bits.
std::uint64_t check_of(std::uint64_t number) {
  std::uint32_t hash = 2166136261u;
  for (int shift = 0; shift < kNumberBits; shift += 8) {
    hash = (hash ^ static_cast<std::uint8_t>(number >> shift)) * 16777619u;
  }
  return (hash >> 16 ^ hash) & 0xFFFF;
}

using Word = std::array<unsigned char, 8>;  // little-endian; no crash can tear it

Word encode(std::uint64_t number) {
  const std::uint64_t word = check_of(number & kNumberMask) << kNumberBits | (number & kNumberMask);
  Word bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(word >> (8 * i));
  return bytes;
}

bool decode(const Word& bytes, std::uint64_t* number) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) word |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  *number = word & kNumberMask;
  return word >> kNumberBits == check_of(*number);
}

}  // namespace

Result<LastWriteMark> LastWriteMark::open(const std::string& directory) {
  const std::string file = path(directory);
  LastWriteMark mark(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (mark.fd_ < 0) {
    return unavailable("cannot open " + file + ": " + std::generic_category().message(errno) + owner_remark(file));
  }
  CAIRN_ASSIGN_OR_RETURN(mark.number_, read(directory));
  return mark;
}

Result<std::uint64_t> LastWriteMark::read(const std::string& directory) {
  std::ifstream in(path(directory), std::ios::binary);
  Word bytes{};
  in.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
  // None, new, or a crash took what was written into it when it was.
  if (in.gcount() == 0 || bytes == Word{}) return std::uint64_t{0};
  std::uint64_t number = 0;
  if (in.gcount() == static_cast<std::streamsize>(bytes.size()) && decode(bytes, &number)) return number;
  return data_loss("the state in " + directory + " is damaged: " + path(directory) +
                   " cannot be read; restore a checkpoint, or remove the file when no places are missing");
}

std::string lost_write_text(const std::string& directory, std::uint64_t last_write, std::uint64_t acknowledged,
                            const std::string& end) {
  return "the state in " + directory + " ends at write " + std::to_string(last_write) + ", and write " +
         std::to_string(acknowledged) + ", which no source can bring again, was acknowledged (" +
         LastWriteMark::path(directory) + "): " + end;
}

LastWriteMark::LastWriteMark(LastWriteMark&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), number_(other.number_) {}

LastWriteMark& LastWriteMark::operator=(LastWriteMark&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(number_, other.number_);
  return *this;
}

LastWriteMark::~LastWriteMark() {
  if (fd_ >= 0) ::close(fd_);
}

Status LastWriteMark::set(std::uint64_t number) {
  const Word bytes = encode(number);
  if (::pwrite(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return unavailable(std::string("cannot write LASTWRITE: ") + std::generic_category().message(errno) +
                       "; check the disk");
  }
  number_ = number;
  return ok_status();
}

}  // namespace cairn::storage
