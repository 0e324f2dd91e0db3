#include "engine/learning/interactions.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::learning;
using cairn::test::TemporaryFolder;

namespace {

using Ids = std::vector<std::string>;

Interactions lightgcn(const TemporaryFolder& scratch, const std::vector<std::string>& contents) {
  Ids files;
  for (const std::string& content : contents) {
    files.push_back(scratch.write("f" + std::to_string(files.size()), content));
  }
  auto read = read_lightgcn(files);
  REQUIRE_MESSAGE(read.ok(), read.status().to_string());
  return *std::move(read);
}

template <class Value>
void check_fault(const Result<Value>& read, StatusCode code, const std::string& where) {
  REQUIRE(!read.ok());
  INFO(read.status().to_string());
  CHECK(read.status().code() == code);
  CHECK(read.status().message().find(where) != std::string::npos);
}

std::string event(const char* user, const char* place, const char* type, const char* more = "") {
  return std::string(R"({"user_id":")") + user + R"(","place_id":")" + place + R"(","type":")" + type +
         R"(","ts":"2024-05-01T12:00:00Z")" + more + "}\n";
}

}  // namespace

TEST_CASE("LightGCN lines of several files become one matrix, rows in the order of the numbers") {
  const TemporaryFolder scratch;
  const Interactions read = lightgcn(scratch, {"10 5 7\n2 100 5 5 \n\n", "2\t7  5\r\n3\n10 007 6"});
  CHECK(read.users == Ids{"2", "3", "10"});
  CHECK(read.items == Ids{"5", "6", "7", "100", "007"});  // ids are what is written
  CHECK(read.offsets == std::vector<std::uint64_t>{0, 3, 3, 7});
  CHECK(read.columns == std::vector<std::uint32_t>{0, 2, 3, 0, 1, 2, 4});
  CHECK(read.values.empty());
}

TEST_CASE("ids of LightGCN lines may be any words") {
  const TemporaryFolder scratch;
  const Interactions read = lightgcn(scratch, {"u1 p232 caf\u00e9\n18446744073709551616 -2 p232\n"});
  CHECK(read.users == Ids{"18446744073709551616", "u1"});
  CHECK(read.items == Ids{"-2", "caf\u00e9", "p232"});
}

TEST_CASE("events are parted at a time, which is after it") {
  const TemporaryFolder scratch;
  const auto at = [](const char* user, const char* place, const char* ts) {
    return std::string(R"({"user_id":")") + user + R"(","place_id":")" + place + R"(","type":"visit","ts":")" + ts +
           "\"}\n";
  };
  const std::string file =
      scratch.write("e.ndjson", at("a", "p232", "2024-05-01T11:59:59.999Z") + at("b", "p1", "2024-05-01T12:00:00Z") +
                                    event("a", "gone", "dismiss"));
  const EventTime noon = event_time_from_ms(1'714'564'800'000);
  const auto split = read_split_events(Ids{file}, noon);
  REQUIRE_MESSAGE(split.ok(), split.status().to_string());
  CHECK(split->before.items == Ids{"p232"});
  CHECK(split->after.users == Ids{"b"});
  CHECK(split->after.items == Ids{"p1"});
  check_fault(read_split_events(Ids{file}, noon + std::chrono::hours(1)), StatusCode::kInvalidArgument,
              "no event lies at or after 2024-05-01T13:00:00Z");
}

TEST_CASE("the order of files and lines changes nothing") {
  const TemporaryFolder scratch;
  const Interactions one = lightgcn(scratch, {"1 5 6\n2 7\n", "1 9\n"});
  const Interactions other = lightgcn(scratch, {"1 9\n2 7\n", "1 6 5\n1 9 9\n"});
  CHECK(one.users == other.users);
  CHECK(one.items == other.items);
  CHECK(one.offsets == other.offsets);
  CHECK(one.columns == other.columns);
}

