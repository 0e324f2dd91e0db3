#include "streaming/api_record.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "cairn/check.h"
#include "cairn/utf8.h"
#include "streaming/log/crc32c.h"
#include "streaming/log/record.h"
#include "streaming/mentions.h"

namespace cairn::streaming {
namespace {

// Not 0: a record of zeros, as a hole in a file reads, is none.
constexpr std::uint8_t kDecoded = 1;
constexpr std::uint8_t kRefused = 2;
constexpr std::uint8_t kCall = 3;
constexpr std::uint8_t kKnownCalls = 4;
constexpr std::uint8_t kErased = 6;  // 5 is kGivenUp

constexpr std::uint8_t kHasValue = 1;
constexpr std::uint8_t kHasPosition = 2;
constexpr std::uint8_t kRetracts = 4;

/// Three ids of the longest length that a byte tells, and the numbers before them.
constexpr std::size_t kDecodedBytesMax = 3 * 256 + 64;

/// Puts a decoded record together in memory of a fixed size: appending field by field would cost more than all else.
class DecodedBytes {
 public:
  void byte(std::uint8_t value) { bytes_[size_++] = static_cast<char>(value); }
  void number(std::uint64_t value) {
    for (std::size_t i = 0; i < sizeof value; ++i) bytes_[size_ + i] = static_cast<char>(value >> (8 * i));
    size_ += sizeof value;
  }
  void real(double value) { number(std::bit_cast<std::uint64_t>(value)); }
  void id(std::string_view id) {
    CAIRN_CHECK(id.size() <= 0xFF);
    byte(static_cast<std::uint8_t>(id.size()));
    id.copy(bytes_ + size_, id.size());
    size_ += id.size();
  }

  [[nodiscard]] std::string_view view() const { return {bytes_, size_}; }

 private:
  char bytes_[kDecodedBytesMax];
  std::size_t size_ = 0;
};

/// Takes fields from the front of a record. Past its end every field is zero or empty, and complete() says so.
class Fields {
 public:
  explicit Fields(std::string_view record) : rest_(record) {}

