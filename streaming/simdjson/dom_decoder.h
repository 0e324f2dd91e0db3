#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/options.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// What Decoder promises, for every payload, by a JSON parser that builds the whole document: the judge of whatever is
/// not an event in plain words (plain_event.h), and the author of every reason. One thread.
class DomDecoder {
 public:
  /// `types` and `clock` must outlive the decoder.
  DomDecoder(const InteractionTypes& types, const DecodeOptions& options, const Clock& clock);
  ~DomDecoder();
  DomDecoder(const DomDecoder&) = delete;
  DomDecoder& operator=(const DomDecoder&) = delete;

  /// Like Decoder::decode().
  [[nodiscard]] Reject decode(std::string_view payload, Interaction* interaction);
  /// Like Decoder::detail().
  [[nodiscard]] const std::string& detail() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::streaming
