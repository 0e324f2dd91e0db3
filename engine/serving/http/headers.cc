#include "engine/serving/http/headers.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/address.hpp>
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

/// What a message may repeat of a stranger's text: it goes into JSON, which takes no broken UTF-8.
std::string json_safe(std::string_view text) {
  std::string safe(text.substr(0, 100));
  for (char& c : safe) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F) c = '?';
  }
  return safe;
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

/// "name:port", "[address]:port" or either without a port, less the port. Empty for anything else.
std::string_view without_port(std::string_view host) noexcept {
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return {};
  const std::size_t colon = host.find(':', bracket);
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : host.substr(colon + 1);
  const bool digits = port.find_first_not_of("0123456789") == std::string_view::npos;
  return digits ? host.substr(0, colon) : std::string_view();
}

/// The host in a target in absolute form ("http://host/path"), which goes before the header (RFC 9112, section 3.2.2).
std::optional<std::string_view> host_of_target(std::string_view target) noexcept {
  const std::size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return std::nullopt;
  target.remove_prefix(scheme + 3);
  return target.substr(0, target.find_first_of("/?#"));
}

ApiResponse foreign_host(std::string_view host) {
  return error_response({StatusCode::kPermissionDenied,
                         "this server does not answer to the name '" + json_safe(host) +
                             "'; call it by one that it has, or add the name to http.hosts in its configuration"});
}

std::optional<ApiResponse> refuse_by_host(const RequestHeader& header, const HostNames& hosts) {
  const auto count = header.count(http::field::host);
  if (count > 1 || (count == 0 && header.version() != 10)) {
    return error_response(invalid_argument("exactly one Host header is expected (RFC 9112, section 3.2)"));
  }
  const std::string_view host = field(header, http::field::host);
  if (count == 1 && !hosts.allow(host)) return foreign_host(host);
  const auto target_host = host_of_target({header.target().data(), header.target().size()});
  if (target_host && !hosts.allow(*target_host)) return foreign_host(*target_host);
  return std::nullopt;
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

/// Whether only this machine can connect to the address.
bool is_loopback(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  if (error) return false;
  if (parsed.is_v6() && parsed.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, parsed.to_v6()).is_loopback();
  }
  return parsed.is_loopback();
}

}  // namespace

HostNames::HostNames(const HttpOptions& options) : names_(options.hosts) {
  const bool local = is_loopback(options.address);
  any_ = !local && names_.empty();
  if (!local) return;
  const bool v6 = options.address.find(':') != std::string::npos;
  names_.insert(names_.end(), {"localhost", "127.0.0.1", "[::1]", v6 ? "[" + options.address + "]" : options.address});
}

bool HostNames::allow(std::string_view host) const noexcept {
  if (any_) return true;
  const std::string_view name = without_port(host);
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& known) { return equal_ignoring_case(known, name); });
}

std::optional<ApiResponse> refuse_by_header(const RequestHeader& header, const HostNames& hosts) {
  if (auto refusal = refuse_by_host(header, hosts)) return refusal;
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

std::string_view http_date() {
  // Made once a second, on each thread.
  thread_local std::time_t made_at = -1;
  thread_local std::string date;
  const std::time_t now = std::time(nullptr);
  if (now == made_at) return date;
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  date.assign(text, length);
  made_at = now;
  return date;
}

}  // namespace cairn::serving
