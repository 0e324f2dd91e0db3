#include "streaming/dead_letters.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "streaming/mentions.h"
#include "tests/streaming/files.h"
#include "tests/support/disk_syncs.h"

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

TEST_CASE("a letter is known again by the stream that its offset is of, not by the offset alone") {
  const test::TemporaryFolder scratch;
  DeadLetter old_topic = letter(7);
  DeadLetter new_topic = letter(3);
  new_topic.incarnation = "1";
  REQUIRE(open(scratch / "f")->append(std::vector{old_topic, new_topic}).ok());
  CHECK(lines_of(scratch / "f").at(1)["incarnation"] == "1");
  CHECK_FALSE(lines_of(scratch / "f").at(0).contains("incarnation"));

  // Also after a restart each is a repeat, and what follows them is not.
  const auto again = open(scratch / "f");
  REQUIRE(again->append(std::vector{old_topic, new_topic}).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{7, 3});
  new_topic.offset = Offset{4};
  REQUIRE(again->append(std::vector{new_topic}).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{7, 3, 4});
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

/// Letters of the file and of those before it, oldest first.
std::vector<json> all_lines(const std::string& path, int files) {
  std::vector<json> all;
  for (int number = files - 1; number >= 0; --number) {
    const std::string name = number == 0 ? path : path + "." + std::to_string(number);
    if (!std::filesystem::exists(name)) continue;
    const auto lines = lines_of(name);
    all.insert(all.end(), lines.begin(), lines.end());
  }
  return all;
}

/// Whole letters, and what the lines say was left out.
std::pair<std::uint64_t, std::uint64_t> kept_and_left_out(const std::vector<json>& lines) {
  std::pair<std::uint64_t, std::uint64_t> counts;
  for (const json& line : lines) {
    if (line.contains("not_kept")) {
      counts.second += line["not_kept"].get<std::uint64_t>();
    } else {
      ++counts.first;
    }
  }
  return counts;
}

TEST_CASE("of a flood of one reason a sample is kept, and the rest is counted to the letter") {
  const test::TemporaryFolder scratch;
  const DeadLetterOptions options{.kept_per_minute = 10, .then_one_in = 100};
  auto letters = open_dead_letter_file(scratch / "f", options).value();
  std::vector<DeadLetter> flood;
  for (int i = 0; i < 5'000; ++i) flood.push_back(letter(i, "{}", i % 2));
  DeadLetter other = letter(5'000);
  other.reason = Reject::kBadId;
  flood.push_back(other);
  for (std::size_t begin = 0; begin < flood.size(); begin += 700) {
    REQUIRE(letters->append(std::span(flood).subspan(begin, std::min<std::size_t>(700, flood.size() - begin))).ok());
  }
  REQUIRE(letters->settle(kSeen).ok());
  const auto lines = lines_of(scratch / "f");
  // The first ten, each hundredth of the other 4,990, and the one of another reason.
  CHECK(kept_and_left_out(lines) == std::pair<std::uint64_t, std::uint64_t>{10 + 49 + 1, 4'990 - 49});
  CHECK(lines.size() < 100);
  CHECK(lines[9]["offset"] == 9);
  CHECK(lines[10]["offset"] == 109);
  const auto counts = letters->counts();
  CHECK(counts.came[static_cast<std::size_t>(Reject::kMalformedJson)] == 5'000);
  CHECK(counts.not_kept[static_cast<std::size_t>(Reject::kMalformedJson)] == 4'941);
  CHECK(counts.came[static_cast<std::size_t>(Reject::kBadId)] == 1);
  CHECK(counts.not_kept[static_cast<std::size_t>(Reject::kBadId)] == 0);

  // The next minute has its own first ten.
  DeadLetter later = letter(6'000);
  later.seen = kSeen + std::chrono::minutes(1);
  REQUIRE(letters->append(std::span(&later, 1)).ok());
  CHECK(lines_of(scratch / "f").back()["offset"] == 6'000);
}

TEST_CASE("the line for what was left out says how many, of what, up to where") {
  const test::TemporaryFolder scratch;
  auto letters = open_dead_letter_file(scratch / "f", {.kept_per_minute = 1, .then_one_in = 100}).value();
  const DeadLetter three[] = {letter(1), letter(5), letter(7)};
  REQUIRE(letters->append(three).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{1, 7});
  const json expected = {{"source", "kafka"},
                         {"partition", 0},
                         {"offset", 7},
                         {"reason", "malformed_json"},
                         {"detail", "2 more of this reason were not kept"},
                         {"seen", "2024-05-01T12:30:00.250Z"},
                         {"not_kept", 2}};
  CHECK(lines_of(scratch / "f")[1] == expected);
  const DeadLetter more[] = {letter(9), letter(10), letter(11)};
  REQUIRE(letters->append(more).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{1, 7});  // not with every batch
  REQUIRE(letters->settle(kSeen).ok());
  REQUIRE(letters->settle(kSeen).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{1, 7, 11});
  letters.reset();
  // What was left out is known to have been handled, like a letter.
  letters = open_dead_letter_file(scratch / "f", {.kept_per_minute = 10, .then_one_in = 1}).value();
  REQUIRE(letters->append(three).ok());
  REQUIRE(letters->append(more).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{1, 7, 11});
}

TEST_CASE("files are begun anew when full, and only so many are kept, whatever comes") {
  const test::TemporaryFolder scratch;
  const DeadLetterOptions options{.file_bytes_max = 20'000, .files_max = 3, .kept_per_minute = 1'000'000};
  auto letters = open_dead_letter_file(scratch / "f", options).value();
  std::int64_t offset = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<DeadLetter> some;
    for (int i = 0; i < 37; ++i) some.push_back(letter(offset++));
    REQUIRE(letters->append(some).ok());
  }
  for (const char* name : {"f", "f.1", "f.2"}) {
    CHECK(std::filesystem::file_size(scratch / name) <= 20'000);
    CHECK(std::filesystem::file_size(scratch / name) > 0);
  }
  CHECK_FALSE(std::filesystem::exists(scratch / "f.3"));
  // What is kept is the end, without a gap.
  const auto lines = all_lines(scratch / "f", 3);
  CHECK(lines.back()["offset"] == offset - 1);
  CHECK(lines.front()["offset"] == offset - static_cast<std::int64_t>(lines.size()));

  SUBCASE("letters that come again are known also when they stand in a file before") {
    std::vector<DeadLetter> again;
    for (std::int64_t i = offset - 150; i < offset; ++i) again.push_back(letter(i));
    letters.reset();
    letters = open_dead_letter_file(scratch / "f", options).value();
    REQUIRE(letters->append(again).ok());
    std::filesystem::resize_file(scratch / "f", 0);
    letters.reset();
    letters = open_dead_letter_file(scratch / "f", options).value();
    const DeadLetter first = letter(lines.front()["offset"].get<std::int64_t>());
    REQUIRE(letters->append(std::span(&first, 1)).ok());
    CHECK(file_bytes(scratch / "f").empty());
  }
  SUBCASE("a file that was last written too long ago is removed") {
    const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    REQUIRE(letters->settle(now + std::chrono::hours(29 * 24)).ok());
    CHECK(std::filesystem::exists(scratch / "f.2"));
    REQUIRE(letters->settle(now + std::chrono::hours(31 * 24)).ok());
    CHECK_FALSE(std::filesystem::exists(scratch / "f.1"));
    CHECK_FALSE(std::filesystem::exists(scratch / "f.2"));
    CHECK(std::filesystem::file_size(scratch / "f") == 0);
    const DeadLetter next = letter(offset);
    REQUIRE(letters->append(std::span(&next, 1)).ok());
    CHECK(offsets_of(scratch / "f") == Offsets{offset});
  }
  SUBCASE("with one file, that one is emptied") {
    letters.reset();
    letters = open_dead_letter_file(scratch / "g", {.file_bytes_max = 2'000, .files_max = 1}).value();
    for (int i = 0; i < 100; ++i) {
      const DeadLetter one = letter(i);
      REQUIRE(letters->append(std::span(&one, 1)).ok());
    }
    CHECK(std::filesystem::file_size(scratch / "g") <= 2'000);
    CHECK(lines_of(scratch / "g").back()["offset"] == 99);
    CHECK_FALSE(std::filesystem::exists(scratch / "g.1"));
  }
}

TEST_CASE("letters, and the names of the files that hold them, are on the disk before their append is told of") {
  const test::TemporaryFolder scratch;
  const DeadLetterOptions options{.file_bytes_max = 2'000, .files_max = 3, .kept_per_minute = 1'000'000};
  test::DiskSyncs syncs;
  auto letters = open_dead_letter_file(scratch / "f", options).value();
  const auto synced = [&](const std::string& path) {
    const auto all = syncs.synced();
    return std::count(all.begin(), all.end(), path);
  };
  CHECK(synced(scratch.path()) == 1);
  std::int64_t offset = 0;
  for (; !std::filesystem::exists(scratch / "f.1"); ++offset) {
    const DeadLetter one = letter(offset);
    REQUIRE(letters->append(std::span(&one, 1)).ok());
    CHECK(synced(scratch / "f") == offset + 1);
  }
  CHECK(synced(scratch.path()) == 2);  // of the file that was begun, and of the name that the other has now
  letters.reset();
  letters = open_dead_letter_file(scratch / "f", options).value();
  CHECK(synced(scratch.path()) == 2);  // which has its name already
}

TEST_CASE("a letter whose sync failed is not told of as kept, and stands there once when it is made again") {
  const test::TemporaryFolder scratch;
  test::DiskSyncs syncs;
  auto letters = open(scratch / "f");
  const std::vector<DeadLetter> two{letter(1), letter(2)};
  REQUIRE(letters->append(std::span(two).first(1)).ok());
  syncs.fail_next("/f");
  CHECK(letters->append(two).code() == StatusCode::kUnavailable);
  CHECK(letters->counts().came[static_cast<std::size_t>(Reject::kMalformedJson)] == 1);
  REQUIRE(letters->append(two).ok());
  CHECK(letters->counts().came[static_cast<std::size_t>(Reject::kMalformedJson)] == 2);
  CHECK(offsets_of(scratch / "f") == Offsets{1, 2});
}

TEST_CASE("what a failed append has left in the file is gone when a shorter one follows") {
  const test::TemporaryFolder scratch;
  test::DiskSyncs syncs;
  auto letters = open(scratch / "f");
  const DeadLetter first = letter(1);
  REQUIRE(letters->append(std::span(&first, 1)).ok());
  const std::vector<DeadLetter> more{letter(2), letter(3), letter(4)};
  syncs.fail_next("/f");
  CHECK(letters->append(more).code() == StatusCode::kUnavailable);
  REQUIRE(
      letters->append(std::span(more).first(1)).ok());  // as a source that begins anew may cut its batches otherwise
  CHECK(offsets_of(scratch / "f") == Offsets{1, 2});
}

TEST_CASE("letters are not for everybody to read") {
  const test::TemporaryFolder scratch;
  auto letters = open_dead_letter_file(scratch / "f", {.file_bytes_max = 2'000}).value();
  for (int i = 0; i < 50; ++i) {
    const DeadLetter one = letter(i);
    REQUIRE(letters->append(std::span(&one, 1)).ok());
  }
  using std::filesystem::perms;
  for (const char* name : {"f", "f.1", "f.2"}) {
    const perms mode = std::filesystem::status(scratch / name).permissions();
    CHECK((mode & (perms::others_all | perms::group_write | perms::group_exec)) == perms::none);
  }
}

TEST_CASE("a file that is renamed or removed from outside is begun anew under its name") {
  const test::TemporaryFolder scratch;
  auto letters = open(scratch / "f");
  const DeadLetter one = letter(1);
  const DeadLetter two = letter(2);
  const DeadLetter three = letter(3);
  REQUIRE(letters->append(std::span(&one, 1)).ok());
  std::filesystem::rename(scratch / "f", scratch / "elsewhere");
  REQUIRE(letters->append(std::span(&two, 1)).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{2});
  CHECK(offsets_of(scratch / "elsewhere") == Offsets{1});
  std::filesystem::remove(scratch / "f");
  REQUIRE(letters->append(std::span(&three, 1)).ok());
  CHECK(offsets_of(scratch / "f") == Offsets{3});
}

TEST_CASE("a file that cannot be written is trouble that may pass, and then nothing is lost or written twice") {
  const test::TemporaryFolder scratch;
  std::filesystem::create_directory(scratch / "sub");
  auto letters = open_dead_letter_file(scratch / "sub/f", {.kept_per_minute = 2}).value();
  const DeadLetter first[] = {letter(1), letter(2), letter(3)};
  REQUIRE(letters->append(first).ok());
  std::filesystem::rename(scratch / "sub", scratch / "away");
  DeadLetter next = letter(4);
  next.seen = kSeen + std::chrono::minutes(1);
  for (int i = 0; i < 3; ++i) {
    CHECK(letters->append(std::span(&next, 1)).code() == StatusCode::kUnavailable);
  }
  std::filesystem::rename(scratch / "away", scratch / "sub");
  REQUIRE(letters->append(std::span(&next, 1)).ok());
  CHECK(kept_and_left_out(lines_of(scratch / "sub/f")) == std::pair<std::uint64_t, std::uint64_t>{3, 1});
  CHECK(letters->counts().came[static_cast<std::size_t>(Reject::kMalformedJson)] == 4);
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

TEST_CASE("letters that name somebody are taken out of every file, counted as not kept, and are not written again") {
  const test::TemporaryFolder scratch;
  const std::string path = scratch / "f";
  const auto names_ann = [](std::string_view text) { return mentions(text, "ann"); };
  auto letters = std::move(open_dead_letter_file(path, {.file_bytes_max = 600, .files_max = 3})).value();
  const std::string binary = std::string("\xff ann ") + '\0';
  std::int64_t offset = 0;
  const auto add = [&](std::string_view payload) {
    const DeadLetter one = letter(++offset, payload);
    REQUIRE(letters->append(std::span(&one, 1)).ok());
  };
  for (const std::string_view payload :
       {std::string_view(R"({"user_id":"ann"})"), std::string_view(R"({"user_id":"bob"})"), std::string_view(binary),
        std::string_view(R"({"user_id":"\u0061nn")"), std::string_view("anna"), std::string_view("of ann")}) {
    add(payload);
  }
  REQUIRE(std::filesystem::exists(path + ".1"));
  std::vector<std::string> found;
  REQUIRE(letters->find(names_ann, [&](std::string_view line) { found.emplace_back(line); }).ok());
  CHECK(found.size() == 4);
  CHECK(letters->erase(names_ann).value() == 4);
  CHECK(letters->erase(names_ann).value() == 0);
  Offsets kept;
  Offsets counted;
  for (const std::string& file : {path + ".2", path + ".1", path}) {
    if (!std::filesystem::exists(file)) continue;
    CHECK_FALSE(std::filesystem::exists(file + ".new"));
    for (const json& line : lines_of(file)) {
      (line.contains("not_kept") ? counted : kept).push_back(line["offset"].get<std::int64_t>());
      CHECK(line["reason"] == "malformed_json");
      CHECK(line["seen"] == "2024-05-01T12:30:00.250Z");
    }
  }
  CHECK(kept == Offsets{2, 5});
  CHECK(counted == Offsets{1, 3, 4, 6});
  add("later");
  letters.reset();
  letters = std::move(open_dead_letter_file(path, {.file_bytes_max = 600, .files_max = 3})).value();
  const DeadLetter again = letter(6, "of ann");  // comes again after a crash
  REQUIRE(letters->append(std::span(&again, 1)).ok());
  CHECK(letters->erase(names_ann).value() == 0);
}

}  // namespace
}  // namespace cairn::streaming
