#pragma once

#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "engine/serving/http/body_reader.h"
#include "engine/serving/http/content_coding.h"
#include "engine/serving/http/memory_budget.h"
#include "engine/serving/http/session_registry.h"

namespace cairn::serving {

/// One connection: reads a request, hands it to the API, writes the answer, and again. Requests of one connection are
/// served one after the other, pipelined ones in order. The header's end and the body's length are found by
/// `header_block.h`, the header is read by Beast, the body by `BodyReader`.
///
/// What it holds for its client beyond HttpOptions::kConnectionBytes is taken from the server's MemoryBudget first;
/// when there is no more, the request is refused. After a refusal nothing more is read as a request.
///
/// No exception leaves it: one that comes up ends the request with 500, or the connection.
///
/// Every step runs on the strand of its socket; `drain`, `abort`, `give_way` and `waiting_since` may be called from any
/// thread. Lives as long as some operation of its own is pending.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  static constexpr std::int64_t kNotWaiting = std::numeric_limits<std::int64_t>::max();
  // Named, because executors of any kind cost as much as a small request.
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

  Session(Socket socket, SessionContext& context, Place place);
  ~Session();

  void start(const Peer& peer);
  /// Closes the connection now if it is between requests, else after the request in flight.
  void drain();
  /// Answers a request that is being handled with 503 and closes the connection, whatever it does. Lets go of `done`
  /// after that.
  void abort(std::shared_ptr<void> done);
  /// Closes the connection if it still waits for a request, else after the request in flight.
  void give_way();

  /// Since when a whole request has been waited for, as a count of the steady clock; kNotWaiting while one is handled.
  [[nodiscard]] std::int64_t waiting_since() const noexcept { return waiting_since_.load(std::memory_order_relaxed); }

 private:
  using Error = boost::beast::error_code;
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Strand>;

  template <class Step>
  void guarded(Step step) noexcept;
  template <class Step>
  auto then(Step step);
  void failed(const char* what) noexcept;

  template <class Step>
  void read_some(boost::asio::mutable_buffer room, Step step);
  void watch_deadline();
  void on_timer();
  void wait_for_request();
  void wait_for_bytes();
  bool skip_empty_line();
  void next_request();
  void begin_request();
  void look_for_header();
  void parse_header(std::size_t size);
  void on_header();
  void continue_then_read_body();
  void take_body();
  void read_body();
  void read_body_in_place();
  void read_body_to_buffer();
  [[nodiscard]] bool make_room(std::size_t bytes);
  void submit();
  void watch_client();
  void refuse(ApiResponse response);
  void respond(ApiResponse response);
  void write(bool head_only);
  void on_written(Error error);
  void linger();
  void close() noexcept;

  [[nodiscard]] std::size_t held_bytes() const noexcept;
  [[nodiscard]] bool hold(std::size_t bytes, MemoryBudget::Use use) noexcept;
  [[nodiscard]] bool hold_answer(std::size_t bytes) noexcept;
  void let_go() noexcept;
  [[nodiscard]] Time body_deadline() const noexcept;
  [[nodiscard]] std::string_view unread() const noexcept;
  void write_head(const ApiResponse& response);
  [[nodiscard]] bool is_head() const;
  [[nodiscard]] bool is_probe() const;

  SessionContext& context_;
  const Place place_;
  Socket socket_;
  Timer timer_;
  Time expires_ = Time::max();        // when what is waited for comes too late
  Time timer_set_for_ = Time::max();  // the timer is left alone while it goes off before that, which is nearly always
  MemoryShare memory_;
  boost::beast::flat_buffer buffer_;
  std::size_t checked_ = 0;  // of the buffer: what has been searched for the header's end
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  Framing framing_;
  std::optional<BodyReader> body_;
  std::string head_;                                 // of the answer that is being written, and its body
  std::shared_ptr<const std::string> answer_begin_;  // null: `answer_` is all of it
  std::string answer_;
  std::optional<ApiResponse> answered_inside_;  // the answer, when it came before `submit` had ended
  std::string request_id_;
  AcceptedCodings accepted_;                      // of the request at hand
  std::stop_source in_flight_{std::nostopstate};  // of the request that is being handled
  Time deadline_;                                 // for reading the request at hand
  Time body_begun_;                               // when its body was first waited for
  std::size_t body_bytes_ = 0;                    // that came, with all that surrounds chunks
  std::size_t lingered_bytes_ = 0;
  bool writing_ = false;       // an answer has begun
  bool keep_ = false;          // the connection goes on after it
  bool idle_ = false;          // waiting for the first byte of a request
  bool skipped_line_ = false;  // before the request at hand
  bool unread_ = false;        // the last request was not read to its end
  bool handled_ = false;       // the API has the request, and owes its answer
  bool failed_ = false;        // an exception came up before
  bool watching_ = false;      // whether the client hangs up
  bool leaving_ = false;       // closes after the request in flight
  std::atomic<std::int64_t> waiting_since_;
};

}  // namespace cairn::serving
