#include "streaming/api_record.h"

#include <doctest/doctest.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "streaming/event_log.h"
#include "streaming/mentions.h"
#include "streaming/source.h"
#include "tests/streaming/files.h"
#include "tests/support/begin_source.h"

namespace cairn::streaming {
namespace {

using std::chrono::milliseconds;

const InteractionTypes kTypes = InteractionTypes::with_declared({"share"}).value();

std::string decoded_record(const Interaction& interaction) {
  std::string record;
  append_decoded_record(interaction, &record);
  return record;
}

std::string refused_record(Reject reject, std::string_view detail, std::string_view payload) {
  std::string record;
  append_refused_record(reject, detail, payload, &record);
  return record;
}

/// What a record was read as, written again; nothing when it was refused. It is read from memory of exactly its size,
/// so that a sanitizer sees every byte that is read past it.
std::optional<std::string> read_and_write(std::string_view record) {
  const std::vector<char> exact(record.begin(), record.end());
  Interaction interaction;
  const auto read = read_api_record({exact.data(), exact.size()}, kTypes, &interaction);
  if (!read) return std::nullopt;
  return read->reject == Reject::kNone ? decoded_record(interaction)
                                       : refused_record(read->reject, read->detail, read->payload);
}

void check_same(const Interaction& got, const Interaction& sent) {
  CHECK(got.user == sent.user);
  CHECK(got.place == sent.place);
  CHECK(got.type == sent.type);
  CHECK(got.time == sent.time);
  // Bits and not values: -0.0 is not 0.0.
  REQUIRE(got.value.has_value() == sent.value.has_value());
  if (sent.value) CHECK(std::bit_cast<std::uint64_t>(*got.value) == std::bit_cast<std::uint64_t>(*sent.value));
  CHECK(got.position == sent.position);
  CHECK(got.event_id == sent.event_id);
}

class RandomInteractions {
 public:
  explicit RandomInteractions(std::uint32_t seed) : random_(seed) {}

  Interaction next() {
    Interaction one;
    one.user = UserId(id());
    one.place = PlaceId(id());
    one.type = TypeIndex{static_cast<std::uint8_t>(below(kTypes.size()))};
    one.time = event_time_from_ms(time());
    if (below(2) == 0) one.value = value();
    if (below(2) == 0) one.position = {degrees(90), degrees(180)};
    if (below(2) == 0) one.event_id = id();
    return one;
  }

  std::size_t below(std::size_t end) { return random_() % end; }

 private:
  /// 1 to 128 bytes: characters of one to four bytes, often up to the limit.
  std::string id() {
    constexpr std::string_view kCharacters[] = {"a", "7", "\x01", "\"", "ü", "€", "😀", "\U0010FFFF", "\x7F"};
    const std::size_t wanted = below(3) == 0 ? kIdBytesMax : 1 + below(kIdBytesMax);
    std::string text;
    while (text.size() < wanted) {
      const std::string_view character = kCharacters[below(std::size(kCharacters))];
      if (text.size() + character.size() <= wanted) text += character;
    }
    return text;
  }
  std::int64_t time() {
    using Limits = std::numeric_limits<std::int64_t>;
    constexpr std::int64_t kExtremes[] = {Limits::min(), Limits::max(), 0, -1, 1};
    return below(2) == 0 ? kExtremes[below(std::size(kExtremes))] : static_cast<std::int64_t>(random_());
  }
  double value() {
    using Limits = std::numeric_limits<double>;
    constexpr double kExtremes[] = {Limits::max(), Limits::lowest(), Limits::min(), Limits::denorm_min(), 0.0, -0.0};
    if (below(2) == 0) return kExtremes[below(std::size(kExtremes))];
    return static_cast<double>(random_()) / 3.0;
  }
  double degrees(double limit) {
    if (below(4) == 0) return below(2) == 0 ? limit : -limit;
    return std::uniform_real_distribution<double>(-limit, limit)(random_);
  }