TEST_CASE("a bad token is named with its file and line") {
  const TemporaryFolder scratch;
  const std::string long_id(129, 'x');
  for (const std::string& line : {std::string("1 2 \xff"), "1 " + long_id, long_id + " 1",
                                  std::string("{\"user_id\": 1}"), std::string("[1, 2]"), std::string("u1,i1,i2")}) {
    INFO(line);
    const std::string file = scratch.write("bad", std::string("0 1 2\n\n") + line + "\n3 4\n");
    check_fault(read_lightgcn(Ids{file}), StatusCode::kInvalidArgument, file + ":3: ");
  }
  check_fault(read_lightgcn(Ids{scratch / "absent"}), StatusCode::kNotFound, "absent");
  check_fault(read_lightgcn(Ids{scratch.path()}), StatusCode::kFailedPrecondition, scratch.path());
}

TEST_CASE("gzip is read like plain text, and damage to it is no end of the file") {
  const TemporaryFolder scratch;
  const std::string plain = scratch.write("plain", "4 1 2\n5 3\n");
  REQUIRE(std::system(("gzip -k " + plain).c_str()) == 0);
  const auto read = read_lightgcn(Ids{plain + ".gz"});
  REQUIRE_MESSAGE(read.ok(), read.status().to_string());
  CHECK(read->users == Ids{"4", "5"});
  CHECK(read->columns.size() == 3);
  const std::string whole = scratch.read("plain.gz");
  const std::string cut = scratch.write("cut.gz", whole.substr(0, whole.size() - 6));
  CHECK(read_lightgcn(Ids{cut}).status().code() == StatusCode::kDataLoss);
}

TEST_CASE("without weights every event but a dismissal counts, a pair once") {
  const TemporaryFolder scratch;
  const std::string file =
      scratch.write("e.ndjson", event("u", "a", "visit") + event("u", "a", "view") + event("u", "b", "dismiss") + "\n" +
                                    event("\\u00fc 1", "c\\\"", "save"));
  const auto read = read_events(Ids{file}, {});
  REQUIRE_MESSAGE(read.ok(), read.status().to_string());
  CHECK(read->users == Ids{"u", "ü 1"});
  CHECK(read->items == Ids{"a", "c\""});
  CHECK(read->values.empty());
}

TEST_CASE("with weights a pair's value is their sum, and what is not positive is left out") {
  const TemporaryFolder scratch;
  const std::string file =
      scratch.write("e.ndjson", event("u", "a", "visit") + event("u", "a", "order") + event("u", "a", "view") +
                                    event("u", "b", "visit") + event("u", "b", "dismiss") + event("u", "c", "visit") +
                                    event("u", "d", "visit", R"(,"event_id":"e1")") +
                                    event("u", "d", "visit", R"(,"event_id":"e1")"));
  const auto weights = parse_type_weights("visit=1,order=2.5,dismiss=-1");
  REQUIRE_MESSAGE(weights.ok(), weights.status().to_string());
  const auto read = read_events(Ids{file}, *weights);
  REQUIRE_MESSAGE(read.ok(), read.status().to_string());
  CHECK(read->items == Ids{"a", "c", "d"});
  CHECK(read->values == std::vector<float>{3.5F, 1.0F, 1.0F});
}

TEST_CASE("an event that a source would reject is named with its file and line") {
  const TemporaryFolder scratch;
  const std::string file = scratch.write("e.ndjson", event("u", "a", "visit") + event("u", "a", "eat"));
  check_fault(read_events(Ids{file}, {}), StatusCode::kInvalidArgument, file + ":2: ");
}

TEST_CASE("weights of another form are refused") {
  for (const char* text : {"", "visit", "visit=", "=1", "visit=x", "visit=1,visit=2", "visit=nan", "visit=1e9"}) {
    INFO(text);
    CHECK(parse_type_weights(text).status().code() == StatusCode::kInvalidArgument);
  }
}
