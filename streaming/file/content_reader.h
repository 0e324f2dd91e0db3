#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cairn/status.h"
#include "streaming/gzip/inflater.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {

/// The content of an open file, front to back. The content of a gzip file is what its bytes unpack to; any other file
/// is its own content. The first two bytes tell which it is. The file may grow while it is read. One thread.
class ContentReader {
 public:
  explicit ContentReader(posix::File file) : file_(std::move(file)) {}

  /// Reads until `to` is full or nothing more is there at present.
  /// Returns: how many bytes were read, 0 when nothing more is there. DATA_LOSS for damaged gzip data: first everything
  /// before the damage is delivered, then this call and every later one fail. UNAVAILABLE.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to);

  /// Moves on to `position` in the content. A gzip file is unpacked up to there.
  /// Requires: `position` is not before position().
  /// Returns: where reading stands then: before `position` when the content ends before it. DATA_LOSS, UNAVAILABLE.
  [[nodiscard]] Result<std::int64_t> skip_to(std::int64_t position);

  /// Whether the content may end where reading stands: false inside a gzip member.
  [[nodiscard]] bool at_boundary() const noexcept { return kind_ != Kind::kGzip || inflater_->at_boundary(); }
  [[nodiscard]] bool is_gzip() const noexcept { return kind_ == Kind::kGzip; }
  /// Bytes of content read so far.
  [[nodiscard]] std::int64_t position() const noexcept { return position_; }
  /// Bytes of the file itself read so far; position() unless gzip.
  [[nodiscard]] std::int64_t file_position() const noexcept { return file_position_; }
  [[nodiscard]] const posix::File& file() const noexcept { return file_; }

 private:
  enum class Kind { kUnknown, kPlain, kGzip };

  [[nodiscard]] Status detect();
  [[nodiscard]] Result<std::size_t> read_gzip(std::span<char> to);
  [[nodiscard]] Status refill();

  posix::File file_;
  Kind kind_ = Kind::kUnknown;
  std::int64_t position_ = 0;
  std::int64_t file_position_ = 0;
  std::optional<gzip::Inflater> inflater_;
  std::unique_ptr<char[]> packed_;  ///< gzip bytes read and not yet unpacked: [packed_begin_, packed_end_)
  std::size_t packed_begin_ = 0;
  std::size_t packed_end_ = 0;
  Status failure_;  ///< the damage that was met; every later read answers it
};

}  // namespace cairn::streaming
