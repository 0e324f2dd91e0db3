#include "bench/serve/bare_responder.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <thread>
#include <utility>

namespace cairn::bench {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = net::ip::tcp;

/// One thread.
class Bodies {
 public:
  Bodies(std::vector<std::string> bodies, std::vector<std::uint32_t> order)
      : bodies_(std::move(bodies)), order_(std::move(order)) {}

  [[nodiscard]] const std::string& next() {
    const std::string& body = bodies_[order_[next_]];
    next_ = next_ + 1 == order_.size() ? 0 : next_ + 1;
    return body;
  }

 private:
  const std::vector<std::string> bodies_;
  const std::vector<std::uint32_t> order_;
  std::size_t next_ = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Bodies& bodies) : socket_(std::move(socket)), bodies_(bodies) {}

  void read() {
    request_.emplace();
    http::async_read(socket_, buffer_, *request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->write();
    });
  }

 private:
  void write() {
    response_.emplace(http::status::ok, 11);
    response_->set(http::field::content_type, "application/json");
    response_->body() = bodies_.next();
    response_->prepare_payload();
    http::async_write(socket_, *response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->read();
    });
  }

  tcp::socket socket_;
  Bodies& bodies_;
  beast::flat_buffer buffer_;
  std::optional<http::request<http::string_body>> request_;
  std::optional<http::response<http::string_body>> response_;
};

}  // namespace

class BareResponder::Impl {
 public:
  Impl(std::vector<std::string> bodies, std::vector<std::uint32_t> order)
      : bodies_(std::move(bodies), std::move(order)) {
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error) return;
      socket.set_option(tcp::no_delay(true));
      std::make_shared<Connection>(std::move(socket), bodies_)->read();
      accept();
    });
  }

  Bodies bodies_;
  net::io_context io_{1};
  tcp::acceptor acceptor_{io_, tcp::endpoint(net::ip::make_address("127.0.0.1"), 0)};
  std::thread thread_;
};

BareResponder::BareResponder(std::string body) : BareResponder(std::vector{std::move(body)}, {0}) {}
BareResponder::BareResponder(std::vector<std::string> bodies, std::vector<std::uint32_t> order)
    : impl_(std::make_unique<Impl>(std::move(bodies), std::move(order))) {}
BareResponder::~BareResponder() = default;
std::uint16_t BareResponder::port() const { return impl_->port(); }

}  // namespace cairn::bench
