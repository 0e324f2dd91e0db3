#include "streaming/gzip/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "cairn/check.h"

namespace cairn::streaming::gzip {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // inflateInit2: a gzip wrapper, largest window

uInt bounded(std::size_t n) { return static_cast<uInt>(std::min<std::size_t>(n, std::numeric_limits<uInt>::max())); }

}  // namespace

struct Inflater::Impl {
  z_stream stream{};
  bool in_member = false;
  bool padding = false;  ///< zero bytes after a member have begun: nothing but zeros may follow

  Impl() { CAIRN_CHECK(inflateInit2(&stream, kGzipOnly) == Z_OK); }
  ~Impl() { inflateEnd(&stream); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// Between members: skips padding; a member begins when something else follows.
  /// Returns: false when `in` is used up. in_member stays false when padding is followed by anything but zeros.
  bool begin_member(std::span<const char> in, std::size_t* consumed) {
    while (*consumed < in.size() && in[*consumed] == '\0') {
      padding = true;
      ++*consumed;
    }
    if (*consumed == in.size()) return false;
    in_member = !padding;
    return true;
  }
};

Inflater::Inflater() : impl_(std::make_unique<Impl>()) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

bool Inflater::at_boundary() const noexcept { return !impl_->in_member; }

Result<Inflater::Progress> Inflater::inflate(std::span<const char> in, std::span<char> out) {
  z_stream& z = impl_->stream;
  Progress progress;
  while (progress.produced < out.size()) {
    if (!impl_->in_member && !impl_->begin_member(in, &progress.consumed)) break;
    if (!impl_->in_member) {
      if (progress.produced > 0) break;  // first what was unpacked; the next call meets the same bytes
      return data_loss("bytes that are no gzip data follow the gzip data");
    }
    // zlib's interface lacks the const; it does not write to its input. Also without input it may have content left
    // that the last `out` had no room for.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data() + progress.consumed));
    z.avail_in = bounded(in.size() - progress.consumed);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + progress.produced);
    z.avail_out = bounded(out.size() - progress.produced);
    const uInt in_before = z.avail_in;
    const uInt out_before = z.avail_out;
    const int code = ::inflate(&z, Z_NO_FLUSH);
    progress.consumed += in_before - z.avail_in;
    progress.produced += out_before - z.avail_out;
    if (code == Z_STREAM_END) {
      CAIRN_CHECK(inflateReset(&z) == Z_OK);
      impl_->in_member = false;
    } else if (code == Z_BUF_ERROR) {
      break;  // no progress without more input
    } else if (code != Z_OK) {
      if (progress.produced > 0) break;  // the next call meets the same damage and reports it
      return data_loss(std::string("gzip data is damaged: ") + (z.msg != nullptr ? z.msg : zError(code)));
    }
  }
  return progress;
}

}  // namespace cairn::streaming::gzip
