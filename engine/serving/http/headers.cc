#include "engine/serving/http/headers.h"

#include <algorithm>
#include <atomic>
#include <boost/beast/core/string.hpp>
#include <ctime>
#include <random>
#include <string_view>

namespace cairn::serving {
namespace {

namespace http = boost::beast::http;

std::string_view field(const RequestHeader& header, http::field name) {
  const auto value = header[name];
  return {value.data(), value.size()};
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

/// Browsers send Origin with every write; it must then be the address the request itself went to.
bool is_foreign_origin(const RequestHeader& header) {
  std::string_view origin = field(header, http::field::origin);
  const bool reads = header.method() == http::verb::get || header.method() == http::verb::head;
  if (origin.empty() || reads) return false;
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return true;
  return !equal_ignoring_case(origin.substr(scheme_end + 3), field(header, http::field::host));
}

std::optional<ApiResponse> refuse_by_host(const RequestHeader& header) {
  const auto count = header.count(http::field::host);
  if (count == 1 || (count == 0 && header.version() == 10)) return std::nullopt;
  return error_response(invalid_argument("exactly one Host header is expected (RFC 9112, section 3.2)"));
}

std::optional<ApiResponse> refuse_by_body(const RequestHeader& header) {
  const std::string_view expected = field(header, http::field::expect);
  if (!expected.empty() && !equal_ignoring_case(expected, "100-continue")) {
    return error_response(417, invalid_argument("Expect: 100-continue is the only expectation served"));
  }
  const std::string_view encoding = field(header, http::field::content_encoding);
  if (!encoding.empty() && !equal_ignoring_case(encoding, "identity")) {
    return error_response(415, {StatusCode::kUnimplemented, "compressed bodies are not read; send it as it is"});
  }
  return std::nullopt;
}

}  // namespace

std::optional<ApiResponse> refuse_by_header(const RequestHeader& header) {
  if (auto refusal = refuse_by_host(header)) return refusal;
  if (auto refusal = refuse_by_body(header)) return refusal;
  if (is_foreign_origin(header)) {
    return error_response({StatusCode::kPermissionDenied, "writes from pages of another origin are not taken"});
  }
  return std::nullopt;
}

std::string request_id_of(const RequestHeader& header) {
  const auto value = header["X-Request-Id"];
  const bool usable = !value.empty() && value.size() <= 128 &&
                      std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  return usable ? std::string(value.data(), value.size()) : make_request_id();
}

std::string make_request_id() {
  static const std::uint64_t start =
      (static_cast<std::uint64_t>(std::random_device{}()) << 32) | std::random_device{}();
  static std::atomic<std::uint64_t> count{0};
  // splitmix64 (Steele et al., OOPSLA 2014): distinct counts give distinct, scattered ids.
  std::uint64_t z = start + (count.fetch_add(1, std::memory_order_relaxed) + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  constexpr char kHex[] = "0123456789abcdef";
  std::string id(16, '0');
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = kHex[(z >> (60 - 4 * i)) & 0xF];
  return id;
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, length};
}

}  // namespace cairn::serving