  std::string_view bytes(std::size_t size) {
    missing_ = missing_ || size > rest_.size();
    if (missing_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::uint8_t byte() {
    const std::string_view taken = bytes(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }
  std::uint32_t small_number() {
    const std::string_view taken = bytes(4);
    return taken.empty() ? 0 : load_u32(taken.data());
  }
  std::uint64_t number() {
    const std::string_view taken = bytes(8);
    return taken.empty() ? 0 : load_u64(taken.data());
  }
  double real() { return std::bit_cast<double>(number()); }
  std::string_view id() { return bytes(byte()); }
  std::string_view rest() { return bytes(rest_.size()); }

  [[nodiscard]] bool more() const { return !missing_ && !rest_.empty(); }
  [[nodiscard]] bool complete() const { return !missing_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool missing_ = false;
};

/// Most ids are ASCII, which is told for eight bytes at once; is_utf8() looks at each, and would be most of the
/// reading.
bool is_text(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + sizeof seen <= text.size(); i += sizeof seen) seen |= load_u64(text.data() + i);
  for (; i < text.size(); ++i) seen |= static_cast<unsigned char>(text[i]);
  return (seen & kHighBits) == 0 || is_utf8(text);
}

bool is_id(std::string_view text) { return valid_id(text) && is_text(text); }

/// Everything that Interaction promises is checked: the readers of the log rely on it as they rely on the decoder.
bool read_decoded(Fields& fields, const InteractionTypes& types, Interaction* decoded) {
  const std::uint8_t flags = fields.byte();
  decoded->type = TypeIndex{fields.byte()};
  decoded->time = event_time_from_ms(static_cast<std::int64_t>(fields.number()));
  decoded->value.reset();
  decoded->position.reset();
  if ((flags & kHasValue) != 0) decoded->value = fields.real();
  if ((flags & kHasPosition) != 0) {
    const double lat = fields.real();
    decoded->position = GeoPoint{.lat = lat, .lon = fields.real()};
  }
  const std::string_view user = fields.id();
  const std::string_view place = fields.id();
  const std::string_view event_id = fields.id();
  if (!fields.complete() || (flags & ~(kHasValue | kHasPosition | kRetracts)) != 0) return false;
  if (decoded->type.value >= types.size() || !is_id(user) || !is_id(place)) return false;
  if (!event_id.empty() && !is_id(event_id)) return false;
  decoded->retracts = (flags & kRetracts) != 0;
  if (decoded->retracts && event_id.empty()) return false;
  if (decoded->value && !std::isfinite(*decoded->value)) return false;
  if (decoded->position && !valid_position(*decoded->position)) return false;
  decoded->user = UserId(user);
  decoded->place = PlaceId(place);
  decoded->event_id.assign(event_id);
  return true;
}

std::optional<ApiRecord> read_refused(Fields& fields) {
  const std::uint8_t reject = fields.byte();
  const std::size_t low = fields.byte();
  const std::size_t detail_bytes = low | std::size_t{fields.byte()} << 8;
  const std::string_view detail = fields.bytes(detail_bytes);
  const std::string_view payload = fields.rest();
  if (!fields.complete() || reject == 0 || reject >= kRejects) return std::nullopt;
  return ApiRecord{.reject = static_cast<Reject>(reject), .detail = detail, .payload = payload};
}

/// A call without its end.
void append_call(const ApiCall& call, std::string* record) {
  append_u64(call.key.high, record);
  append_u64(call.key.low, record);
  append_u32(call.content, record);
  append_u64(static_cast<std::uint64_t>(to_ms(call.taken)), record);
  append_u32(call.accepted, record);
  append_u32(call.rejected, record);
}

ApiCall take_call(Fields& fields) {
  ApiCall call;
  call.key.high = fields.number();
  call.key.low = fields.number();
  call.content = fields.small_number();
  call.taken = event_time_from_ms(static_cast<std::int64_t>(fields.number()));
  call.accepted = fields.small_number();
  call.rejected = fields.small_number();
  return call;
}

}  // namespace

void append_decoded_record(const Interaction& interaction, std::string* record) {
  DecodedBytes bytes;
  bytes.byte(kDecoded);
  bytes.byte((interaction.value ? kHasValue : 0) | (interaction.position ? kHasPosition : 0) |
             (interaction.retracts ? kRetracts : 0));
  // The index and not the name: FeatureState opens only with types that begin with those it has stored.
  bytes.byte(interaction.type.value);
  bytes.number(static_cast<std::uint64_t>(to_ms(interaction.time)));
  if (interaction.value) bytes.real(*interaction.value);
  if (interaction.position) {
    bytes.real(interaction.position->lat);
    bytes.real(interaction.position->lon);
  }
  bytes.id(interaction.user.str());
  bytes.id(interaction.place.str());
  bytes.id(interaction.event_id);
  record->append(bytes.view());
}

void append_refused_record(Reject reject, std::string_view detail, std::string_view payload, std::string* record) {
  CAIRN_CHECK(reject != Reject::kNone);
  CAIRN_CHECK(detail.size() <= 0xFFFF);
  record->push_back(static_cast<char>(kRefused));
  record->push_back(static_cast<char>(reject));
  record->push_back(static_cast<char>(detail.size() & 0xFF));
  record->push_back(static_cast<char>(detail.size() >> 8));
  record->append(detail).append(payload);
}

void append_erased_record(std::string* record) { record->push_back(static_cast<char>(kErased)); }

bool is_erased_record(std::string_view record) {
  if (record.empty() || record[0] != static_cast<char>(kErased)) return false;
  return record.find_first_not_of('\0', 1) == std::string_view::npos;
}

namespace {

/// Whether the record of one event is to go.
bool is_of_user(std::string_view record, std::string_view user, EventTime until) {
  Fields fields(record);
  const std::uint8_t kind = fields.byte();
  if (kind == kRefused) {
    const auto refused = read_refused(fields);
    return refused && (mentions(refused->payload, user) || mentions(refused->detail, user));
  }
  if (kind != kDecoded) return false;
  const std::uint8_t flags = fields.byte();
  fields.byte();  // the type
  const EventTime time = event_time_from_ms(static_cast<std::int64_t>(fields.number()));
  if ((flags & kHasValue) != 0) fields.number();
  if ((flags & kHasPosition) != 0) fields.bytes(16);
  return fields.id() == user && time <= until;
}

void blank(std::span<char> record) {
  std::fill(record.begin(), record.end(), '\0');
  record[0] = static_cast<char>(kErased);
}

}  // namespace

std::size_t erase_user(std::string_view user, EventTime until, std::span<char> record) {
  const std::string_view whole(record.data(), record.size());
  const auto events = events_in(whole);
  std::size_t erased = 0;
  for (const std::string_view event : events.value_or(std::vector<std::string_view>{})) {
    if (event.empty() || !is_of_user(event, user, until)) continue;
    blank(record.subspan(static_cast<std::size_t>(event.data() - whole.data()), event.size()));
    ++erased;
  }
  return erased;
}

CallKey call_key(std::string_view idempotency_key) noexcept {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kPrime = (Wide{1} << 88) + 0x13B;
  Wide hash = Wide{0x6C62272E07BB0142} << 64 | 0x62B821756295C58D;
  for (const char c : idempotency_key) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return {static_cast<std::uint64_t>(hash >> 64), static_cast<std::uint64_t>(hash)};
}

std::uint32_t content_of(std::span<const std::string_view> payloads) {
  std::uint32_t crc = 0;
  std::string length;
  for (const std::string_view payload : payloads) {
    length.clear();
    append_u32(static_cast<std::uint32_t>(payload.size()), &length);  // where one ends and the next begins counts too
    crc = crc32c(payload, crc32c(length, crc));
  }
  return crc;
}

void append_call_record(const ApiCall& call, std::span<const std::string_view> events, std::string* record) {
  record->push_back(static_cast<char>(kCall));
  append_call(call, record);
  for (const std::string_view event : events) {
    append_u32(static_cast<std::uint32_t>(event.size()), record);
    record->append(event);
  }
}

void append_known_calls_record(std::span<const ApiCall> calls, std::string* record) {
  record->push_back(static_cast<char>(kKnownCalls));
  for (const ApiCall& call : calls) {
    append_call(call, record);
    append_u64(static_cast<std::uint64_t>(call.end.value), record);
  }
}

bool is_event_record(std::string_view record) {
  const std::uint8_t kind = Fields(record).byte();
  return kind == kDecoded || kind == kRefused || kind == kErased;
}

std::optional<std::vector<ApiCall>> read_calls(std::string_view record, Offset next) {
  Fields fields(record);
  std::vector<ApiCall> calls;
  const std::uint8_t kind = fields.byte();
  if (kind == kCall) {
    calls.push_back(take_call(fields));
    calls.back().end = next;
    return events_in(record) ? std::optional(std::move(calls)) : std::nullopt;
  }
  if (kind != kKnownCalls) return std::nullopt;
  while (fields.more()) {
    calls.push_back(take_call(fields));
    calls.back().end = Offset{static_cast<std::int64_t>(fields.number())};
  }
  return fields.complete() ? std::optional(std::move(calls)) : std::nullopt;
}

std::optional<std::vector<std::string_view>> events_in(std::string_view record) {
  std::vector<std::string_view> events;
  if (is_event_record(record)) {
    events.push_back(record);
    return events;
  }
  Fields fields(record);
  const std::uint8_t kind = fields.byte();
  if (kind == kKnownCalls) return read_calls(record, Offset{0}) ? std::optional(std::move(events)) : std::nullopt;
  if (kind != kCall) return std::nullopt;
  const ApiCall call = take_call(fields);
  const std::uint64_t count = std::uint64_t{call.accepted} + call.rejected;
  while (fields.more() && events.size() < count) events.push_back(fields.bytes(fields.small_number()));
  return fields.complete() && events.size() == count ? std::optional(std::move(events)) : std::nullopt;
}

std::optional<ApiRecord> read_api_record(std::string_view record, const InteractionTypes& types, Interaction* decoded) {
  Fields fields(record);
  switch (fields.byte()) {
    case kDecoded:
      return read_decoded(fields, types, decoded) ? std::optional(ApiRecord{}) : std::nullopt;
    case kRefused:
      return read_refused(fields);
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::streaming
