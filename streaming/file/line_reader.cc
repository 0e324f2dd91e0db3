#include "streaming/line_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "streaming/file/content_reader.h"

namespace cairn::streaming {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;

class FileLineReader final : public LineReader {
 public:
  FileLineReader(ContentReader content, std::size_t line_bytes_max)
      : content_(std::move(content)), line_bytes_max_(line_bytes_max) {}

  Result<bool> next(std::string_view* line) override {
    while (true) {
      if (const char* newline = find_newline()) {
        const auto line_end = static_cast<std::size_t>(newline - buffer_.get());
        if (line_end - begin_ > line_bytes_max_) return too_long();
        take(line, line_end, 1);
        return true;
      }
      if (!failure_.ok()) return failure_;
      if (end_ - begin_ > line_bytes_max_) return too_long();
      if (!ended_) {
        fill();
      } else if (begin_ < end_) {
        take(line, end_, 0);
        return true;
      } else {
        return false;
      }
    }
  }

 private:
  [[nodiscard]] Status too_long() const {
    return {StatusCode::kOutOfRange, "line " + std::to_string(lines_ + 1) + " of '" + content_.file().path() +
                                         "' is longer than " + std::to_string(line_bytes_max_) + " bytes"};
  }

  const char* find_newline() {
    const void* found = scanned_ < end_ ? std::memchr(buffer_.get() + scanned_, '\n', end_ - scanned_) : nullptr;
    if (found == nullptr) scanned_ = end_;
    return static_cast<const char*>(found);
  }

  void take(std::string_view* line, std::size_t line_end, std::size_t terminator) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    *line = {buffer_.get() + begin_, line_end - begin_};
    begin_ = scanned_ = line_end + terminator;
    if (lines_++ == 0 && line->starts_with(kByteOrderMark)) line->remove_prefix(kByteOrderMark.size());
  }

  /// Appends what comes next to the unfinished line, which moves to the buffer's front.
  void fill() {
    const std::size_t kept = end_ - begin_;
    // Doubled, so that a line of any length costs its length a constant number of times.
    if (capacity_ < kept + kReadBytes) {
      capacity_ = std::max(kept + kReadBytes, 2 * capacity_);
      auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
      if (kept > 0) std::memcpy(grown.get(), buffer_.get() + begin_, kept);
      buffer_ = std::move(grown);
    } else if (begin_ > 0) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, kept);
    }
    begin_ = 0;
    scanned_ = end_ = kept;
    const auto got = content_.read({buffer_.get() + end_, kReadBytes});
    if (!got.ok()) {
      failure_ = got.status();
    } else if (*got > 0) {
      end_ += *got;
    } else if (content_.at_boundary()) {
      ended_ = true;
    } else {
      failure_ = data_loss("'" + content_.file().path() + "' ends inside its gzip data, at content byte " +
                           std::to_string(content_.position()) + "; fetch the file again");
    }
  }

  ContentReader content_;
  const std::size_t line_bytes_max_;
  std::unique_ptr<char[]> buffer_;  ///< [begin_, end_) is read and not delivered; [begin_, scanned_) has no newline
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t scanned_ = 0;
  std::size_t end_ = 0;
  std::uint64_t lines_ = 0;
  bool ended_ = false;
  Status failure_;
};

}  // namespace

Result<std::unique_ptr<LineReader>> open_line_reader(const std::string& path, std::size_t line_bytes_max) {
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path, O_RDONLY));
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file.info());
  if (!info.regular) return failed_precondition("'" + path + "' is no regular file");
  return std::unique_ptr<LineReader>(std::make_unique<FileLineReader>(ContentReader(std::move(file)), line_bytes_max));
}

}  // namespace cairn::streaming
