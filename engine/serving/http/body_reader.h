#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/serving/api/message.h"
#include "engine/serving/http/header_block.h"

namespace cairn::serving {

struct BodyLimits {
  std::size_t body_bytes = 0;
  std::size_t trailer_bytes = 0;  ///< of all trailers together
};

/// Puts a request's body together from the bytes that come, by length or in chunks (RFC 9112, section 7.1). Of what
/// surrounds a chunked body nothing is kept: extensions and trailers are checked, counted and left out.
///
/// Threads: one at a time.
class BodyReader {
 public:
  /// A length over the limit is refused at once.
  BodyReader(Framing framing, BodyLimits limits);

  /// Takes bytes of the body from the front of `input`, all it can use. What is left once it is `done` belongs to the
  /// next request. Returns: how many it took; fewer than all only when it is done or has refused.
  std::size_t take(std::string_view input);

  /// The same without a copy, for a body that is delimited by its length: room for up to `bytes` more of it, and how
  /// many were put there. Nothing else may be called in between.
  [[nodiscard]] std::span<char> prepare(std::size_t bytes);
  void commit(std::size_t bytes);
  [[nodiscard]] bool by_length() const noexcept { return kind_ == Framing::Kind::kLength; }

  /// The size that the body can have after `bytes` more were taken, at most.
  [[nodiscard]] std::size_t size_after(std::size_t bytes) const noexcept;
  void reserve(std::size_t bytes) { body_.reserve(bytes); }
  [[nodiscard]] std::size_t capacity() const noexcept { return body_.capacity(); }
  /// Memory in use, in bytes.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return body_.capacity() + line_.capacity(); }

  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  /// What is wrong with the body, as an answer; none while nothing is.
  [[nodiscard]] std::optional<ApiResponse>& refusal() noexcept { return refusal_; }

  [[nodiscard]] std::string take_body() noexcept { return std::move(body_); }

 private:
  enum class State : std::uint8_t { kData, kChunkEnd, kSizeLine, kTrailerLine, kDone };

  std::size_t take_data(std::string_view input);
  std::size_t take_line(std::string_view input);
  void end_line(std::string_view line);
  void read_size(std::string_view line);
  void read_trailer(std::string_view line);
  void refuse(ApiResponse refusal);
  void refuse_body_size();

  // Fixed after construction.
  const Framing::Kind kind_;
  const BodyLimits limits_;

  State state_ = State::kDone;
  std::uint64_t left_ = 0;  ///< of the body, or of the chunk at hand
  std::string body_;
  std::size_t prepared_ = 0;  ///< of the body's end, without content yet
  std::string line_;          ///< what has come of a line that is no data
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::optional<ApiResponse> refusal_;
};

}  // namespace cairn::serving
