// An event as JSON: what the decoder for plain events makes of it must be what the one that builds documents makes.
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "streaming/decode.h"
#include "streaming/simdjson/dom_decoder.h"
#include "streaming/source.h"
#include "tests/fuzz/fuzzer.h"

namespace cairn::fuzz {
namespace {

using streaming::Reject;

bool same_bits(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

void check_promises(const Interaction& event, const InteractionTypes& types) {
  check(valid_id(event.user.str()) && valid_id(event.place.str()), "an id that is none");
  check(event.type.value < types.size(), "a type that is none");
  check(!event.value || std::abs(*event.value) <= kInteractionValueMax, "a value out of range");
  check(!event.position || valid_position(*event.position), "a position out of range");
  check(event.event_id.empty() || valid_id(event.event_id), "an event id that is none");
}

void check_same(const Interaction& a, const Interaction& b) {
  check(a.user == b.user && a.place == b.place && a.type == b.type && a.time == b.time && a.event_id == b.event_id,
        "the decoders read different events");
  check(a.value.has_value() == b.value.has_value() && (!a.value || same_bits(*a.value, *b.value)),
        "the decoders read different values");
  check(
      a.position.has_value() == b.position.has_value() &&
          (!a.position || (same_bits(a.position->lat, b.position->lat) && same_bits(a.position->lon, b.position->lon))),
      "the decoders read different positions");
}

}  // namespace
}  // namespace cairn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  static const InteractionTypes types = InteractionTypes::with_declared({"share", "viewed_for_long"}).value();
  static const ManualClock clock(event_time_from_ms(1'714'566'600'000));
  static const DecodeOptions options{.event_bytes_max = 4096};
  static streaming::Decoder decoder(types, options, clock);
  static streaming::DomDecoder documents(types, options, clock);
  // Exactly the padding that is promised, and nothing that ends a string or a number.
  std::vector<char> padded(size + streaming::kPayloadPadding, '9');
  if (size > 0) std::memcpy(padded.data(), data, size);
  const std::string_view payload(padded.data(), size);
  Interaction got;
  Interaction expected;
  const auto reject = decoder.decode(payload, &got);
  fuzz::check(documents.decode(payload, &expected) == reject, "the decoders do not agree");
  if (reject == fuzz::Reject::kNone) {
    fuzz::check_promises(got, types);
    fuzz::check_same(got, expected);
  } else {
    fuzz::check(!decoder.detail().empty() && decoder.detail().size() < 0xFFFF, "a reject without a detail that fits");
  }
  return 0;
}
