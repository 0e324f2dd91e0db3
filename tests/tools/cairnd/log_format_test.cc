#include "tools/cairnd/log/format.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace cairn::cairnd::test {
namespace {

LogRecord record(std::string message, std::vector<std::pair<std::string, std::string>> fields = {}) {
  return {event_time_from_ms(1'795'230'129'123), LogLevel::kWarning, "source.rotated", std::move(message),
          std::move(fields)};
}

TEST_CASE("a record is one readable line") {
  // date -u -d @1795230129 gives 2026-11-21T03:02:09
  CHECK(format_text(record("the file was rotated", {{"file", "a.log"}, {"why", "it grew"}, {"empty", ""}})) ==
        R"(2026-11-21T03:02:09.123Z warning source.rotated: the file was rotated file=a.log why="it grew" empty="")");
}

TEST_CASE("the journal gets syslog's priority and keeps the time itself") {
  CHECK(format_journal(record("x")) == "<4>source.rotated: x");
  LogRecord other = record("x");
  other.level = LogLevel::kError;
  CHECK(format_journal(other).starts_with("<3>"));
  other.level = LogLevel::kInfo;
  CHECK(format_journal(other).starts_with("<6>"));
  other.level = LogLevel::kDebug;
  CHECK(format_journal(other).starts_with("<7>"));
}

TEST_CASE("no text can begin a line of its own or speak to the terminal") {
  const std::string text = format_text(
      record("a\nb\x1b[31m", {{"k", "x\ny=\"z\""}, {"c1", "\xc2\x9b"}, {"bad", "\xff"}, {"rtl", "\xe2\x80\xae"}}));
  CHECK(text ==
        "2026-11-21T03:02:09.123Z warning source.rotated: a\\nb\\x1b[31m k=\"x\\ny=\\\"z\\\"\" c1=\"\\xc2\\x9b\" "
        "bad=\"\\xff\" rtl=\"\\xe2\\x80\\xae\"");
  CHECK(format_text(record("caf\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac")).ends_with("caf\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac"));
}

TEST_CASE("JSON is read back by another library as it was meant") {
  const auto json = nlohmann::json::parse(
      format_json(record("a \"b\" \\ \n \x01", {{"file", "\xe6\x9d\xb1"}, {"message", "hidden?"}, {"bad", "x\xffy"}})));
  CHECK(json["time"] == "2026-11-21T03:02:09.123Z");
  CHECK(json["level"] == "warning");
  CHECK(json["event"] == "source.rotated");
  CHECK(json["message"] == "a \"b\" \\ \n \x01");
  CHECK(json["file"] == "\xe6\x9d\xb1");
  CHECK(json["field_message"] == "hidden?");
  CHECK(json["bad"] == "x\xef\xbf\xbdy");
}

TEST_CASE("whatever bytes a value holds, the line is one line and the JSON is JSON") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random() & 0xFF);
    const LogRecord one = record(bytes, {{bytes, bytes}});
    CHECK(format_text(one).find('\n') == std::string::npos);
    CHECK(format_journal(one).find('\n') == std::string::npos);
    const std::string json = format_json(one);
    CHECK(json.find('\n') == std::string::npos);
    CHECK(nlohmann::json::accept(json));
  }
}

}  // namespace
}  // namespace cairn::cairnd::test
