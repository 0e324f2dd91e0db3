#include "engine/serving/http/content_coding.h"

#include <zlib.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <new>

#ifdef CAIRN_HAVE_BROTLI
#include <brotli/encode.h>
#endif

namespace cairn::serving {
namespace {

/// Three decimals as thousandths, so that weights are compared exactly.
constexpr int kWeightOne = 1000;

/// Beyond these, time grows faster than answers shrink.
constexpr int kGzipLevel = 4;
constexpr int kGzipWindowBits = 15 + 16;  // 16: with gzip's header and sum
constexpr int kGzipMemoryLevel = 8;
#ifdef CAIRN_HAVE_BROTLI
constexpr int kBrotliQuality = 3;
constexpr int kBrotliWindowBits = 18;
#endif

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::string_view take_until(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return trimmed(taken);
}

/// "0", "0.5", "1.000" as thousandths (RFC 9110, section 12.4.2); none for anything else.
std::optional<int> read_weight(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  int weight = (text[0] - '0') * kWeightOne;
  if (text.size() == 1) return weight;
  if (text[1] != '.') return std::nullopt;
  int unit = kWeightOne / 10;
  for (const char digit : text.substr(2)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    weight += (digit - '0') * unit;
    unit /= 10;
  }
  return weight <= kWeightOne ? std::optional(weight) : std::nullopt;
}

/// The weight after a coding's name: none of it is 1. None: malformed.
std::optional<int> weight_of(std::string_view parameters) noexcept {
  if (parameters.empty()) return kWeightOne;
  std::string_view rest = parameters;
  const std::string_view name = take_until(rest, '=');
  if (!equal_ignoring_case(name, "q")) return std::nullopt;
  return read_weight(trimmed(rest));
}

struct Weights {
  std::optional<int> gzip;
  std::optional<int> brotli;
  std::optional<int> identity;
  std::optional<int> others;

  /// Of the same name twice, the more willing counts.
  void note(std::string_view name, int weight) {
    std::optional<int>* const known = equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip") ? &gzip
                                      : equal_ignoring_case(name, "br")                                        ? &brotli
                                      : equal_ignoring_case(name, "identity") ? &identity
                                      : name == "*"                           ? &others
                                                                              : nullptr;
    if (known != nullptr) *known = std::max(known->value_or(0), weight);
  }
};

bool is_text(std::string_view content_type) noexcept {
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  return type.starts_with("text/") || type == "application/json" || type == "application/x-ndjson" ||
         type == "application/javascript" || type == "image/svg+xml";
}

/// `body` as gzip, of at most `bytes_max`; empty when it does not fit, or there is no memory.
std::string gzipped(const std::string& body, std::size_t bytes_max) {
  std::string out(bytes_max, '\0');  // before the stream: what throws must leave nothing behind
  z_stream stream{};
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindowBits, kGzipMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  // zlib's interface is older than const; it does not write here.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

std::string brotlied([[maybe_unused]] const std::string& body, [[maybe_unused]] std::size_t bytes_max) {
#ifdef CAIRN_HAVE_BROTLI
  std::string out(bytes_max, '\0');
  std::size_t size = out.size();
  const bool done = BrotliEncoderCompress(kBrotliQuality, kBrotliWindowBits, BROTLI_MODE_TEXT, body.size(),
                                          reinterpret_cast<const std::uint8_t*>(body.data()), &size,
                                          reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_TRUE;
  out.resize(done ? size : 0);
  return out;
#else
  return {};
#endif
}

/// `body` in `coding`, in no more memory than it takes; empty when it does not fit `bytes_max`, or there is no memory:
/// then an answer goes as it is, which is better than none.
std::string coded_as(Coding coding, const std::string& body, std::size_t bytes_max) noexcept {
  try {
    std::string coded = coding == Coding::kGzip ? gzipped(body, bytes_max) : brotlied(body, bytes_max);
    coded.shrink_to_fit();
    return coded;
  } catch (const std::bad_alloc&) {
    return {};
  }
}

constexpr bool has_brotli() noexcept {
#ifdef CAIRN_HAVE_BROTLI
  return true;
#else
  return false;
#endif
}

}  // namespace

std::string_view name_of(Coding coding) noexcept {
  switch (coding) {
    case Coding::kGzip:
      return "gzip";
    case Coding::kBrotli:
      return "br";
    case Coding::kIdentity:
      break;
  }
  return "identity";
}

AcceptedCodings read_accept_encoding(std::string_view value) noexcept {
  Weights weights;
  while (!value.empty()) {
    std::string_view member = take_until(value, ',');
    const std::string_view name = take_until(member, ';');
    if (const auto weight = weight_of(trimmed(member))) weights.note(name, *weight);
  }
  const int others = weights.others.value_or(0);
  const int gzip = weights.gzip.value_or(others);
  const int brotli = has_brotli() ? weights.brotli.value_or(others) : 0;
  AcceptedCodings accepted;
  // What is not mentioned may go as it is, unless "*;q=0" excludes it.
  accepted.identity = weights.identity.value_or(weights.others.value_or(1)) > 0;
  const int best = std::max(gzip, brotli);
  if (best > 0 && best >= weights.identity.value_or(0))
    accepted.best = brotli == best ? Coding::kBrotli : Coding::kGzip;
  return accepted;
}

void encode_content(const AcceptedCodings& accepted, const HttpOptions& options, ApiResponse* response) noexcept {
  // What zlib counts in 32 bits is no answer of ours.
  constexpr std::size_t kBytesMax = std::size_t{1} << 30;
  // What caches keep says it of all its answers, large or small, and of 304 too (RFC 9110, section 15.4.5).
  response->varies = options.compress && !response->etag.empty();
  const std::size_t bytes = response->body_bytes();
  const bool success = response->http_code >= 200 && response->http_code < 300;
  if (!options.compress || !success || bytes == 0 || bytes > kBytesMax || !is_text(response->content_type)) return;
  const bool large = bytes >= options.compress_bytes_min;
  response->varies = response->varies || large;
  if (accepted.best == Coding::kIdentity || (!large && accepted.identity)) return;
  // Where identity is allowed, what does not get smaller is not worth it.
  const std::size_t bytes_max = accepted.identity ? bytes - 1 : bytes + bytes / 8 + 1024;
  const std::string whole = response->shared_body ? *response->shared_body + response->body : std::string();
  std::string coded = coded_as(accepted.best, response->shared_body ? whole : response->body, bytes_max);
  if (coded.empty()) return;
  response->shared_body.reset();
  response->body = std::move(coded);
  response->content_encoding = name_of(accepted.best);
  response->varies = true;
}

}  // namespace cairn::serving
