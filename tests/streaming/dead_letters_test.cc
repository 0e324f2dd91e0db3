#include "streaming/dead_letters.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/streaming/files.h"

namespace cairn::streaming {
namespace {

using nlohmann::json;

constexpr EventTime kSeen = event_time_from_ms(1714566600250);

DeadLetter letter(std::int64_t offset, std::string_view payload = "{", std::int32_t partition = 0,
                  std::string_view source = "kafka") {
  return {.source = source,
          .partition = Partition{partition},
          .offset = Offset{offset},
          .reason = Reject::kMalformedJson,
          .detail = "it is \"bad\"",
          .payload = payload,
          .seen = kSeen};
}

std::vector<json> lines_of(const std::string& path) {
  std::vector<json> lines;
  const std::string bytes = file_bytes(path);
  CHECK((bytes.empty() || bytes.back() == '\n'));
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\n', at);
    lines.push_back(json::parse(bytes.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

std::vector<std::int64_t> offsets_of(const std::string& path) {
  std::vector<std::int64_t> offsets;
  for (const json& line : lines_of(path)) offsets.push_back(line["offset"].get<std::int64_t>());
  return offsets;
}

using Offsets = std::vector<std::int64_t>;

std::unique_ptr<DeadLetters> open(const std::string& path) {
  auto letters = open_dead_letter_file(path);
  INFO(letters.status().to_string());
  REQUIRE(letters.ok());
  return std::move(letters).value();
}

TEST_CASE("a letter is one line of JSON with everything about it") {
  const test::TemporaryFolder scratch;
  const DeadLetter one = letter(7, "{\"a\":\t\"\\u00e9 \xc3\xa9\n\x01");
  REQUIRE(open(scratch / "f")->append(std::span(&one, 1)).ok());
  const json expected = {{"source", "kafka"},
                         {"partition", 0},
                         {"offset", 7},
                         {"reason", "malformed_json"},
                         {"detail", "it is \"bad\""},
                         {"seen", "2024-05-01T12:30:00.250Z"},
                         {"payload", "{\"a\":\t\"\\u00e9 \xc3\xa9\n\x01"}};
  CHECK(lines_of(scratch / "f") == std::vector<json>{expected});
}

TEST_CASE("payloads that are no UTF-8 are kept as base64") {
  const test::TemporaryFolder scratch;
  struct Case {
    std::string payload;
    std::string base64;  // base64(1)
  };
  const Case cases[] = {{"\xff", "/w=="}, {"\xff\xfe", "//4="}, {"\xff\xfe\xfd", "//79"}, {"ab\x80z", "YWKAeg=="}};
  auto letters = open(scratch / "f");
  std::int64_t offset = 0;
  for (const Case& c : cases) {
    const DeadLetter one = letter(offset++, c.payload);
    REQUIRE(letters->append(std::span(&one, 1)).ok());
    const json line = lines_of(scratch / "f").back();
    CHECK(line["payload_base64"] == c.base64);
    CHECK_FALSE(line.contains("payload"));
  }
}

TEST_CASE("long payloads are cut between characters and say how long they were") {
  const test::TemporaryFolder scratch;
  auto letters = open(scratch / "f");
  const std::string text = "x" + [] {
    std::string faces;
    while (faces.size() < 70'000) faces += "\xf0\x9f\x98\x80";
    return faces;
  }();
  const std::string binary(70'000, '\xff');
  const DeadLetter both[] = {letter(1, text), letter(2, binary)};
  REQUIRE(letters->append(both).ok());
  const auto lines = lines_of(scratch / "f");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["payload"] == text.substr(0, 65'533));
  CHECK(lines[0]["payload_bytes"] == text.size());
  CHECK(lines[1]["payload_base64"].get<std::string>().size() == (65'536 + 2) / 3 * 4);
  CHECK(lines[1]["payload_bytes"] == 70'000);
}

TEST_CASE("a letter that comes again is not written again, also after reopening") {
  const test::TemporaryFolder scratch;
  const std::string odd = "so\"ur\\ce\n\xff";
  const DeadLetter first[] = {letter(5), letter(9), letter(3, "{", 1), letter(5, "{", 0, odd)};
  const DeadLetter second[] = {letter(5),
                               letter(9),
                               letter(12),
                               letter(3, "{", 1),
                               letter(4, "{", 1),
                               letter(5, "{", 0, odd),
                               letter(6, "{", 0, odd)};
  {
    auto letters = open(scratch / "f");
    REQUIRE(letters->append(first).ok());
    REQUIRE(letters->append(first).ok());
    CHECK(offsets_of(scratch / "f") == Offsets{5, 9, 3, 5});
  }
  auto letters = open(scratch / "f");
  REQUIRE(letters->append(second).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{5, 9, 3, 5, 12, 4, 6});
  letters.reset();
  REQUIRE(open(scratch / "f")->append(second).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{5, 9, 3, 5, 12, 4, 6});
}

TEST_CASE("an append torn at any byte is cut to its whole lines and made again") {
  const test::TemporaryFolder scratch;
  const DeadLetter before = letter(1);
  const DeadLetter torn[] = {letter(2, "\xff\xff"), letter(3)};
  {
    auto letters = open(scratch / "f");
    REQUIRE(letters->append(std::span(&before, 1)).ok());
  }
  const std::size_t kept = file_bytes(scratch / "f").size();
  REQUIRE(open(scratch / "f")->append(torn).ok());
  const std::string whole = file_bytes(scratch / "f");
  for (std::size_t size = kept; size <= whole.size(); ++size) {
    INFO("cut to ", size);
    write_file(scratch / "f", whole.substr(0, size));
    REQUIRE(open(scratch / "f")->append(torn).ok());
    CHECK(file_bytes(scratch / "f") == whole);
  }
}

TEST_CASE("a file of something else is not touched") {
  const test::TemporaryFolder scratch;
  for (const std::string& bytes : {std::string("a line\nand a half"), std::string(3 << 20, 'x')}) {
    write_file(scratch / "f", bytes);
    CHECK(open_dead_letter_file(scratch / "f").status().code() == StatusCode::kFailedPrecondition);
    CHECK(file_bytes(scratch / "f") == bytes);
  }
}

TEST_CASE("a file emptied while it is open is begun anew") {
  const test::TemporaryFolder scratch;
  auto letters = open(scratch / "f");
  const DeadLetter one = letter(1);
  const DeadLetter two = letter(2);
  REQUIRE(letters->append(std::span(&one, 1)).ok());
  std::filesystem::resize_file(scratch / "f", 0);
  REQUIRE(letters->append(std::span(&two, 1)).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{2});
}

TEST_CASE("many letters survive being read back in pieces") {
  const test::TemporaryFolder scratch;
  std::vector<DeadLetter> many;
  const std::string payload(20'000, '\x01');  // six bytes each, escaped
  for (int i = 0; i < 60; ++i) many.push_back(letter(i, payload, i % 3));
  REQUIRE(open(scratch / "f")->append(many).ok());
  CHECK(file_bytes(scratch / "f").size() > 7'000'000);
  REQUIRE(open(scratch / "f")->append(many).ok());
  CHECK(offsets_of(scratch / "f").size() == 60);
  CHECK(open_dead_letter_file(scratch / "no/such/folder").status().code() == StatusCode::kNotFound);
}

}  // namespace
}  // namespace cairn::streaming
