#include "tools/cairn/load/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace cairn::load {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 16 * 1024;

}  // namespace

Connection::Connection(net::io_context& io, const net::ip::tcp::resolver::results_type& server, Done done)
    : server_(server), done_(std::move(done)), socket_(io) {}

void Connection::exchange(Time deadline) {
  busy_ = true;
  timed_out_ = false;
  reconnected_ = false;
  deadline_ = deadline;
  kept_ = connected_;
  connected_ ? write() : connect();
}

void Connection::connect() {
  net::async_connect(socket_, server_, [this](Error error, const net::ip::tcp::endpoint&) {
    if (error || timed_out_) return lost();
    connected_ = true;
    Error ignored;
    socket_.set_option(net::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    write();
  });
}

void Connection::write() {
  parser_.emplace();
  parser_->eager(true);
  parser_->body_limit(boost::none);
  buffer_.clear();
  // Nearly always all of it goes out at once, without a turn of the event loop.
  Error error;
  const std::size_t sent = socket_.write_some(net::buffer(request_), error);
  if (!error && sent == request_.size()) return read();
  if (error && error != net::error::would_block) {
    // `done` must not be called from inside of `exchange`.
    return net::post(socket_.get_executor(), [this] { lost(); });
  }
  const auto rest = net::buffer(request_) + (error ? 0 : sent);
  net::async_write(socket_, rest, [this](Error failed, std::size_t) { failed ? lost() : read(); });
}

void Connection::read() {
  socket_.async_read_some(buffer_.prepare(kReadBytes), [this](Error error, std::size_t bytes) {
    if (!error) return take(bytes);
    // A body without a length goes on until the connection ends.
    if (error == net::error::eof && parser_->is_header_done() && parser_->need_eof()) {
      parser_->put_eof(error);
      if (!error) return answered();
    }
    lost();
  });
}

void Connection::take(std::size_t bytes) {
  buffer_.commit(bytes);
  Error error;
  buffer_.consume(parser_->put(buffer_.data(), error));
  if (error && error != http::error::need_more) {
    kept_ = false;  // it answers, so to ask again would be of no use
    return lost();
  }
  if (!parser_->is_done()) return read();
  answered();
}

void Connection::answered() {
  auto& answer = parser_->get();
  end({.kind = ExchangeEnd::Kind::kAnswered,
       .code = static_cast<int>(answer.result_int()),
       .bytes = answer.body().bytes,
       .text = std::move(answer.body().text)});
}

void Connection::lost() {
  const bool nothing_came = parser_ && !parser_->got_some();
  close();
  if (timed_out_) return end({.kind = ExchangeEnd::Kind::kTimeout});
  if (!std::exchange(kept_, false) || !nothing_came) return end({.kind = ExchangeEnd::Kind::kBroken});
  reconnected_ = true;
  connect();
}

void Connection::end(const ExchangeEnd& how) {
  ExchangeEnd told = how;
  told.reconnected = reconnected_;
  const bool keep = how.kind == ExchangeEnd::Kind::kAnswered && parser_->keep_alive() && buffer_.size() == 0;
  if (!keep) close();
  busy_ = false;
  done_(*this, told);
}

void Connection::expire(Time now) {
  if (!busy_ || timed_out_ || now < deadline_) return;
  timed_out_ = true;
  close();  // ends what it waits for, with an error
}

void Connection::close() noexcept {
  connected_ = false;
  Error ignored;
  socket_.close(ignored);
}

}  // namespace cairn::load
