#include "streaming/file/line_buffer.h"

#include <algorithm>
#include <cstring>

#include "streaming/source.h"

namespace cairn::streaming {
namespace {

/// Moving less than this to the front is cheaper than the memory it frees is large.
constexpr std::size_t kMoveBytesMax = 64 << 10;

/// `size` or a little less: where no character of UTF-8 text is cut.
std::size_t character_boundary(std::string_view text, std::size_t size) {
  const auto continues = [&](std::size_t i) { return (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80; };
  for (std::size_t cut = size; cut > 0 && size - cut < 4; --cut) {
    if (cut == text.size() || !continues(cut)) return cut;
  }
  return size;
}

}  // namespace

void LineBuffer::release() {
  released_ = begin_;
  const std::size_t kept = end_ - begin_;
  // While the unfinished line is long and the room before it small, moving it costs more than it brings.
  if (begin_ == 0 || (kept > kMoveBytesMax && begin_ < capacity_ / 2)) return;
  std::memmove(bytes_.get(), bytes_.get() + begin_, kept);
  scanned_ -= begin_;
  begin_ = released_ = 0;
  end_ = kept;
}

std::span<char> LineBuffer::room(std::size_t bytes) {
  if (capacity_ - end_ < bytes) {
    capacity_ = std::max(end_ + bytes, 2 * capacity_);
    auto grown = std::make_unique<char[]>(capacity_ + kPayloadPadding);
    if (end_ > 0) std::memcpy(grown.get(), bytes_.get(), end_);
    bytes_ = std::move(grown);
  }
  return {bytes_.get() + end_, bytes};
}

std::optional<LineBuffer::Line> LineBuffer::rest() {
  if (begin_ == end_) return std::nullopt;
  const Line line = take(end_);
  begin_ = scanned_ = end_;
  return line;
}

LineBuffer::Line LineBuffer::take(std::size_t end) {
  Line line{.begin = begin_, .size = end - begin_, .length = dropped_, .oversized = false};
  line.length += static_cast<std::int64_t>(line.size);
  dropped_ = 0;
  if (line.length > static_cast<std::int64_t>(line_bytes_max_)) {
    line.oversized = true;
    const std::string_view kept{bytes_.get() + begin_, line.size};
    if (line.size > kCutBytes) line.size = character_boundary(kept, kCutBytes);
  }
  return line;
}

void LineBuffer::drop_excess() {
  if (end_ - begin_ <= std::max(line_bytes_max_, kCutBytes)) return;
  const std::size_t kept = kCutBytes + 1;  // one more than delivered, so that what is cut off is seen at the cut
  dropped_ += static_cast<std::int64_t>(end_ - begin_ - kept);
  end_ = scanned_ = begin_ + kept;
}

}  // namespace cairn::streaming
