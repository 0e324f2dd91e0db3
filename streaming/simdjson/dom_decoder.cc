#include "streaming/simdjson/dom_decoder.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "cairn/check.h"
#include "cairn/exchanged_position.h"
#include "cairn/rfc3339.h"
#include "cairn/utf8.h"
#include "cairn/whole_number.h"
#include "streaming/event_times.h"
#include "streaming/field_names.h"
#include "streaming/json_members.h"
#include "streaming/mapping.h"
#include "streaming/number_hint.h"
#include "streaming/simdjson/event_fields.h"
#include "streaming/simdjson/json_text.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

// The DOM and not On-Demand: in simdjson 3.0.1 the latter accepts what follows a document, values that are wrong where
// nobody looks, and the first of two equal keys.
namespace dom = simdjson::dom;

static_assert(simdjson::SIMDJSON_PADDING <= kPayloadPadding, "payloads are padded with less than simdjson reads");

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kWhitespace = " \t\n\r";
constexpr std::size_t kDeeper = SIZE_MAX;  ///< the place of a field that is no member of the event itself

/// The field that `key` names, kFields when it names none. Lengths are compared first, since most keys that are none of
/// ours differ in theirs.
Field field_named(std::string_view key) {
  const auto is = [&](Field field) { return key == kFieldNames[field] ? field : kFields; };
  switch (key.size()) {
    case 2:
      return is(kTs);
    case 3:
      return key == kFieldNames[kLat] ? kLat : is(kLon);
    case 4:
      return is(kType);
    case 5:
      return is(kValue);
    case 7:
      return key == kFieldNames[kUserId] ? kUserId : is(kRetract);
    case 8:
      return key == kFieldNames[kPlaceId] ? kPlaceId : is(kEventId);
    default:
      return kFields;
  }
}

/// `text` for a message: its first bytes, control characters masked, whole UTF-8 sequences.
std::string excerpt(std::string_view text) {
  constexpr std::size_t kBytesMax = 64;
  std::size_t size = std::min(text.size(), kBytesMax);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  std::string out(text.substr(0, size));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return size < text.size() ? out + "..." : out;
}

std::string number_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

/// What `element` is, for a message: "'abc'", "91.5", "an array".
std::string shown(dom::element element) {
  switch (element.type()) {
    case dom::element_type::STRING: {
      const std::string_view text = element.get_string().value_unsafe();
      return std::string("'").append(excerpt(text)).append("'");
    }
    case dom::element_type::INT64:
      return std::to_string(element.get_int64().value_unsafe());
    case dom::element_type::UINT64:
      return std::to_string(element.get_uint64().value_unsafe());
    case dom::element_type::DOUBLE:
      return number_text(element.get_double().value_unsafe());
    case dom::element_type::BOOL:
      return element.get_bool().value_unsafe() ? "true" : "false";
    case dom::element_type::NULL_VALUE:
      return "null";
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
  }
  return "unknown";
}

/// What stands at a path of names with dots between, in the text of an object; empty where a name has escapes.
std::string_view text_at(std::string_view object, std::string_view path) {
  const std::size_t dot = path.find('.');
  for (const JsonMember& member : json_members(object)) {
    const std::string_view name = member.key.substr(1, member.key.size() - 2);
    if (name == path) return member.value;
    if (dot == std::string_view::npos || name != path.substr(0, dot)) continue;
    return text_at(member.value, path.substr(dot + 1));
  }
  return {};
}

/// What simdjson says of a text, and of one that is no UTF-8 where and what to do.
std::string words_for(simdjson::error_code error, std::string_view json) {
  std::size_t at = 0;
  while (at < json.size()) {
    const std::size_t length = utf8_length(json.substr(at));
    if (length == 0) {
      return "byte " + std::to_string(at + 1) +
             " is no UTF-8; send UTF-8, or convert a file (cairn ingest --encoding latin1)";
    }
    at += length;
  }
  return simdjson::error_message(error);
}

std::string joined(const InteractionTypes& types) {
  std::string names;
  for (std::size_t i = 0; i < types.size(); ++i) {
    names += (names.empty() ? "" : ", ") + types.name(TypeIndex{static_cast<std::uint8_t>(i)});
  }
  return names;
}

}  // namespace

