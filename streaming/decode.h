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
/// a key that stands twice is an error: parsers differ in which of its values they take. For user_id and place_id
/// integers up to 2^64-1 are allowed and become their decimal text. Optional fields may be null. Numbers beyond a
/// double's range are malformed.
///
/// When several things are wrong with a payload, the reason is the first of these: its size, its JSON, its kind of
/// value, a key that stands twice, the fields in the order of the contract. A required field that is missing is judged
/// in that order, too.
///
/// One thread at a time; keeps its buffers between calls.
class Decoder {
 public:
  /// `types` and `clock` must outlive the decoder.
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