  std::mt19937_64 random_;
};

TEST_CASE("an interaction is read as it was written, whatever it has and however extreme it is") {
  RandomInteractions random(1);
  Interaction got;  // of one record after another, so that what one lacks could linger from the one before
  for (int i = 0; i < 20'000; ++i) {
    const Interaction sent = random.next();
    const auto read = read_api_record(decoded_record(sent), kTypes, &got);
    REQUIRE(read.has_value());
    CHECK(read->reject == Reject::kNone);
    check_same(got, sent);
  }
}

TEST_CASE("a refused payload is read as it came, with its reason") {
  RandomInteractions random(2);
  for (int i = 0; i < 2'000; ++i) {
    const auto reject = static_cast<Reject>(1 + random.below(kRejects - 1));
    std::string detail(random.below(300), 'd');
    std::string payload(random.below(3'000), '\0');
    for (char& byte : payload) byte = static_cast<char>(random.below(256));
    const std::string record = refused_record(reject, detail, payload);
    Interaction untouched;
    const auto read = read_api_record(record, kTypes, &untouched);
    REQUIRE(read.has_value());
    CHECK(read->reject == reject);
    CHECK(read->detail == detail);
    CHECK(read->payload == payload);
    CHECK(read->payload.end() == std::string_view(record).end());  // the record's padding is the payload's
    CHECK(untouched.user.empty());
  }
}

TEST_CASE("a decoded record that is cut off anywhere, or goes on, is none") {
  RandomInteractions random(3);
  for (int i = 0; i < 200; ++i) {
    const std::string record = decoded_record(random.next());
    for (std::size_t size = 0; size < record.size(); ++size) CHECK_FALSE(read_and_write(record.substr(0, size)));
    CHECK_FALSE(read_and_write(record + '\0'));
  }
  const std::string refused = refused_record(Reject::kBadId, "four", "");
  for (std::size_t size = 0; size < refused.size(); ++size) CHECK_FALSE(read_and_write(refused.substr(0, size)));
}

TEST_CASE("a record with a flipped bit is none, or is another record byte for byte") {
  // Which of the two only the log's checksum can tell: an id with a flipped bit may be an id.
  RandomInteractions random(4);
  int taken = 0;
  for (int i = 0; i < 200; ++i) {
    const bool decoded = random.below(4) != 0;
    std::string record =
        decoded ? decoded_record(random.next()) : refused_record(Reject::kOversized, "why", "{\"a\":1}");
    for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
      record[bit / 8] ^= static_cast<char>(1 << bit % 8);
      if (const auto again = read_and_write(record)) {
        CHECK(*again == record);
        ++taken;
      }
      record[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
  }
  CHECK(taken > 0);
}

TEST_CASE("random bytes are no record, or one byte for byte") {
  RandomInteractions random(5);
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes(random.below(80), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    if (!bytes.empty()) bytes[0] = static_cast<char>(random.below(4));
    if (const auto again = read_and_write(bytes)) CHECK(*again == bytes);
  }
}

TEST_CASE("a record that says what no interaction can is none") {
  Interaction sound;
  sound.user = UserId("u");
  sound.place = PlaceId("p");
  REQUIRE(read_and_write(decoded_record(sound)));
  const auto is_none = [&](auto change) {
    Interaction one = sound;
    change(one);
    return !read_and_write(decoded_record(one));
  };
  CHECK(is_none([](Interaction& one) { one.user = UserId(""); }));
  CHECK(is_none([](Interaction& one) { one.user = UserId(std::string(129, 'u')); }));
  CHECK(is_none([](Interaction& one) { one.place = PlaceId(std::string("a\0b", 3)); }));
  CHECK(is_none([](Interaction& one) { one.place = PlaceId("\xC3"); }));
  CHECK(is_none([](Interaction& one) { one.event_id = "\xFF"; }));
  CHECK(is_none([](Interaction& one) { one.type = TypeIndex{7}; }));  // six built in, one declared
  CHECK(is_none([](Interaction& one) { one.value = std::numeric_limits<double>::infinity(); }));
  CHECK(is_none([](Interaction& one) { one.value = std::numeric_limits<double>::quiet_NaN(); }));
  CHECK(is_none([](Interaction& one) { one.position = {90.5, 0}; }));
  CHECK(is_none([](Interaction& one) { one.position = {0, std::numeric_limits<double>::quiet_NaN()}; }));
  CHECK_FALSE(read_and_write(std::string("\x02\x00\x00\x00", 4)));  // refused for no reason
  CHECK_FALSE(read_and_write(std::string("\x02\x11\x00\x00", 4)));  // for a reason that is not known
}

// ---- in the log ---------------------------------------------------------------------------------------------------

std::unique_ptr<EventLog> open(const std::string& path) {
  auto log = open_event_log({.path = path, .free_bytes_min = 0, .log = {}});
  REQUIRE_MESSAGE(log.ok(), log.status().to_string());
  return *std::move(log);
}

std::string unhex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// Written down from format.md by a program in another language, with a CRC of its own.
const std::string kFull = unhex(
    "010303fa9e06348f01000000000000000012400000000000c04940"
    "000000000000c0bf076772c3bcc39f650170026531");
const std::string kBare = unhex("010000ffffffffffffffff0175017000");
const std::string kRefused = unhex("020409006e6f206f626a6563745b31");
constexpr std::string_view kHeader = "434149524e4c4f4702000000000000000000000088546d47";
constexpr std::string_view kHeaderOfVersion1 = "434149524e4c4f47010000000000000000000000d828ff14";
// Length, distance and checksum of the three records, in one group.
constexpr std::string_view kRecordHeaders[] = {"30000000000000003c827d7b", "100000003c000000ca432854",
                                               "0f00000058000000d555d4d1"};

Interaction full() {
  return {UserId("grüße"), PlaceId("p"), TypeIndex{3}, event_time_from_ms(1714564800250), 4.5, {{51.5, -0.125}}, "e1"};
}

TEST_CASE("the bytes of records and of the file around them are those of format.md") {
  const Interaction bare{UserId("u"), PlaceId("p"), TypeIndex{0}, event_time_from_ms(-1), {}, {}, ""};
  const std::string refused = refused_record(Reject::kNotAnObject, "no object", "[1");
  CHECK(decoded_record(full()) == kFull);
  CHECK(decoded_record(bare) == kBare);
  Interaction retraction = full();
  retraction.retracts = true;
  std::string with_flag = kFull;
  with_flag[1] = '\x07';
  CHECK(decoded_record(retraction) == with_flag);
  CHECK(refused == kRefused);

  const test::TemporaryFolder scratch;
  const std::string_view records[] = {kFull, kBare, kRefused};
  REQUIRE(open(scratch / "log")->append(records).ok());
  CHECK(file_bytes(scratch / "log/00000000000000000000.events") == unhex(kHeader) + unhex(kRecordHeaders[0]) + kFull +
                                                                       unhex(kRecordHeaders[1]) + kBare +
                                                                       unhex(kRecordHeaders[2]) + kRefused);
}

TEST_CASE("the numbers of the reasons are stored, and stay what they are") {
  constexpr std::string_view kNames[] = {"oversized",     "truncated_gzip",  "malformed_json", "not_an_object",
                                         "duplicate_key", "missing_field",   "bad_id",         "unknown_type",
                                         "bad_time",      "impossible_time", "bad_value",      "bad_position",
                                         "bad_event_id",  "damaged_batch",   "bad_retraction", "mismatched_retraction"};
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    Interaction unused;
    const std::string record{'\x02', static_cast<char>(i + 1), '\0', '\0'};
    const auto read = read_api_record(record, kTypes, &unused);
    REQUIRE(read.has_value());
    CHECK(to_string(read->reject) == kNames[i]);
  }
}

TEST_CASE("a log that another version wrote is refused by name, also an empty one, and left as it is") {
  const test::TemporaryFolder scratch;
  std::filesystem::create_directories(scratch / "log");
  const std::string file = scratch / "log/00000000000000000000.events";
  for (const std::string& rest : {std::string(), unhex(kRecordHeaders[0]) + kFull}) {
    const std::string bytes = unhex(kHeaderOfVersion1) + rest;
    write_file(file, bytes);
    const auto opened = open_event_log({.path = scratch / "log", .free_bytes_min = 0, .log = {}});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.status().code() == StatusCode::kFailedPrecondition);
    CHECK(opened.status().message() ==
          "'" + file +
              "' has version 1 of the event log's format and this version of Cairn reads 2; use the version that wrote "
              "it, or let the events be sent again into another state.dir");
    CHECK(file_bytes(file) == bytes);
  }
}

TEST_CASE("the log's source delivers what was decoded as such, and what was refused with its reason and payload") {
  const test::TemporaryFolder scratch;
  const auto log = open(scratch / "log");
  const std::string_view records[] = {kRefused, kFull, kRefused, kBare};
  REQUIRE(log->append(records).ok());
  const auto source = make_log_source("api", *log, kTypes);
  REQUIRE(test::begin(*source).ok());
  RecordBatch batch;
  REQUIRE(source->poll(100, milliseconds{0}, &batch).ok());
  REQUIRE(batch.records.size() == 4);
  for (const std::size_t i : {0U, 2U}) {
    const Record& record = batch.records[i];
    CHECK(record.reject == Reject::kNotAnObject);
    CHECK(record.detail == "no object");
    CHECK(record.payload == "[1");
    CHECK(record.decoded == nullptr);
  }
  for (const std::size_t i : {1U, 3U}) {
    REQUIRE(batch.records[i].decoded != nullptr);
    CHECK(batch.records[i].reject == Reject::kNone);
    CHECK(batch.records[i].payload.empty());
  }
  check_same(*batch.records[1].decoded, full());
  CHECK(batch.records[3].decoded->time == event_time_from_ms(-1));
}

TEST_CASE("a call and its events are read as they were written, and nothing else is a call") {
  const ApiCall call{.key = {0x0102030405060708, 0x1112131415161718},
                     .content = 0x21222324,
                     .taken = event_time_from_ms(-5),
                     .accepted = 2,
                     .rejected = 1,
                     .end = Offset{77}};
  const std::string_view events[] = {kFull, kRefused, kBare};
  std::string record;
  append_call_record(call, events, &record);
  CHECK_FALSE(is_event_record(record));
  CHECK(read_calls(record, Offset{77}) == std::vector<ApiCall>{call});
  CHECK(events_in(record) == std::vector<std::string_view>(std::begin(events), std::end(events)));
  // Bytes by hand, of format.md: kind, key, content, time, accepted, rejected, and the first event's length.
  CHECK(record.substr(0, 41) == std::string("\x03\x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11"
                                            "\x24\x23\x22\x21\xFB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02\0\0\0\x01\0\0\0",
                                            37) +
                                    std::string{static_cast<char>(kFull.size()), '\0', '\0', '\0'});
  for (std::size_t size = 0; size < record.size(); ++size) {
    CHECK_FALSE(read_calls(record.substr(0, size), Offset{77}).has_value());
    CHECK_FALSE(events_in(record.substr(0, size)).has_value());
  }
  CHECK_FALSE(events_in(record + '\0').has_value());

  const ApiCall calls[] = {call, {.key = {1, 2}, .end = Offset{1'000'000'000'000}}};
  std::string known;
  append_known_calls_record(calls, &known);
  CHECK(known.size() == 1 + 2 * 44);
  CHECK(read_calls(known, Offset{5}) == std::vector<ApiCall>(std::begin(calls), std::end(calls)));
  CHECK(events_in(known).value().empty());
  CHECK_FALSE(read_calls(known.substr(0, known.size() - 1), Offset{5}).has_value());
  CHECK_FALSE(events_in(known.substr(0, 50)).has_value());
  CHECK_FALSE(read_calls(kFull, Offset{5}).has_value());
}

TEST_CASE("a key stands for its text by FNV-1a of 128 bits") {
  // Test vectors of RFC 9923.
  CHECK(call_key("") == CallKey{0x6C62272E07BB0142, 0x62B821756295C58D});
  CHECK(call_key("a") == CallKey{0xD228CB696F1A8CAF, 0x78912B704E4A8964});
}

TEST_CASE("events are told apart by their order and by where one ends") {
  using Texts = std::vector<std::string_view>;
  CHECK(content_of(Texts{"ab", "c"}) == content_of(Texts{"ab", "c"}));
  CHECK(content_of(Texts{"ab", "c"}) != content_of(Texts{"a", "bc"}));
  CHECK(content_of(Texts{"ab", "c"}) != content_of(Texts{"c", "ab"}));
  CHECK(content_of(Texts{}) != content_of(Texts{""}));
}

TEST_CASE("the source delivers a call's events together, each with an offset of its own, and passes known calls over") {
  const test::TemporaryFolder scratch;
  const auto log = open(scratch / "log");
  const std::string_view events[] = {kFull, kRefused, kBare};
  std::string call;
  append_call_record({.accepted = 2, .rejected = 1}, events, &call);
  std::string known;
  append_known_calls_record(std::vector<ApiCall>(3), &known);
  const std::string_view records[] = {known, kBare, call, kBare, known};
  const Offset end = log->append(records).value();
  const auto source = make_log_source("api", *log, kTypes);
  REQUIRE(test::begin(*source).ok());
  RecordBatch batch;
  std::vector<Offset> offsets;
  std::vector<Reject> rejects;
  do {
    REQUIRE(source->poll(1, milliseconds{0}, &batch).ok());
    CHECK(batch.positions.size() == 1);
    for (const Record& record : batch.records) {
      if (!offsets.empty()) CHECK(offsets.back() < record.offset);
      offsets.push_back(record.offset);
      rejects.push_back(record.reject);
      CHECK((record.decoded == nullptr) == (record.reject != Reject::kNone));
      CHECK(record.offset < batch.positions[0].offset);
    }
  } while (!batch.at_end);
  CHECK(batch.positions[0].offset == end);
  const Reject no = Reject::kNone;
  CHECK(rejects == std::vector{no, no, Reject::kNotAnObject, no, no});
}

TEST_CASE("of a call with an event that is none, nothing is delivered") {
  const test::TemporaryFolder scratch;
  const auto log = open(scratch / "log");
  std::string call;
  append_call_record({.accepted = 2}, std::vector<std::string_view>{kFull, "none"}, &call);
  const std::string_view records[] = {kBare, call};
  REQUIRE(log->append(records).ok());
  const auto source = make_log_source("api", *log, kTypes);
  REQUIRE(test::begin(*source).ok());
  RecordBatch batch;
  REQUIRE(source->poll(10, milliseconds{0}, &batch).ok());
  CHECK(batch.records.size() == 1);
  CHECK(source->poll(10, milliseconds{0}, &batch).code() == StatusCode::kDataLoss);
  CHECK(batch.records.empty());
}

TEST_CASE("the source stops before a whole record that holds no event, and delivers what lies before it") {
  const test::TemporaryFolder scratch;
  const auto log = open(scratch / "log");
  const std::string_view sound[] = {kFull, kBare};
  const Offset bad = log->append(sound).value();
  const std::string_view rest[] = {R"({"user_id":"u"})", kBare};  // JSON, as version 1 had it
  REQUIRE(log->append(rest).ok());
  const auto source = make_log_source("api", *log, kTypes);
  REQUIRE(test::begin(*source).ok());
  RecordBatch batch;
  REQUIRE(source->poll(100, milliseconds{0}, &batch).ok());
  CHECK(batch.records.size() == 2);
  CHECK(batch.positions == std::vector<SourcePosition>{{Partition{0}, bad, {}}});
  CHECK_FALSE(batch.at_end);
  for (int again = 0; again < 2; ++again) {
    const Status stopped = source->poll(100, milliseconds{0}, &batch);
    CHECK(stopped.code() == StatusCode::kDataLoss);
    CHECK(stopped.message().find("offset " + std::to_string(bad.value) + " ") != std::string::npos);
    CHECK(batch.records.empty());
    CHECK(batch.positions.empty());
  }
}

Interaction event_of(const std::string& user, std::int64_t ms) {
  return {UserId(user), PlaceId("p"), TypeIndex{2}, event_time_from_ms(ms), 4.5, GeoPoint{1, 2}, "e-" + user};
}

TEST_CASE("a user's events are erased in place, up to a time, and refused ones that name him") {
  const std::string mine = decoded_record(event_of("ann", 100));
  const std::string later = decoded_record(event_of("ann", 101));
  const std::string other = decoded_record(event_of("anna", 100));
  const std::string refused = refused_record(Reject::kBadTime, "ts", R"({"user_id":"ann","ts":"x"})");
  const std::string foreign = refused_record(Reject::kBadTime, "ts", R"({"user_id":"anna","ts":"x"})");
  const auto erased = [](std::string record) {
    const std::size_t size = record.size();
    const std::size_t events = erase_user("ann", event_time_from_ms(100), std::span(record.data(), record.size()));
    CHECK(record.size() == size);
    return std::pair(events, record);
  };
  for (const std::string& gone : {mine, refused}) {
    const auto [events, record] = erased(gone);
    CHECK(events == 1);
    CHECK(is_erased_record(record));
    CHECK(is_event_record(record));
    CHECK(record.find("ann") == std::string::npos);
    CHECK_FALSE(read_and_write(record));  // it is no event
  }
  for (const std::string& stays : {later, other, foreign, std::string("no record")}) {
    CHECK(erased(stays) == std::pair<std::size_t, std::string>(0, stays));
  }
  std::string call;
  append_call_record({.accepted = 3, .rejected = 2}, std::vector<std::string_view>{mine, other, refused, later, mine},
                     &call);
  const auto [events, record] = erased(call);
  CHECK(events == 3);
  const auto inside = events_in(record);
  REQUIRE(inside);
  REQUIRE(inside->size() == 5);
  for (const std::size_t i : {0, 2, 4}) CHECK(is_erased_record((*inside)[i]));
  CHECK((*inside)[1] == other);
  CHECK((*inside)[3] == later);
  CHECK(read_calls(record, Offset{9})->at(0).accepted == 3);
}

TEST_CASE("the source passes over erased events, whole records and parts of calls, and its offsets go on") {
  const test::TemporaryFolder scratch;
  const auto log = open(scratch / "log");
  std::string nothing;
  append_erased_record(&nothing);
  std::string call;
  append_call_record({.accepted = 1, .rejected = 1}, std::vector<std::string_view>{nothing, kBare}, &call);
  const std::string_view records[] = {kFull, nothing, call, nothing};
  const Offset end = log->append(records).value();
  const auto source = make_log_source("api", *log, kTypes);
  REQUIRE(test::begin(*source).ok());
  RecordBatch batch;
  REQUIRE(source->poll(10, milliseconds{0}, &batch).ok());
  CHECK(batch.records.size() == 2);
  CHECK(batch.gap_bytes == 0);
  CHECK(batch.positions == std::vector<SourcePosition>{{Partition{0}, end, {}}});
  CHECK(batch.at_end);
}

TEST_CASE("a payload mentions an id that stands there alone, in plain or escaped, as text or as a number") {
  CHECK(mentions(R"({"user_id":"u1"})", "u1"));
  CHECK(mentions(R"({"user_id": 42, "x)", "42"));
  CHECK(mentions("u1", "u1"));
  CHECK(mentions(R"({"user_id":"caf\u00e9 \"x\""})", "caf\xc3\xa9 \"x\""));
  CHECK(mentions(R"({"user_id":"\ud83d\ude42"})", "\xf0\x9f\x99\x82"));
  CHECK(mentions(R"({"event_id":"u1-7"})", "u1"));
  CHECK_FALSE(mentions(R"({"user_id":"u12"})", "u1"));
  CHECK_FALSE(mentions(R"({"user_id":"au1"})", "u1"));
  CHECK_FALSE(mentions(R"({"user_id":142})", "42"));
  CHECK_FALSE(mentions("", "u1"));
  CHECK(without_escapes(R"(a\u00zzb\)") == R"(a\u00zzb\)");
}

TEST_CASE("what may be an id in a payload is found between quotes and between the signs of JSON and CSV") {
  const auto ids_in = [](std::string_view payload) {
    std::vector<std::string> ids;
    CHECK_FALSE(any_id_in(payload, [&](const std::string& id) {
      ids.push_back(id);
      return false;
    }));
    return ids;
  };
  using Ids = std::vector<std::string>;
  CHECK(ids_in(R"({"user_id":"caf\u00e9 \"x\"","n":42})") == Ids{"user_id", "caf\xc3\xa9 \"x\"", "n", "42"});
  CHECK(ids_in("u1;\"a, b\",7\n") == Ids{"u1", "a, b", "7"});
  CHECK(ids_in(R"({"user_id":"cut)") == Ids{"user_id", "cut"});
  CHECK(ids_in(R"("cut\)") == Ids{R"(cut\)"});
  CHECK(ids_in("").empty());
  CHECK(any_id_in(R"({"user_id":"u1"})", [](const std::string& id) { return id == "u1"; }));
}

}  // namespace
}  // namespace cairn::streaming