struct DomDecoder::Impl {
  Impl(const InteractionTypes& known_types, const DecodeOptions& decode_options, const Clock& wall_clock)
      : types(known_types),
        options(decode_options),
        clock(wall_clock),
        times(EventTimes::make(options.mapping.time_format, options.mapping.time_zone)) {
    CAIRN_CHECK(times.ok());  // check_mapping() was asked before
    for (const auto& [name, field] : options.mapping.fields) mapped.push_back({name, field_named(field)});
    // Grown once here and not by every payload that is the longest so far.
    CAIRN_CHECK(parser.allocate(std::clamp<std::size_t>(options.event_bytes_max, 1 << 10, 64 << 10)) ==
                simdjson::SUCCESS);
  }

  Reject decode(std::string_view whole, Interaction* interaction);
  Reject parse(std::string_view json, dom::object* object);
  Reject parse_what_is_no_object(std::string_view json);
  simdjson::error_code parse_json(std::string_view padded, dom::element* root);
  Reject collect(dom::object object);
  Reject check_unknown_keys();
  void take_mapped(dom::object object);
  template <class Id>
  Reject read_id(Field field, Id* id);
  Reject read_id_text(Reject reason, Field field, std::string* id);
  Reject read_type(TypeIndex* type);
  Reject read_time(EventTime* time);
  struct Impossible {
    std::string what;
    std::string remedy;
  };
  Reject refuse_impossible(std::string_view number, const Impossible& why);
  [[nodiscard]] Impossible too_early() const;
  [[nodiscard]] Impossible too_late() const;
  Reject refuse_no_number(Reject reason, Field field);
  Reject read_value(std::optional<double>* value);
  Reject read_position(std::optional<GeoPoint>* position);
  Reject read_event_id(std::string* event_id);
  Reject read_retract(const Interaction& event, bool* retracts);
  Reject read_degrees(Field field, double limit, double* degrees);

  Reject refuse(Reject reason, std::string words) {
    detail = std::move(words);
    return reason;
  }
  Reject refuse_field(Reject reason, Field field, std::string_view words) {
    return refuse(reason, "field '" + std::string(kFieldNames[field]) + "': " + std::string(words));
  }
  Reject refuse_missing(Field field) {
    return refuse_field(Reject::kMissingField, field, "is missing" + unknown_members(unknown_keys, kFieldNames[field]));
  }
  Reject refuse_value(Reject reason, Field field, std::string_view words) {
    return refuse_field(reason, field, sent(field) + " " + std::string(words));
  }
  /// A field as a message shows it: of a number the text that was sent.
  [[nodiscard]] std::string sent(Field field) const {
    const bool number = fields[field].is<double>();  // or converts to one
    const std::string_view text = number ? raw(field) : std::string_view();
    return text.empty() ? shown(fields[field]) : excerpt(text);
  }
  /// A field's value as it stands in the payload; empty where it cannot be found again.
  [[nodiscard]] std::string_view raw(Field field) const {
    if (places[field] == kDeeper) {
      for (const Mapped& one : mapped) {
        if (one.field == field) return text_at(payload, one.name);
      }
    }
    const std::vector<JsonMember> members = json_members(payload);
    return places[field] < members.size() ? members[places[field]].value : std::string_view();
  }
  /// Optional fields may be null.
  bool has_value(Field field) const { return present[field] && !fields[field].is_null(); }

  // Fixed after construction.
  const InteractionTypes& types;
  const DecodeOptions options;
  const Clock& clock;
  const Result<EventTimes> times;
  struct Mapped {
    std::string name;  ///< in the events
    Field field;
  };
  std::vector<Mapped> mapped;

  dom::parser parser;
  std::string rewritten;  ///< padded copy, for the rare payloads that are not parsed where they lie
  std::string detail;
  std::array<dom::element, kFields> fields;  ///< of the payload at hand, where `present`
  std::bitset<kFields> present;
  std::array<std::size_t, kFields> places{};  ///< which member of the object each is
  std::string_view payload;
  std::vector<std::string_view> unknown_keys;
};

Reject DomDecoder::Impl::decode(std::string_view whole, Interaction* interaction) {
  dom::object object;
  payload = whole;
  if (payload.starts_with(kByteOrderMark)) payload.remove_prefix(kByteOrderMark.size());
  if (Reject r = parse(payload, &object); r != Reject::kNone) return r;
  if (Reject r = collect(object); r != Reject::kNone) return r;
  if (!mapped.empty()) take_mapped(object);
  if (Reject r = read_id(kUserId, &interaction->user); r != Reject::kNone) return r;
  if (Reject r = read_id(kPlaceId, &interaction->place); r != Reject::kNone) return r;
  if (Reject r = read_type(&interaction->type); r != Reject::kNone) return r;
  if (Reject r = read_time(&interaction->time); r != Reject::kNone) return r;
  if (Reject r = read_value(&interaction->value); r != Reject::kNone) return r;
  if (Reject r = read_position(&interaction->position); r != Reject::kNone) return r;
  if (Reject r = read_event_id(&interaction->event_id); r != Reject::kNone) return r;
  return read_retract(*interaction, &interaction->retracts);
}

