#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/options.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// Reads interactions from JSON, strictly: a payload is one object with the fields of DESIGN's contract and nothing
/// after it. Unknown fields are allowed and ignored, at any depth the parser takes. Keys are compared after unescaping;
/// a key that stands twice is an error: parsers differ in which of its values they take. For user_id, place_id and
/// event_id integers up to 2^64-1 are allowed and become their decimal text, and so are whole numbers below 2^53 with a
/// point or an exponent (1001.0). Optional fields may be null. Numbers beyond a double's range are malformed. A byte
/// order mark at the beginning is passed over.
///
/// With DecodeOptions::mapping, events are read that have other names, types and times; they cost about twice as much.
///
/// When several things are wrong with a payload, the reason is the first of these: its size, its JSON, its kind of
/// value, a key that stands twice, the fields in the order of the contract. A required field that is missing is judged
/// in that order, too.
///
/// One thread at a time; keeps its buffers between calls.
class Decoder {
 public:
  /// `types` and `clock` must outlive the decoder.
  /// Requires: check_mapping() of the options' mapping (streaming/mapping.h).
  Decoder(const InteractionTypes& types, const DecodeOptions& options, const Clock& clock);
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// Decodes one payload into `*interaction` (every field is overwritten).
  /// Requires: kPayloadPadding readable bytes after `payload` (see streaming/source.h).
  /// Returns: kNone, or why not; detail() then says where and what in words.
  [[nodiscard]] Reject decode(std::string_view payload, Interaction* interaction);

  /// About the last rejection: "field 'lat': 91.2 is not in [-90, 90]".
  [[nodiscard]] const std::string& detail() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::streaming
