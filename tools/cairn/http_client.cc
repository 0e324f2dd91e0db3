#include "tools/cairn/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace cairn::cli {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = net::ip::tcp;

constexpr std::uint64_t kReplyBytesMax = 256u << 20;

beast::string_view view(std::string_view text) { return {text.data(), text.size()}; }

/// One exchange: resolve, connect, write, read, each under the same deadline.
class Exchange {
 public:
  Exchange(const ServerAddress& server, const HttpRequest& request) : server_(server), request_(request) {
    parser_.body_limit(kReplyBytesMax);
    message_.version(11);
    message_.method_string(view(request.method));
    message_.target(view(request.target));
    message_.set(http::field::host, server.host + ":" + server.port);
    message_.set(http::field::user_agent, "cairn");
    message_.set(http::field::connection, "close");
    if (request.method != "GET") {
      message_.set(http::field::content_type, view(request.content_type));
      if (!request.idempotency_key.empty()) message_.set("Idempotency-Key", view(request.idempotency_key));
      message_.body() = std::string(request.body);
      message_.content_length(request.body.size());
    }
  }

  /// The calls are asynchronous because only those can be given a deadline; the caller still just waits.
  Result<HttpReply> run() {
    stream_.expires_after(request_.timeout);
    resolver_.async_resolve(server_.host, server_.port, [this](beast::error_code error, auto found) {
      if (failed(error)) return;
      stream_.async_connect(found, [this](beast::error_code refused, const tcp::endpoint&) {
        connected_ = !failed(refused);
        if (connected_) write();
      });
    });
    io_.run();
    if (request_.unanswered != nullptr) *request_.unanswered = connected_ && error_ && !parser_.is_done();
    if (error_ == beast::error::timeout) {
      return deadline_exceeded("no answer from " + where() + " within " + std::to_string(request_.timeout.count()) +
                               " ms");
    }
    // A server may close without ceremony after a whole answer, which is an answer all the same.
    if (error_ && !parser_.is_done()) return unavailable("cannot reach " + where() + ": " + error_.message());
    return reply();
  }

 private:
  void write() {
    http::async_write(stream_, message_, [this](beast::error_code error, std::size_t) {
      // A server that refuses a body early stops reading; its answer is still there to be read.
      if (error == beast::error::timeout && failed(error)) return;
      http::async_read(stream_, buffer_, parser_,
                       [this](beast::error_code broken, std::size_t) { (void)failed(broken); });
    });
  }

  bool failed(beast::error_code error) {
    error_ = error;
    return static_cast<bool>(error);
  }

  [[nodiscard]] std::string where() const { return "http://" + server_.host + ":" + server_.port; }

  HttpReply reply() {
    const auto& answer = parser_.get();
    const auto retry_after = answer[http::field::retry_after];
    return {.code = static_cast<int>(answer.result_int()),
            .body = answer.body(),
            .retry_after_seconds = std::atoi(std::string(retry_after.data(), retry_after.size()).c_str())};
  }

  const ServerAddress& server_;
  const HttpRequest& request_;
  net::io_context io_{1};
  tcp::resolver resolver_{io_};
  beast::tcp_stream stream_{io_};
  http::request<http::string_body> message_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
  beast::error_code error_;
  bool connected_ = false;
};

Status bad_url(std::string_view url) {
  return invalid_argument("'" + std::string(url) +
                          "' is no server address; write http://HOST:PORT, such as http://127.0.0.1:7077");
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

Result<ServerAddress> parse_server_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  std::string_view rest = url;
  if (!rest.starts_with(kScheme)) return bad_url(url);
  rest.remove_prefix(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t bracket = rest.starts_with('[') ? rest.find(']') : 0;
  if (bracket == std::string_view::npos) return bad_url(url);
  const std::size_t colon = rest.find(':', bracket);
  ServerAddress address{std::string(rest.substr(0, colon)), "7077"};
  if (colon != std::string_view::npos) address.port = std::string(rest.substr(colon + 1));
  if (address.host.starts_with('[')) address.host = address.host.substr(1, bracket - 1);
  // The system's resolver takes what is beyond 65535 by its last 16 bits: it would be another server's port.
  std::uint16_t port = 0;
  const char* const end = address.port.data() + address.port.size();
  const auto [rest_of_port, wrong] = std::from_chars(address.port.data(), end, port);
  const bool is_port = wrong == std::errc() && rest_of_port == end && port > 0;
  if (address.host.empty() || address.host.find_first_of("/?#@ ") != std::string::npos || !is_port) return bad_url(url);
  return address;
}

Result<HttpReply> send_request(const ServerAddress& server, const HttpRequest& request) {
  return Exchange(server, request).run();
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[(static_cast<unsigned char>(c) >> 4) & 0xF];
      encoded += kHex[static_cast<unsigned char>(c) & 0xF];
    }
  }
  return encoded;
}

}  // namespace cairn::cli