Reject DomDecoder::Impl::parse(std::string_view json, dom::object* object) {
  if (json.size() > options.event_bytes_max) {
    return refuse(Reject::kOversized, std::to_string(json.size()) + " bytes are more than the " +
                                          std::to_string(options.event_bytes_max) + " allowed");
  }
  const std::size_t start = json.find_first_not_of(kWhitespace);
  if (start == std::string_view::npos) return refuse(Reject::kMalformedJson, "empty payload");
  if (json[start] != '{') return parse_what_is_no_object(json);
  dom::element root;
  if (const auto error = parse_json(json, &root)) {
    return refuse(Reject::kMalformedJson, words_for(error, json));
  }
  // simdjson takes a document whose first character is '{' and that parses for nothing but an object.
  CAIRN_CHECK(root.get(*object) == simdjson::SUCCESS);
  return Reject::kNone;
}

/// Anything but an object is an error; which one depends on whether it is JSON. As the only element of an array it is
/// parsed without simdjson's special way for scalars at the root, whose look past their end was mended after 3.0.1
/// (simdjson #1981, #2045).
Reject DomDecoder::Impl::parse_what_is_no_object(std::string_view json) {
  std::string wrapped;
  wrapped.reserve(json.size() + 2 + kPayloadPadding);
  wrapped.append("[").append(json).append("]");
  dom::element root;
  dom::array array;
  if (const auto error = parse_json(wrapped, &root)) {
    return refuse(Reject::kMalformedJson, words_for(error, json));
  }
  if (root.get(array) != simdjson::SUCCESS || array.size() != 1) {
    return refuse(Reject::kMalformedJson, "more than one JSON value");
  }
  return refuse(Reject::kNotAnObject, "is " + shown(array.at(0).value_unsafe()) + ", not an object");
}

simdjson::error_code DomDecoder::Impl::parse_json(std::string_view padded, dom::element* root) {
  const auto run = [&](std::string_view json) {
    return parser.parse(json.data(), json.size(), /*realloc_if_needed=*/false).get(*root);
  };
  const simdjson::error_code error = run(padded);
  if (error != simdjson::NUMBER_ERROR) return error;
  rewritten = with_wide_integers_as_reals(padded);
  rewritten.reserve(rewritten.size() + kPayloadPadding);
  return run(rewritten);
}

Reject DomDecoder::Impl::collect(dom::object object) {
  present.reset();
  unknown_keys.clear();
  std::size_t place = 0;
  for (const dom::key_value_pair& pair : object) {
    const Field field = field_named(pair.key);
    if (field == kFields) {
      unknown_keys.push_back(pair.key);
    } else if (present[field]) {  // simdjson keeps both, and would answer the first
      return refuse(Reject::kDuplicateKey, "key '" + std::string(pair.key) + "' stands twice");
    } else {
      present.set(field);
      fields[field] = pair.value;
      places[field] = place;
    }
    ++place;
  }
  return unknown_keys.size() < 2 ? Reject::kNone : check_unknown_keys();
}

namespace {

/// Finds a member by its whole name, or by a path of names with dots between. Returns: its place in the object, that of
/// something deeper is beyond all; nullopt where there is none, and for null.
std::optional<std::size_t> find_member(dom::object object, std::string_view path, dom::element* found) {
  std::size_t place = 0;
  for (const dom::key_value_pair& pair : object) {
    *found = pair.value;
    if (pair.key == path) return found->is_null() ? std::nullopt : std::optional(place);
    ++place;
  }
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  dom::element outer;
  dom::object inner;
  if (!find_member(object, path.substr(0, dot), &outer) || outer.get(inner) != simdjson::SUCCESS) return std::nullopt;
  return find_member(inner, path.substr(dot + 1), found) ? std::optional(kDeeper) : std::nullopt;
}

}  // namespace

