#include "engine/serving/http/body_reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>

using namespace cairn;
using namespace cairn::serving;

namespace {

constexpr Framing kChunks{Framing::Kind::kChunked, 0};
constexpr BodyLimits kLimits{.body_bytes = 1000, .trailer_bytes = 8192};

struct Outcome {
  std::string body;
  int code = 0;  ///< of the refusal; 0: none
  bool done = false;
  std::size_t taken = 0;
};

/// Gives the bytes in pieces of at most `piece`.
Outcome read(Framing framing, const std::string& bytes, std::size_t piece, BodyLimits limits = kLimits) {
  BodyReader reader(framing, limits);
  Outcome outcome;
  while (!reader.done() && !reader.refusal() && outcome.taken < bytes.size()) {
    const std::size_t size = std::min(piece, bytes.size() - outcome.taken);
    outcome.taken += reader.take(std::string_view(bytes).substr(outcome.taken, size));
  }
  outcome.done = reader.done();
  if (reader.refusal()) outcome.code = reader.refusal()->http_code;
  outcome.body = reader.take_body();
  return outcome;
}

}  // namespace

TEST_SUITE_BEGIN("body_reader");

TEST_CASE("a body is the same however its bytes are cut, and what follows it is left alone") {
  const std::string chunks =
      "5\r\nhello\r\n007;name=value;q=\"a b\"\r\n, world\r\n0 ;last\r\nX: y\r\nDigest: z\r\n\r\n";
  for (std::size_t piece = 1; piece <= chunks.size() + 4; ++piece) {
    const Outcome chunked = read(kChunks, chunks + "GET ", piece);
    CHECK(chunked.done);
    CHECK(chunked.body == "hello, world");
    CHECK(chunked.taken == chunks.size());
    const Outcome by_length = read({Framing::Kind::kLength, 12}, "hello, worldGET ", piece);
    CHECK(by_length.done);
    CHECK(by_length.body == "hello, world");
    CHECK(by_length.taken == 12);
  }
}

TEST_CASE("a body of a length can be read without a copy") {
  BodyReader reader({Framing::Kind::kLength, 10}, kLimits);
  CHECK(reader.take("abc") == 3);
  for (const std::string_view piece : {"defg", "hij"}) {
    const std::span<char> room = reader.prepare(100);
    CHECK(room.size() >= piece.size());
    CHECK(room.size() <= 7);
    std::memcpy(room.data(), piece.data(), piece.size());
    reader.commit(piece.size());
  }
  CHECK(reader.done());
  CHECK(reader.take_body() == "abcdefghij");
}

TEST_CASE("no body is done at once") { CHECK(BodyReader({}, kLimits).done()); }

TEST_CASE("chunks that two readers could read differently are refused") {
  for (const std::string& bytes : {
           std::string("-1\r\n"),
           std::string("+1\r\n"),
           std::string(" 1\r\n"),
           std::string("0x1\r\n"),
           std::string("zz\r\n"),
           std::string("\r\n"),
           std::string("1 \r\nx\r\n"),
           std::string("1,\r\nx\r\n"),
           std::string("00000000000000001\r\nx\r\n"),
           std::string("fffffffffffffffff\r\n"),
           std::string("1\nx\r\n"),
           std::string("1\rx\r\n"),
           std::string("1;a\0b\r\nx\r\n", 10),
           std::string("1;a\rb\r\nx\r\n"),
           std::string("1\r\nxy\r\n"),
           std::string("1\r\nx\n0\r\n\r\n"),
           std::string("0\r\nno colon\r\n\r\n"),
           std::string("0\r\n folded: x\r\n\r\n"),
           std::string("0\r\nX: a\0\r\n\r\n", 11),
           std::string("0\r\nX: a\n\r\n"),
       }) {
    CAPTURE(bytes);
    for (const std::size_t piece : {std::size_t{1}, bytes.size()}) {
      const Outcome outcome = read(kChunks, bytes, piece);
      CHECK(outcome.code == 400);
      CHECK_FALSE(outcome.done);
    }
  }
}

TEST_CASE("a body of exactly the limit is read, and one more byte is refused before it comes") {
  const std::string full(1000, 'x');
  CHECK(read(kChunks, "3e8\r\n" + full + "\r\n0\r\n\r\n", 7).body == full);
  CHECK(read(kChunks, "3e9\r\n", 7).code == 413);
  CHECK(read(kChunks, "3e8\r\n" + full + "\r\n1\r\n", 7).code == 413);
  CHECK(read(kChunks, "ffffffffffffffff\r\n", 7).code == 413);
  CHECK(read(kChunks, "1\r\nx\r\nffffffffffffffff\r\n", 7).code == 413);
  CHECK(read({Framing::Kind::kLength, 1000}, full, 7).body == full);
  CHECK(BodyReader({Framing::Kind::kLength, 1001}, kLimits).refusal()->http_code == 413);
}

TEST_CASE("trailers are bounded, one by one and together, and none is kept") {
  const auto with_trailer = [](std::size_t bytes) { return "0\r\nX: " + std::string(bytes, 'a') + "\r\n\r\n"; };
  CHECK(read(kChunks, with_trailer(4000), 1 << 20).done);
  CHECK(read(kChunks, with_trailer(4096), 1 << 20).code == 431);
  // Beast's own limit of a field, at which it throws, and beyond.
  for (const std::size_t bytes : {65'533, 65'534, 65'535, 65'536, 1'000'000}) {
    CHECK(read(kChunks, with_trailer(bytes), 1000).code == 431);
  }
  std::string many = "0\r\n";
  for (int i = 0; i < 100; ++i) many += "Name-" + std::to_string(i) + ": " + std::string(100, 'a') + "\r\n";
  CHECK(read(kChunks, many + "\r\n", 1000).code == 431);
  BodyReader reader(kChunks, kLimits);
  reader.take("0\r\nX: " + std::string(3000, 'a') + "\r\n");
  CHECK(reader.held_bytes() < 16 * 1024);
}

TEST_CASE("extensions are bounded, one by one and together") {
  CHECK(read(kChunks, "1;" + std::string(5000, 'a') + "\r\nx\r\n", 1000).code == 400);
  std::string chunks;
  for (int i = 0; i < 100; ++i) chunks += "1;" + std::string(1000, 'a') + "\r\nx\r\n";
  CHECK(read(kChunks, chunks, 1000).code == 400);
}

TEST_SUITE_END();
