#include "streaming/decode.h"

#include <simdjson.h>

#include <array>
#include <cmath>
#include <optional>

#include "cairn/rfc3339.h"
#include "streaming/simdjson/dom_decoder.h"
#include "streaming/simdjson/plain_event.h"
#include "streaming/simdjson/words.h"

namespace cairn::streaming {
namespace {

using Kind = PlainValue::Kind;

/// As valid_id() has it: no string of a plain event holds a NUL.
bool is_id(std::string_view text) noexcept { return !text.empty() && text.size() <= kIdBytesMax; }

bool is_id(const PlainValue& value) noexcept {
  if (value.kind == Kind::kText) return is_id(value.text);
  return value.kind == Kind::kInteger && !value.negative;  // 19 digits fit into 64 bits
}

/// A signed integer. Returns: false for one beyond 64 bits, and for what is no integer.
bool read_integer(const PlainValue& value, std::int64_t* integer) noexcept {
  if (value.kind != Kind::kInteger || value.magnitude > std::uint64_t{INT64_MAX}) return false;
  const auto magnitude = static_cast<std::int64_t>(value.magnitude);
  *integer = value.negative ? -magnitude : magnitude;
  return true;
}

// The results are written where they go and not returned as optionals: a double that is read back whole after it was
// written in parts waits until the store is done.
bool read_real(const PlainValue& value, double* real) noexcept {
  if (value.kind == Kind::kReal) {
    *real = value.real;
    return true;
  }
  std::int64_t integer = 0;
  if (!read_integer(value, &integer)) return false;
  *real = static_cast<double>(integer);
  return true;
}

/// Finds most types by their names in one step: a loop over the names would mispredict for nearly every event. Names of
/// more than eight bytes are looked up elsewhere, and those that found their slot taken.
class TypeTable {
 public:
  explicit TypeTable(const InteractionTypes& types) : types_(types) {
    for (std::size_t i = 0; i < types.size(); ++i) {
      const TypeIndex type{static_cast<std::uint8_t>(i)};
      const std::string& name = types.name(type);
      if (name.size() > sizeof(std::uint64_t) || name.find('\0') != std::string::npos) continue;
      Slot& slot = slots_[slot_of(word_of(name))];
      if (slot.word == 0) slot = {word_of(name), type};
    }
  }

  /// Requires: no NUL in `name`, 8 readable bytes at its beginning.
  [[nodiscard]] bool find(std::string_view name, TypeIndex* type) const {
    if (!name.empty() && name.size() <= sizeof(std::uint64_t)) {
      const std::uint64_t word = low_bytes(load_word(name.data()), name.size());
      const Slot& slot = slots_[slot_of(word)];
      *type = slot.type;
      if (slot.word == word) return true;
    }
    const std::optional<TypeIndex> found = types_.find(name);
    *type = found.value_or(TypeIndex{});
    return found.has_value();
  }

 private:
  static std::size_t slot_of(std::uint64_t word) noexcept { return word * 0x9E3779B97F4A7C15U >> 57; }

  struct Slot {
    std::uint64_t word = 0;  ///< 0: free
    TypeIndex type;
  };
  const InteractionTypes& types_;
  std::array<Slot, 128> slots_{};
};

}  // namespace

/// Nearly every event is in plain words and good. Such an event is taken here; the other decoder is asked about the
/// rest, and gives every reason. So this one knows only what it accepts, and answers "no" to whatever it does not know.
struct Decoder::Impl {
  Impl(const InteractionTypes& known_types, const DecodeOptions& decode_options, const Clock& wall_clock)
      : types(known_types),
        options(decode_options),
        clock(wall_clock),
        type_table(known_types),
        mapped(!decode_options.mapping.empty()) {}

  bool accept(std::string_view payload, Interaction* interaction);
  bool read_type(TypeIndex* type) const;
  bool read_time(EventTime* time) const;
  bool is_possible(EventTime time) const;
  bool read_degrees(Field field, double limit, double* degrees) const;
  bool has_value(Field field) const { return event.has(field) && event.fields[field].kind != Kind::kNull; }
  DomDecoder& judge();