/// What a mapping names counts before the contract's own names, and a name that is mapped to another field is not that
/// of its own any more.
void DomDecoder::Impl::take_mapped(dom::object object) {
  for (const Mapped& one : mapped) {
    const Field own = field_named(one.name);
    if (own != kFields && own != one.field) present.reset(own);
    std::erase_if(unknown_keys, [&one](std::string_view key) {
      return key == one.name || (one.name.starts_with(key) && one.name[key.size()] == '.');
    });
  }
  for (const Mapped& one : mapped) {
    dom::element found;
    const auto place = find_member(object, one.name, &found);
    if (!place) continue;
    present.set(one.field);
    fields[one.field] = found;
    places[one.field] = *place;
  }
}

Reject DomDecoder::Impl::check_unknown_keys() {
  // Sorted and not compared pairwise: an event may have thousands of keys that nobody asked for.
  std::sort(unknown_keys.begin(), unknown_keys.end());
  const auto twice = std::adjacent_find(unknown_keys.begin(), unknown_keys.end());
  if (twice == unknown_keys.end()) return Reject::kNone;
  return refuse(Reject::kDuplicateKey, "key '" + excerpt(*twice) + "' stands twice");
}

template <class Id>
Reject DomDecoder::Impl::read_id(Field field, Id* id) {
  if (!present[field]) return refuse_missing(field);
  std::string text;
  if (Reject r = read_id_text(Reject::kBadId, field, &text); r != Reject::kNone) return r;
  *id = Id(std::string_view(text));
  return Reject::kNone;
}

/// What names something: a text, or a whole number, which becomes its decimal text.
Reject DomDecoder::Impl::read_id_text(Reject reason, Field field, std::string* id) {
  std::string_view text;
  if (fields[field].get(text) == simdjson::SUCCESS) {
    if (!valid_id(text)) return refuse_value(reason, field, "is not 1 to 128 bytes without NUL");
    id->assign(text);
    return Reject::kNone;
  }
  std::uint64_t number = 0;
  if (fields[field].get(number) != simdjson::SUCCESS) {
    const auto whole = fields[field].is<double>() ? whole_number(raw(field)) : std::nullopt;
    if (!whole || raw(field).empty()) {
      return refuse_value(reason, field,
                          "is neither a string nor an unsigned integer (with a point or an exponent: below 2^53)");
    }
    number = *whole;
  }
  *id = std::to_string(number);
  return Reject::kNone;
}

Reject DomDecoder::Impl::read_type(TypeIndex* type) {
  const MappingOptions& mapping = options.mapping;
  const bool none = !present[kType] || fields[kType].is_null();
  if (!present[kType] && mapping.type.empty()) return refuse_missing(kType);
  std::string_view name = mapping.type;
  const bool given = !none || mapping.type.empty();
  if (given && fields[kType].get(name) != simdjson::SUCCESS) name = mapping.types.empty() ? "" : raw(kType);
  if (given && !mapping.types.empty()) {
    const auto meant = mapping.types.find(std::string(name));
    if (meant != mapping.types.end()) name = meant->second;
  }
  if (const auto found = types.find(name)) {
    *type = *found;
    return Reject::kNone;
  }
  return refuse_value(Reject::kUnknownType, kType,
                      "is no known type; there are " + joined(types) +
                          "; declare it in [types], or map it to one in [mapping.types] (--type-map THEIRS=OURS)");
}

Reject DomDecoder::Impl::read_time(EventTime* time) {
  if (!present[kTs]) return refuse_missing(kTs);
  std::string_view text;
  const bool words = fields[kTs].get(text) == simdjson::SUCCESS;
  std::optional<EventTime> read;
  if (words) {
    read = times->read_text(text);
  } else if (fields[kTs].type() == dom::element_type::INT64 || fields[kTs].type() == dom::element_type::DOUBLE) {
    text = raw(kTs);
    const std::string number = text.empty() ? shown(fields[kTs]) : std::string(text);
    read = times->read_number(number);
  } else if (fields[kTs].type() == dom::element_type::UINT64) {
    return refuse_impossible(text, too_late());
  }
  if (!read) {
    const std::string hint = time_hint(text, words);
    return refuse_value(Reject::kBadTime, kTs, "is not " + times->expected() + (hint.empty() ? "" : "; " + hint));
  }
  *time = *read;
  // What is in words is what it says; a number may be meant in another unit.
  const std::string_view number = words || !options.mapping.time_format.empty() ? std::string_view() : text;
  if (*time < options.time_min) return refuse_impossible(number, too_early());
  if (*time > clock.now() + options.future_max) return refuse_impossible(number, too_late());
  return Reject::kNone;
}

