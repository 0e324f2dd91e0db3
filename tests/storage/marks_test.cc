// The two files beside the database that tell what it lost: LASTFLUSH and LASTWRITE.

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

#include "storage/last_flush_mark.h"
#include "storage/last_write_mark.h"
#include "tests/support/temporary_folder.h"

namespace cairn::storage {
namespace {

using namespace std::string_literals;

constexpr LastFlush kFlush{.manifest = 7, .manifest_bytes = 300, .last_write = 65537};

// The checks at their ends were worked out by another program, from the definition of FNV-1a.
const std::string kFlushBytes =
    "\x07\0\0\0\0\0\0\0\x2c\x01\0\0\0\0\0\0\x01\0\x01\0\0\0\0\0\x21\x77\x11\x5d\xd9\x67\x82\xc1"s;
const std::string kWriteBytes = "\x01\0\x01\0\0\0\xf8\x1d"s;

TEST_CASE("the mark of the last flush has the bytes of its format, and is read as it was set") {
  const test::TemporaryFolder dir;
  CHECK(*LastFlushMark::read(dir.path()) == std::nullopt);
  auto mark = LastFlushMark::open(dir.path());
  REQUIRE(mark.ok());
  CHECK(*LastFlushMark::read(dir.path()) == std::nullopt);
  REQUIRE(mark->set({1, 2, 3}).ok());
  REQUIRE(mark->set(kFlush).ok());
  CHECK(dir.read("LASTFLUSH") == kFlushBytes);
  CHECK(*LastFlushMark::read(dir.path()) == kFlush);
}

TEST_CASE(
    "a mark of the last flush with any bit flipped, cut or lengthened cannot be read; one of zeros says nothing") {
  const test::TemporaryFolder dir;
  const auto code = [&](std::string_view bytes) {
    dir.write("LASTFLUSH", bytes);
    return LastFlushMark::read(dir.path()).status().code();
  };
  for (std::size_t bit = 0; bit < 8 * kFlushBytes.size(); ++bit) {
    std::string bytes = kFlushBytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    INFO("bit ", bit);
    CHECK(code(bytes) == StatusCode::kDataLoss);
  }
  for (std::size_t size = 1; size < kFlushBytes.size(); ++size) {
    INFO("size ", size);
    CHECK(code(kFlushBytes.substr(0, size)) == StatusCode::kDataLoss);
  }
  CHECK(code(kFlushBytes + '\0') == StatusCode::kDataLoss);
  CHECK(code(std::string(kFlushBytes.size(), '\0')) == StatusCode::kOk);
  CHECK(*LastFlushMark::read(dir.path()) == std::nullopt);
}

TEST_CASE("the mark of the last write has the bytes of its format, and is read as it was set") {
  const test::TemporaryFolder dir;
  CHECK(*LastWriteMark::read(dir.path()) == 0);
  auto mark = LastWriteMark::open(dir.path());
  REQUIRE(mark.ok());
  REQUIRE(mark->set(65537).ok());
  CHECK(mark->number() == 65537);
  CHECK(dir.read("LASTWRITE") == kWriteBytes);
  CHECK(*LastWriteMark::read(dir.path()) == 65537);
  for (std::size_t bit = 0; bit < 8 * kWriteBytes.size(); ++bit) {
    std::string bytes = kWriteBytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    dir.write("LASTWRITE", bytes);
    INFO("bit ", bit);
    CHECK(LastWriteMark::read(dir.path()).status().code() == StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace cairn::storage
