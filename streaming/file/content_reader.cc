#include "streaming/file/content_reader.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace cairn::streaming {
namespace {

constexpr std::size_t kPackedBytes = 256 << 10;
constexpr std::size_t kSkipBytes = 256 << 10;

}  // namespace

Status ContentReader::detect() {
  char head[sizeof gzip::kMagic];
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file_.read_at(head, 0));
  // One byte may still become either kind: the kind stays unknown until the file has grown.
  if (n == 0) return ok_status();
  if (std::memcmp(head, gzip::kMagic, n) != 0) {
    kind_ = Kind::kPlain;
  } else if (n == sizeof head) {
    kind_ = Kind::kGzip;
    inflater_.emplace();
    packed_ = std::make_unique_for_overwrite<char[]>(kPackedBytes);
  }
  return ok_status();
}

Result<std::size_t> ContentReader::read(std::span<char> to) {
  if (kind_ == Kind::kUnknown) {
    CAIRN_RETURN_IF_ERROR(detect());
    if (kind_ == Kind::kUnknown) return std::size_t{0};
  }
  if (kind_ == Kind::kGzip) return read_gzip(to);
  // By position and not by the descriptor's own offset: reading goes on in a file that grew, whatever was read before.
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file_.read_at(to, position_));
  position_ += static_cast<std::int64_t>(n);
  file_position_ = position_;
  return n;
}

Result<std::size_t> ContentReader::read_gzip(std::span<char> to) {
  std::size_t done = 0;
  while (done < to.size() && failure_.ok()) {
    if (packed_begin_ == packed_end_) {
      if (Status status = refill(); !status.ok()) {
        if (done > 0) break;  // the next call meets the failure again
        return status;
      }
    }
    const auto progress =
        inflater_->inflate({packed_.get() + packed_begin_, packed_end_ - packed_begin_}, to.subspan(done));
    if (!progress.ok()) {
      failure_ =
          Status(progress.status()).with_context("'" + file_.path() + "' at content byte " + std::to_string(position_));
      break;
    }
    packed_begin_ += progress->consumed;
    done += progress->produced;
    position_ += static_cast<std::int64_t>(progress->produced);
    if (progress->consumed == 0 && progress->produced == 0) break;  // the rest of the member is not written yet
  }
  if (done == 0 && !failure_.ok()) return failure_;
  return done;
}

Status ContentReader::refill() {
  CAIRN_ASSIGN_OR_RETURN(packed_end_, file_.read_at({packed_.get(), kPackedBytes}, file_position_));
  packed_begin_ = 0;
  file_position_ += static_cast<std::int64_t>(packed_end_);
  return ok_status();
}

Result<std::int64_t> ContentReader::skip_to(std::int64_t position) {
  CAIRN_RETURN_IF_ERROR(kind_ == Kind::kUnknown ? detect() : ok_status());
  if (kind_ != Kind::kGzip) {
    CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file_.info());
    position_ = file_position_ = std::min(position, info.size);
    return position_;
  }
  // There is no way into the middle of gzip data but through what stands before.
  std::vector<char> scratch(kSkipBytes);
  while (position_ < position) {
    const auto wanted = std::min<std::int64_t>(position - position_, kSkipBytes);
    CAIRN_ASSIGN_OR_RETURN(const std::size_t n, read({scratch.data(), static_cast<std::size_t>(wanted)}));
    if (n == 0) break;
  }
  return position_;
}

}  // namespace cairn::streaming