/// `number`: what may be meant in another unit; empty: nothing.
Reject DomDecoder::Impl::refuse_impossible(std::string_view number, const Impossible& why) {
  const std::string hint = time_hint(number, false);
  return refuse_value(Reject::kImpossibleTime, kTs, why.what + (hint.empty() ? why.remedy : "; " + hint));
}

DomDecoder::Impl::Impossible DomDecoder::Impl::too_early() const {
  return {"lies before the earliest time", ", " + format_rfc3339(EventTime(options.time_min)).substr(0, 10) +
                                               "; to take it, set decode.time_min to an earlier day"};
}

DomDecoder::Impl::Impossible DomDecoder::Impl::too_late() const {
  return {"lies too far in the future", ": more than " + std::to_string(options.future_max.count()) +
                                            " h ahead of this server's clock (" + format_rfc3339(clock.now()) +
                                            "); set the sender's clock right, or raise decode.future_max"};
}

Reject DomDecoder::Impl::refuse_no_number(Reject reason, Field field) {
  std::string_view text;
  const bool words = fields[field].get(text) == simdjson::SUCCESS;
  return refuse_value(reason, field, "is no number" + (words ? number_hint(text) : std::string()));
}

Reject DomDecoder::Impl::read_value(std::optional<double>* value) {
  value->reset();
  if (!has_value(kValue)) return Reject::kNone;
  double number = 0;
  if (fields[kValue].get(number) != simdjson::SUCCESS) return refuse_no_number(Reject::kBadValue, kValue);
  if (!(std::abs(number) <= kInteractionValueMax)) {
    return refuse_value(Reject::kBadValue, kValue, "is not in [-1e12, 1e12]");
  }
  *value = number;
  return Reject::kNone;
}

Reject DomDecoder::Impl::read_position(std::optional<GeoPoint>* position) {
  position->reset();
  const bool lat = has_value(kLat);
  const bool lon = has_value(kLon);
  if (!lat && !lon) return Reject::kNone;
  if (!lat) return refuse_field(Reject::kBadPosition, kLon, "stands without 'lat'");
  if (!lon) return refuse_field(Reject::kBadPosition, kLat, "stands without 'lon'");
  GeoPoint point;
  if (Reject r = read_degrees(kLat, 90.0, &point.lat); r != Reject::kNone) return r;
  if (Reject r = read_degrees(kLon, 180.0, &point.lon); r != Reject::kNone) return r;
  *position = point;
  return Reject::kNone;
}

Reject DomDecoder::Impl::read_degrees(Field field, double limit, double* degrees) {
  if (fields[field].get(*degrees) != simdjson::SUCCESS) return refuse_no_number(Reject::kBadPosition, field);
  if (*degrees >= -limit && *degrees <= limit) return Reject::kNone;
  GeoPoint both;
  const bool numbers =
      fields[kLat].get(both.lat) == simdjson::SUCCESS && fields[kLon].get(both.lon) == simdjson::SUCCESS;
  if (!numbers) both = {};
  return refuse_value(Reject::kBadPosition, field,
                      "is not in [-" + number_text(limit) + ", " + number_text(limit) + "]" + exchanged_hint(both));
}

Reject DomDecoder::Impl::read_event_id(std::string* event_id) {
  event_id->clear();
  if (!has_value(kEventId)) return Reject::kNone;
  return read_id_text(Reject::kBadEventId, kEventId, event_id);
}

Reject DomDecoder::Impl::read_retract(const Interaction& event, bool* retracts) {
  *retracts = false;
  if (!has_value(kRetract)) return Reject::kNone;
  if (fields[kRetract].get(*retracts) != simdjson::SUCCESS) {
    return refuse_value(Reject::kBadRetraction, kRetract, "is neither true nor false");
  }
  if (!*retracts || !event.event_id.empty()) return Reject::kNone;
  return refuse_field(Reject::kBadRetraction, kRetract,
                      "stands without 'event_id', which names the event to take back");
}

DomDecoder::DomDecoder(const InteractionTypes& types, const DecodeOptions& options, const Clock& clock)
    : impl_(std::make_unique<Impl>(types, options, clock)) {}
DomDecoder::~DomDecoder() = default;

Reject DomDecoder::decode(std::string_view payload, Interaction* interaction) {
  return impl_->decode(payload, interaction);
}

const std::string& DomDecoder::detail() const noexcept { return impl_->detail; }

}  // namespace cairn::streaming
