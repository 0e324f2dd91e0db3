#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "engine/serving/http/session.h"
#include "engine/serving/http_server.h"

namespace cairn::serving {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using ErrorCode = boost::system::error_code;

// Connections beyond connections_max that are told so; any more are closed without a word.
constexpr std::size_t kRefusalsMax = 64;
// After running out of descriptors, accepting again at once would spin.
constexpr std::chrono::milliseconds kAcceptBackoff{100};

Status bind_error(const ErrorCode& error, const HttpOptions& options) {
  const std::string where = options.address + ":" + std::to_string(options.port);
  if (error == net::error::address_in_use) {
    return {StatusCode::kAlreadyExists,
            "another process listens on " + where + " already; stop it or choose another port (ss -ltnp names it)"};
  }
  if (error == net::error::access_denied) {
    return {StatusCode::kPermissionDenied, "this user may not listen on " + where + "; choose a port from 1024 up"};
  }
  return invalid_argument("cannot listen on " + where + ": " + error.message() +
                          "; use an address of this machine, 127.0.0.1 or 0.0.0.0");
}

Status validate(const HttpOptions& options) {
  if (options.threads < 1) return invalid_argument("http: threads must be at least 1");
  if (options.header_bytes_max == 0 || options.body_bytes_max == 0 || options.connections_max == 0) {
    return invalid_argument("http: limits must be greater than 0");
  }
  if (options.request_timeout.count() <= 0 || options.idle_timeout.count() <= 0) {
    return invalid_argument("http: timeouts must be greater than 0");
  }
  return {};
}

Status listen(tcp::acceptor& acceptor, const HttpOptions& options) {
  ErrorCode error;
  const auto address = net::ip::make_address(options.address, error);
  if (error) return bind_error(error, options);
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  // A restarted server must not wait for its predecessor's connections to leave TIME_WAIT.
  if (!error) acceptor.set_option(net::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
  return error ? bind_error(error, options) : Status();
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpOptions options, Engine& engine)
      : options_(std::move(options)),
        admission_(options_.threads),
        api_(engine, admission_),
        context_{options_, api_, registry_, draining_},
        io_(options_.threads),
        keep_running_(io_.get_executor()),
        acceptor_(net::make_strand(io_)),
        accept_again_(acceptor_.get_executor()) {}

  ~Impl() {
    drain(std::chrono::milliseconds(0));
    admission_.stop();  // its last answers are posted to the sockets' threads, which therefore end after it
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

  Status start() {
    CAIRN_RETURN_IF_ERROR(listen(acceptor_, options_));
    port_ = acceptor_.local_endpoint().port();
    accept();
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { io_.run(); });
    return {};
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

  bool drain(std::chrono::milliseconds limit) {
    // Readiness goes first: a balancer that asks from here on sends no more.
    api_.set_draining();
    draining_.store(true);
    net::post(acceptor_.get_executor(), [this] {
      ErrorCode ignored;
      acceptor_.close(ignored);
      accept_again_.cancel();
    });
    registry_.for_each([](Session& session) { session.drain(); });
    const bool finished = registry_.wait_until_empty(limit);
    if (!finished) registry_.for_each([](Session& session) { session.abort(); });
    return finished;
  }

 private:
  void accept() {
    acceptor_.async_accept(net::make_strand(io_), [this](ErrorCode error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) return accept_later(error);
      serve(std::move(socket));
      accept();
    });
  }

  void accept_later(const ErrorCode& error) {
    options_.log.warning("http.accept_failed",
                         "cannot accept connections; raise the limit of open files if it persists",
                         {{"error", error.message()}});
    accept_again_.expires_after(kAcceptBackoff);
    accept_again_.async_wait([this](ErrorCode cancelled) {
      if (!cancelled) accept();
    });
  }

  void serve(tcp::socket socket) {
    ErrorCode ignored;
    socket.set_option(tcp::no_delay(true), ignored);  // answers are written whole; waiting for more gains nothing
    const std::size_t open = registry_.size();
    if (open >= options_.connections_max + kRefusalsMax) return;
    const auto role = open < options_.connections_max ? Session::Role::kServe : Session::Role::kRefuse;
    std::make_shared<Session>(std::move(socket), context_, role)->start();
  }

  const HttpOptions options_;
  Admission admission_;
  JsonApi api_;
  SessionRegistry registry_;
  std::atomic<bool> draining_{false};
  SessionContext context_;
  std::uint16_t port_ = 0;
  net::io_context io_;  // after all that sessions refer to: destroying it destroys the sessions that are left
  net::executor_work_guard<net::io_context::executor_type> keep_running_;
  tcp::acceptor acceptor_;
  net::steady_timer accept_again_;
  std::vector<std::thread> threads_;
};

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options, Engine& engine) {
  CAIRN_RETURN_IF_ERROR(validate(options));
  auto impl = std::make_unique<Impl>(std::move(options), engine);
  CAIRN_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return impl_->port(); }
bool HttpServer::drain(std::chrono::milliseconds limit) { return impl_->drain(limit); }

}  // namespace cairn::serving
