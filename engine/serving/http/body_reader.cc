#include "engine/serving/http/body_reader.h"

#include <algorithm>
#include <charconv>

namespace cairn::serving {
namespace {

// Of one line between chunks, or of one trailer.
constexpr std::size_t kLineBytesMax = 4096;
// Of a whole body. Nobody needs them, and without a bound a body of nothing but extensions would never end.
constexpr std::size_t kExtensionBytesMax = 16 * 1024;
constexpr std::size_t kSizeDigitsMax = 16;

ApiResponse malformed(const char* what) { return error_response(invalid_argument(what)); }

bool holds_control(std::string_view line) noexcept {
  return std::any_of(line.begin(), line.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; });
}

/// Whether what follows a chunk's size is nothing, or extensions.
bool may_follow_size(std::string_view rest) noexcept {
  if (rest.empty()) return true;
  const std::size_t begin = rest.find_first_not_of(" \t");
  return begin != std::string_view::npos && rest[begin] == ';';
}

}  // namespace

BodyReader::BodyReader(Framing framing, BodyLimits limits) : kind_(framing.kind), limits_(limits) {
  if (kind_ == Framing::Kind::kChunked) state_ = State::kSizeLine;
  if (kind_ != Framing::Kind::kLength) return;
  left_ = framing.length;
  state_ = State::kData;
  if (framing.length > limits.body_bytes) refuse_body_size();
}

std::size_t BodyReader::take(std::string_view input) {
  std::size_t taken = 0;
  while (taken < input.size() && !done() && !refusal_) {
    const std::string_view rest = input.substr(taken);
    taken += state_ == State::kData ? take_data(rest) : take_line(rest);
  }
  return taken;
}

std::size_t BodyReader::size_after(std::size_t bytes) const noexcept {
  const std::uint64_t more = kind_ == Framing::Kind::kLength ? std::min<std::uint64_t>(left_, bytes) : bytes;
  return std::min(limits_.body_bytes, body_.size() + static_cast<std::size_t>(more));
}

std::span<char> BodyReader::prepare(std::size_t bytes) {
  const std::size_t size = body_.size();
  prepared_ = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes));
  body_.resize(size + prepared_);
  return {body_.data() + size, prepared_};
}

void BodyReader::commit(std::size_t bytes) {
  body_.resize(body_.size() - prepared_ + bytes);
  prepared_ = 0;
  left_ -= bytes;
  if (left_ == 0) state_ = State::kDone;
}

std::size_t BodyReader::take_data(std::string_view input) {
  const std::string_view data = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
  body_.append(data);
  left_ -= data.size();
  if (left_ == 0) state_ = kind_ == Framing::Kind::kLength ? State::kDone : State::kChunkEnd;
  return data.size();
}

std::size_t BodyReader::take_line(std::string_view input) {
  const std::size_t end = input.find('\n');
  const std::string_view part = input.substr(0, end == std::string_view::npos ? end : end + 1);
  if (line_.size() + part.size() > kLineBytesMax) {
    refuse(state_ == State::kTrailerLine
               ? error_response(431, invalid_argument("a trailer exceeds 4096 bytes"))
               : malformed("a line between chunks exceeds 4096 bytes (RFC 9112, section 7.1)"));
    return 0;
  }
  line_.append(part);
  if (end == std::string_view::npos) return part.size();
  if (line_.ends_with("\r\n") && !holds_control(std::string_view(line_).substr(0, line_.size() - 2))) {
    end_line(std::string_view(line_).substr(0, line_.size() - 2));
  } else {
    refuse(malformed("a line of the chunked body does not end in CRLF, or holds a control character"));
  }
  line_.clear();
  return part.size();
}

void BodyReader::end_line(std::string_view line) {
  if (state_ == State::kSizeLine) return read_size(line);
  if (state_ == State::kTrailerLine) return read_trailer(line);
  state_ = State::kSizeLine;
  if (!line.empty()) refuse(malformed("a chunk is longer than its size says (RFC 9112, section 7.1)"));
}

void BodyReader::read_size(std::string_view line) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  const auto digits = static_cast<std::size_t>(end - line.data());
  if (error != std::errc() || digits > kSizeDigitsMax || !may_follow_size(line.substr(digits))) {
    return refuse(malformed("a chunk's size must be 1 to 16 hexadecimal digits (RFC 9112, section 7.1)"));
  }
  extension_bytes_ += line.size() - digits;
  if (extension_bytes_ > kExtensionBytesMax) return refuse(malformed("the chunks' extensions exceed 16 KiB"));
  if (size > limits_.body_bytes - std::min(limits_.body_bytes, body_.size())) return refuse_body_size();
  left_ = size;
  state_ = size > 0 ? State::kData : State::kTrailerLine;
}

/// Trailers could claim what the header was refused for, or say otherwise than it, so none is used.
void BodyReader::read_trailer(std::string_view line) {
  if (line.empty()) {
    state_ = State::kDone;
    return;
  }
  trailer_bytes_ += line.size() + 2;
  if (trailer_bytes_ > limits_.trailer_bytes) {
    return refuse(error_response(
        431, invalid_argument("the request's trailers exceed " + std::to_string(limits_.trailer_bytes) + " bytes")));
  }
  if (!is_field_line(line)) refuse(malformed("a trailer is no \"name: value\" (RFC 9112, section 7.1.2)"));
}

void BodyReader::refuse(ApiResponse refusal) { refusal_ = std::move(refusal); }

void BodyReader::refuse_body_size() {
  refuse(error_response(413, invalid_argument("the request's body exceeds " + std::to_string(limits_.body_bytes) +
                                              " bytes; send it in parts")));
}

}  // namespace cairn::serving
