// A file of lines, plain or gzip: it is read to an end, however its bytes are cut on their way through the inflater.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string>

#include "streaming/gzip/inflater.h"
#include "streaming/line_reader.h"
#include "tests/fuzz/fuzzer.h"

namespace cairn::fuzz {
namespace {

constexpr std::size_t kContentMax = 1 << 20;  // of a bomb, so much is looked at

struct Content {
  std::string bytes;
  bool sound = true;
};

/// Unpacks with `in_max` bytes in and `out_max` bytes out at a time.
Content unpack(std::span<const char> packed, std::size_t in_max, std::size_t out_max) {
  streaming::gzip::Inflater inflater;
  Content content;
  std::string out(out_max, '\0');
  while (content.bytes.size() < kContentMax) {
    const auto progress = inflater.inflate(packed.first(std::min(in_max, packed.size())), out);
    if (!progress.ok()) {
      content.sound = false;
      return content;
    }
    check(progress->consumed <= packed.size() && progress->produced <= out.size(), "more than there was");
    content.bytes.append(out, 0, progress->produced);
    packed = packed.subspan(progress->consumed);
    if (progress->consumed == 0 && progress->produced == 0) break;
  }
  return content;
}

void read_lines(std::string_view bytes) {
  const int fd = ::memfd_create("lines", MFD_CLOEXEC);
  check(fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "no memory file");
  auto reader = streaming::open_line_reader("/proc/self/fd/" + std::to_string(fd), 4096);
  check(reader.ok(), "the file is not opened");
  std::string_view line;
  for (std::size_t read = 0; read < kContentMax;) {
    const auto more = (*reader)->next(&line);
    if (!more.ok()) {
      check((*reader)->next(&line).status().code() == more.status().code(), "a failure does not stay");
      break;
    }
    if (!*more) break;
    check(line.size() <= 4096 && line.find('\n') == std::string_view::npos, "a line that is none");
    read += line.size() + 1;
  }
  ::close(fd);
}

}  // namespace
}  // namespace cairn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  const std::span<const char> packed(reinterpret_cast<const char*>(data), size);
  const fuzz::Content whole = fuzz::unpack(packed, size, 65'536);
  const fuzz::Content pieces = fuzz::unpack(packed, 1 + size % 7, 1 + size % 131);
  if (whole.bytes.size() < fuzz::kContentMax && pieces.bytes.size() < fuzz::kContentMax) {
    fuzz::check(whole.bytes == pieces.bytes && whole.sound == pieces.sound, "content depends on how bytes arrive");
  }
  fuzz::read_lines({packed.data(), packed.size()});
  return 0;
}
