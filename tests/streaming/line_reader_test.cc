#include "streaming/line_reader.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/streaming/files.h"

namespace cairn::streaming {
namespace {

struct Lines {
  std::vector<std::string> lines;
  Status end;

  friend bool operator==(const Lines& a, const std::vector<std::string>& b) { return a.end.ok() && a.lines == b; }
};

Lines read_all(LineReader& reader) {
  Lines all;
  while (true) {
    std::string_view line;
    const auto more = reader.next(&line);
    if (!more.ok()) all.end = more.status();
    if (!more.ok() || !*more) return all;
    all.lines.emplace_back(line);
  }
}

Lines read_lines(const std::string& path, std::size_t line_bytes_max = kLineBytesMax) {
  auto reader = open_line_reader(path, line_bytes_max);
  REQUIRE(reader.ok());
  return read_all(**reader);
}

/// Lines of all lengths up to several times the reader's block, hardly compressible.
std::vector<std::string> random_lines(std::uint32_t seed, std::size_t count) {
  std::mt19937 random(seed);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < count; ++i) {
    std::string line(i % 40 == 39 ? random() % 3'000'000 : random() % 300, ' ');
    for (char& c : line) c = static_cast<char>(' ' + random() % 90);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST_CASE("plain and gzip files give the same lines, whatever their names say") {
  const test::TemporaryFolder scratch;
  const std::uint32_t seed = 7;
  INFO("seed ", seed);
  const std::vector<std::string> lines = random_lines(seed, 200);
  write_file(scratch / "plain.gz", joined(lines));
  write_file(scratch / "packed.txt", gzipped(scratch, joined(lines)));
  CHECK(read_lines(scratch / "plain.gz") == lines);
  CHECK(read_lines(scratch / "packed.txt") == lines);
}

TEST_CASE("concatenated gzip members are one content, also where a line spans them, and padding ends it") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f",
             gzipped(scratch, "a\nb") + gzipped(scratch, "") + gzipped(scratch, "c\nd\n") + std::string(1000, '\0'));
  CHECK(read_lines(scratch / "f") == std::vector<std::string>{"a", "bc", "d"});
}

TEST_CASE("empty lines are lines and a last line needs no newline") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "\na\r\n\nb");
  CHECK(read_lines(scratch / "f") == std::vector<std::string>{"", "a\r", "", "b"});
  write_file(scratch / "empty", "");
  CHECK(read_lines(scratch / "empty") == std::vector<std::string>{});
  write_file(scratch / "one", "\n");
  CHECK(read_lines(scratch / "one") == std::vector<std::string>{""});
}

TEST_CASE("a gzip file cut anywhere delivers a prefix of its lines and then DATA_LOSS") {
  const test::TemporaryFolder scratch;
  const std::vector<std::string> lines = random_lines(3, 30);
  const std::string packed = gzipped(scratch, joined(lines));
  for (std::size_t cut = 2; cut < packed.size(); cut += 1 + cut / 7) {
    INFO("cut at ", cut);
    write_file(scratch / "cut", packed.substr(0, cut));
    const Lines got = read_lines(scratch / "cut");
    CHECK(got.end.code() == StatusCode::kDataLoss);
    REQUIRE(got.lines.size() <= lines.size());
    CHECK(std::equal(got.lines.begin(), got.lines.end(), lines.begin()));
  }
  // All but the trailer's last byte: every line is there.
  write_file(scratch / "cut", packed.substr(0, packed.size() - 1));
  CHECK(read_lines(scratch / "cut").lines == lines);
}

TEST_CASE("damaged gzip data is DATA_LOSS, and stays so") {
  const test::TemporaryFolder scratch;
  std::string packed = gzipped(scratch, "one\ntwo\n");
  packed[packed.size() - 6] ^= 1;  // in the member's CRC32
  write_file(scratch / "damaged", packed);
  auto reader = open_line_reader(scratch / "damaged");
  REQUIRE(reader.ok());
  CHECK(read_all(**reader).lines == std::vector<std::string>{"one", "two"});
  CHECK(read_all(**reader).end.code() == StatusCode::kDataLoss);

  write_file(scratch / "tail", gzipped(scratch, "one\n") + "not gzip\n");
  const Lines tail = read_lines(scratch / "tail");
  CHECK(tail.lines == std::vector<std::string>{"one"});
  CHECK(tail.end.code() == StatusCode::kDataLoss);
}

TEST_CASE("a line longer than the bound is refused, one of exactly the bound is not") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", std::string(1000, 'a') + "\nb\n");
  CHECK(read_lines(scratch / "f", 1000) == std::vector<std::string>{std::string(1000, 'a'), "b"});
  write_file(scratch / "f", "b\n" + std::string(3 << 20, 'a'));
  const Lines got = read_lines(scratch / "f", 1 << 20);
  CHECK(got.lines == std::vector<std::string>{"b"});
  CHECK(got.end.code() == StatusCode::kOutOfRange);
  CHECK(got.end.message().find("line 2") != std::string::npos);
}

TEST_CASE("a line longer than the bound is refused also where the file goes on and all of it is read at once") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "short\n" + std::string(101, 'x') + "\nshort\n");
  const Lines got = read_lines(scratch / "f", 100);
  CHECK(got.lines == std::vector<std::string>{"short"});
  CHECK(got.end.code() == StatusCode::kOutOfRange);
}

TEST_CASE("what is no regular file is refused with a reason") {
  const test::TemporaryFolder scratch;
  CHECK(open_line_reader(scratch / "absent").status().code() == StatusCode::kNotFound);
  CHECK(open_line_reader(scratch.path()).status().code() == StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn::streaming
