#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "engine/serving/http/session_registry.h"

namespace cairn::serving {

/// One connection: reads a request, hands it to the API, writes the answer, and again. Requests of one connection are
/// served one after the other, pipelined ones in order.
///
/// Every step runs on the strand of its socket; `drain` and `abort` may be called from any thread. Lives as long as
/// some operation of its own is pending.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  enum class Role { kServe, kRefuse };

  Session(boost::asio::ip::tcp::socket socket, SessionContext& context, Role role);
  ~Session();

  void start();
  /// Closes the connection now if it is between requests, else after the request in flight.
  void drain();
  /// Closes the connection whatever it does.
  void abort();

 private:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;
  using Error = boost::beast::error_code;

  void wait_for_request();
  void read_header();
  void on_header();
  void continue_then_read_body();
  void read_body();
  void on_read_error(Error error);
  void submit();
  void refuse(ApiResponse response);
  void respond(ApiResponse response);
  void write(bool head_only);
  void on_written(Error error);
  void linger();
  void close();

  [[nodiscard]] Response render(ApiResponse response) const;
  [[nodiscard]] bool is_head() const;

  SessionContext& context_;
  const Role role_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<Response> response_;
  std::optional<boost::beast::http::response_serializer<boost::beast::http::string_body>> serializer_;
  std::string request_id_;
  std::stop_source in_flight_{std::nostopstate};  // of the request that is being handled
  std::size_t lingered_bytes_ = 0;
  bool idle_ = false;    // waiting for the first byte of a request
  bool unread_ = false;  // the last request was not read to its end
};

}  // namespace cairn::serving