  // Fixed after construction.
  const InteractionTypes& types;
  const DecodeOptions options;
  const Clock& clock;
  const TypeTable type_table;
  const bool mapped;  ///< events are not in the contract's words: the other decoder knows what they mean

  PlainEvent event;
  std::unique_ptr<DomDecoder> dom;  ///< made when it is first needed, which may be never: its buffers are large
  const std::string nothing;        ///< the detail before anything was refused
};

DomDecoder& Decoder::Impl::judge() {
  if (!dom) dom = std::make_unique<DomDecoder>(types, options, clock);
  return *dom;
}

/// Returns: false when the payload is not in plain words or not to be accepted; `*interaction` is untouched then.
bool Decoder::Impl::accept(std::string_view payload, Interaction* interaction) {
  if (payload.size() > options.event_bytes_max || !event.read(payload)) return false;
  // Corrections are few.
  if (event.has(kRetract)) return false;
  constexpr std::uint32_t kRequired = 1U << kUserId | 1U << kPlaceId | 1U << kType | 1U << kTs;
  if ((event.present & kRequired) != kRequired) return false;
  const auto& fields = event.fields;
  TypeIndex type;
  EventTime time;
  if (!is_id(fields[kUserId]) || !is_id(fields[kPlaceId]) || !read_type(&type) || !read_time(&time)) return false;
  double value = 0;
  const bool valued = has_value(kValue);
  if (valued && !(read_real(fields[kValue], &value) && std::abs(value) <= kInteractionValueMax)) return false;
  GeoPoint point;
  const bool placed = has_value(kLat);
  if (placed != has_value(kLon)) return false;
  if (placed && !(read_degrees(kLat, 90.0, &point.lat) && read_degrees(kLon, 180.0, &point.lon))) return false;
  const bool named = has_value(kEventId);
  if (named && !is_id(fields[kEventId])) return false;
  const std::string_view event_id = named ? fields[kEventId].text : std::string_view{};
  if (!event.ascii && !simdjson::validate_utf8(payload.data(), payload.size())) return false;

  interaction->user.assign(fields[kUserId].text);
  interaction->place.assign(fields[kPlaceId].text);
  interaction->type = type;
  interaction->time = time;
  interaction->value = valued ? std::optional(value) : std::nullopt;
  interaction->position = placed ? std::optional(point) : std::nullopt;
  interaction->event_id.assign(event_id);
  interaction->retracts = false;
  return true;
}

bool Decoder::Impl::read_type(TypeIndex* type) const {
  const PlainValue& value = event.fields[kType];
  return value.kind == Kind::kText && type_table.find(value.text, type);
}

bool Decoder::Impl::read_time(EventTime* time) const {
  const PlainValue& value = event.fields[kTs];
  if (value.kind == Kind::kText) {
    const std::optional<EventTime> read = parse_rfc3339(value.text);
    if (!read) return false;
    *time = *read;
  } else {
    std::int64_t ms = 0;
    if (!read_integer(value, &ms)) return false;
    *time = event_time_from_ms(ms);
  }
  return is_possible(*time);
}

bool Decoder::Impl::is_possible(EventTime time) const {
  if (time < options.time_min) return false;
  // What is possible by a clock that is behind is possible by the clock itself.
  return time <= clock.recent() + options.future_max || time <= clock.now() + options.future_max;
}

bool Decoder::Impl::read_degrees(Field field, double limit, double* degrees) const {
  return read_real(event.fields[field], degrees) && *degrees >= -limit && *degrees <= limit;
}

Decoder::Decoder(const InteractionTypes& types, const DecodeOptions& options, const Clock& clock)
    : impl_(std::make_unique<Impl>(types, options, clock)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Reject Decoder::decode(std::string_view payload, Interaction* interaction) {
  if (!impl_->mapped && impl_->accept(payload, interaction)) return Reject::kNone;
  return impl_->judge().decode(payload, interaction);
}

const std::string& Decoder::detail() const noexcept { return impl_->dom ? impl_->dom->detail() : impl_->nothing; }

}  // namespace cairn::streaming
