#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace cairn::streaming {

/// Cuts bytes into lines as they are read. Memory is bounded, whatever a file holds: of a line that is longer than the
/// bound only the first kCutBytes are kept, and the rest is counted and dropped. The bytes of lines that were taken
/// stay in place until release(). One thread.
class LineBuffer {
 public:
  /// What is kept of a line longer than the bound.
  static constexpr std::size_t kCutBytes = 64 << 10;

  explicit LineBuffer(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  /// Where a line lies in the buffer. It is no view, because room() may move the buffer.
  struct Line {
    std::size_t begin = 0;
    std::size_t size = 0;     ///< bytes kept, without the newline
    std::int64_t length = 0;  ///< bytes in the file, without the newline
    bool oversized = false;   ///< longer than the bound; size is at most kCutBytes then
  };

  /// Forgets the lines taken.
  void release();
  /// Space for `bytes` more at the end. The caller fills it, or a part of it, and says how much with filled().
  [[nodiscard]] std::span<char> room(std::size_t bytes);
  void filled(std::size_t bytes) { end_ += bytes; }

  /// Takes the next whole line. Returns: false when there is none; `*line` is left alone then.
  [[nodiscard]] bool next(Line* line);
  /// Takes what follows the last newline, as a line; nullopt when that is nothing.
  [[nodiscard]] std::optional<Line> rest();

  /// The bytes of a line taken since release(). Valid until release() or room(). kPayloadPadding readable bytes follow.
  [[nodiscard]] std::string_view view(std::size_t begin, std::size_t size) const {
    return {bytes_.get() + begin, size};
  }
  /// Bytes of lines taken since release().
  [[nodiscard]] std::size_t taken_bytes() const noexcept { return begin_ - released_; }

 private:
  [[nodiscard]] Line take(std::size_t end);
  void drop_excess();

  const std::size_t line_bytes_max_;
  std::unique_ptr<char[]> bytes_;  ///< capacity_ and padding; [begin_, end_) is not taken, no newline before scanned_
  std::size_t capacity_ = 0;
  std::size_t released_ = 0;
  std::size_t begin_ = 0;
  std::size_t scanned_ = 0;
  std::size_t end_ = 0;
  std::int64_t dropped_ = 0;  ///< bytes of the unfinished line that were dropped
};

// Here, so that the reading loop has it in line: it is called for every line.
inline bool LineBuffer::next(Line* line) {
  const void* newline = scanned_ < end_ ? std::memchr(bytes_.get() + scanned_, '\n', end_ - scanned_) : nullptr;
  if (newline == nullptr) {
    scanned_ = end_;
    drop_excess();
    return false;
  }
  const auto end = static_cast<std::size_t>(static_cast<const char*>(newline) - bytes_.get());
  const std::size_t size = end - begin_;
  if (dropped_ == 0 && size <= line_bytes_max_) {
    *line = {.begin = begin_, .size = size, .length = static_cast<std::int64_t>(size), .oversized = false};
  } else {
    *line = take(end);
  }
  begin_ = scanned_ = end + 1;
  return true;
}

}  // namespace cairn::streaming
