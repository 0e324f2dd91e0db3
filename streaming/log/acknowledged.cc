#include "streaming/log/acknowledged.h"

#include <fcntl.h>

#include <cstdint>
#include <utility>

#include "streaming/log/crc32c.h"
#include "streaming/log/record.h"

namespace cairn::streaming {
namespace {

constexpr int kOffsetBits = 48;
constexpr std::uint64_t kOffsetMask = (std::uint64_t{1} << kOffsetBits) - 1;

std::uint64_t check_of(std::uint64_t offset) {
  std::string bytes;
  append_u64(offset, &bytes);
  return crc32c(bytes) & 0xFFFF;
}

/// Offset and check in one number of eight bytes, which no crash can tear.
std::string encode(Offset end) {
  const auto offset = static_cast<std::uint64_t>(end.value) & kOffsetMask;
  std::string bytes;
  append_u64(check_of(offset) << kOffsetBits | offset, &bytes);
  return bytes;
}

std::optional<Offset> decode(std::string_view bytes) {
  if (bytes.size() != sizeof(std::uint64_t)) return std::nullopt;
  const std::uint64_t word = load_u64(bytes.data());
  const std::uint64_t offset = word & kOffsetMask;
  if (word >> kOffsetBits != check_of(offset)) return std::nullopt;
  return Offset{static_cast<std::int64_t>(offset)};
}

}  // namespace

Result<std::optional<AcknowledgedMark>> AcknowledgedMark::open(const std::string& directory) {
  auto file = posix::File::open(path(directory), O_RDWR);
  if (file.status().code() == StatusCode::kNotFound) return std::optional<AcknowledgedMark>();
  if (!file.ok()) return std::move(file).status();
  CAIRN_ASSIGN_OR_RETURN(const std::string bytes, posix::read_file(path(directory)));
  const auto end = decode(bytes);
  if (!end) return data_loss("'" + path(directory) + "' is damaged");
  return std::optional(AcknowledgedMark(*std::move(file), *end));
}

Result<AcknowledgedMark> AcknowledgedMark::create(const std::string& directory, Offset end) {
  CAIRN_RETURN_IF_ERROR(posix::replace_file(path(directory), encode(end)));
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path(directory), O_RDWR));
  return AcknowledgedMark(std::move(file), end);
}

Status AcknowledgedMark::set(Offset end) {
  CAIRN_RETURN_IF_ERROR(file_.write_at(encode(end), 0));
  end_ = end;
  return ok_status();
}

}  // namespace cairn::streaming
