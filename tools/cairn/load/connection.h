#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace cairn::load {

/// A body of which only the size is kept, in Boost.Beast's sense, and of an error's the beginning, which says why.
struct CountedBody {
  static constexpr std::size_t kTextMax = 2048;

  struct value_type {
    std::uint64_t bytes = 0;
    std::string text = {};  ///< empty unless it is an error's
  };

  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(boost::beast::http::header<isRequest, Fields>& header, value_type& body) : body_(body) {
      // A parser makes its reader before it has read a header.
      if constexpr (!isRequest) code_ = [&header] { return header.result_int(); };
    }
    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) {
      body_ = {};
      keeps_text_ = code_ && code_() >= 400;
      error = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::beast::error_code& error) {
      const std::size_t size = boost::beast::buffer_bytes(buffers);
      body_.bytes += size;
      if (keeps_text_ && body_.text.size() < kTextMax) {
        body_.text.append(boost::beast::buffers_to_string(buffers), 0, kTextMax - body_.text.size());
      }
      error = {};
      return size;
    }
    void finish(boost::beast::error_code& error) { error = {}; }

   private:
    value_type& body_;
    std::function<unsigned()> code_;
    bool keeps_text_ = false;
  };
};

/// How an exchange ended.
struct ExchangeEnd {
  enum class Kind : std::uint8_t { kAnswered, kTimeout, kBroken };
  Kind kind = Kind::kBroken;
  int code = 0;             ///< of kAnswered
  std::uint64_t bytes = 0;  ///< of its body
  bool reconnected = false;
  std::string text = {};  ///< the beginning of an error's body
};

/// One connection that is kept and asked one thing at a time. It connects when it is first needed, and again when it
/// has ended. A server may close a connection between requests, which shows only when the next one is sent: that
/// request is sent once more, on a new connection.
///
/// Threads: that of its io_context, which must be run by one thread.
class Connection {
 public:
  using Done = std::function<void(Connection&, const ExchangeEnd&)>;
  using Time = std::chrono::steady_clock::time_point;

  Connection(boost::asio::io_context& io, const boost::asio::ip::tcp::resolver::results_type& server, Done done);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Room for the next request's bytes; nothing may be in flight.
  [[nodiscard]] std::string& request() noexcept { return request_; }
  /// Sends them, and calls `done` once, not from inside this call.
  void exchange(Time deadline);

  [[nodiscard]] bool busy() const noexcept { return busy_; }
  /// Gives up what takes longer than it may.
  void expire(Time now);

 private:
  using Error = boost::system::error_code;

  void connect();
  void write();
  void read();
  void take(std::size_t bytes);
  void answered();
  void lost();
  void end(const ExchangeEnd& how);
  void close() noexcept;

  const boost::asio::ip::tcp::resolver::results_type& server_;
  const Done done_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::response_parser<CountedBody>> parser_;
  std::string request_;
  Time deadline_;
  bool busy_ = false;
  bool connected_ = false;
  bool kept_ = false;         ///< the request at hand is not the first on this connection
  bool reconnected_ = false;  ///< for the request at hand
  bool timed_out_ = false;
};

}  // namespace cairn::load
