#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <exception>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "engine/serving/api/conditional.h"
#include "engine/serving/http/free_memory.h"
#include "engine/serving/http/headers.h"
#include "engine/serving/http/memory_budget.h"
#include "engine/serving/http/session.h"
#include "engine/serving/http_server.h"

namespace cairn::serving {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using ErrorCode = boost::system::error_code;

// After running out of descriptors, accepting again at once would spin.
constexpr std::chrono::milliseconds kAcceptBackoff{10};
constexpr std::chrono::seconds kAcceptWarningPeriod{10};
// A turn of the event loop takes as long as all that is ready in it. With one newcomer a turn, hundreds who come at
// once to a busy server would be let in over seconds.
constexpr int kAcceptsAtOnce = 64;
// For answers that no thread has to be waited for: more is needed only where a thread of the sockets is stuck.
constexpr std::chrono::seconds kAbortTime{1};
// How often to see whether memory that clients took has become free.
constexpr std::chrono::seconds kTidyPeriod{1};

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
  if (options.reads < 1) return invalid_argument("http: reads must be at least 1");
  if (options.reads_queue < 1) return invalid_argument("http: reads_queue must be at least 1");
  if (options.header_bytes_max == 0 || options.body_bytes_max == 0 || options.connections_max == 0) {
    return invalid_argument("http: limits must be greater than 0");
  }
  if (options.memory_bytes_max < options.memory_bytes_min()) {
    return invalid_argument("http: memory_bytes_max must be at least " + std::to_string(options.memory_bytes_min()) +
                            " for these connections_max, header_bytes_max and body_bytes_max; raise it or lower them");
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
  if (!error) acceptor.non_blocking(true, error);
  return error ? bind_error(error, options) : Status();
}

/// From here on the system takes no notice of those who begin to connect, until the listener is closed and they are
/// told so at their next try. Without it, whoever connects between the last accept and the close is reset with his
/// request sent. Where the system refuses the filter, that gap of some microseconds stays.
void ignore_newcomers(int listener) {
  constexpr std::uint32_t kFlagsByte = 13;  // a listener's filter sees the TCP header first (RFC 9293, section 3.1)
  constexpr std::uint32_t kSyn = 0x02;
  constexpr std::uint32_t kAck = 0x10;
  constexpr std::uint32_t kDrop = 0;
  constexpr std::uint32_t kTakeAll = 0xffff'ffff;
  std::array<sock_filter, 5> steps = {{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsByte),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSyn | kAck),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kDrop),
      BPF_STMT(BPF_RET | BPF_K, kTakeAll),
  }};
  const sock_fprog filter{.len = steps.size(), .filter = steps.data()};
  static_cast<void>(::setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
}

Peer peer_of(const tcp::endpoint& remote) {
  const auto address = remote.address();
  if (address.is_v4()) return net::ip::make_address_v6(net::ip::v4_mapped, address.to_v4()).to_bytes();
  Peer peer = address.to_v6().to_bytes();
  if (!address.to_v6().is_v4_mapped()) std::fill(peer.begin() + peer.size() / 2, peer.end(), std::uint8_t{0});
  return peer;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpOptions options, Engine& engine)
      : options_(std::move(options)),
        hosts_(options_),
        memory_(options_.memory_bytes_max - options_.connections_bytes()),
        registry_(options_.connections_max),
        admission_({.threads = options_.reads, .queue = static_cast<std::size_t>(options_.reads_queue)}, options_.log),
        api_(engine, admission_,
             {.checkpoints_dir = options_.checkpoints_dir,
              .models_dir = options_.models_dir,
              .lists_reuse = {options_.list_max_age, options_.list_shared_max_age, options_.list_stale},
              .places_reuse = cache_control_of({options_.place_max_age, options_.place_max_age, {}}),
              .client_bytes = [this] { return client_bytes(); },
              .offset_waits_max = static_cast<std::size_t>(std::max(1, options_.reads / 2))}),
        context_{options_, hosts_, api_, registry_, memory_, phase_},
        io_(options_.threads),
        keep_running_(io_.get_executor()),
        acceptor_(net::make_strand(io_)),
        accept_again_(acceptor_.get_executor()),
        tidy_again_(acceptor_.get_executor()) {}

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
    tidy_later();
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { serve_sockets(); });
    return {};
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

  bool drain(std::chrono::milliseconds limit) {
    const auto now = std::chrono::steady_clock::now();
    // Readiness goes first: a balancer that asks from here on sends no more.
    api_.set_draining();
    admission_.end_waits();
    Phase serving = Phase::kServing;
    phase_.compare_exchange_strong(serving, Phase::kLastRequests);
    net::post(acceptor_.get_executor(), [this] { stop_accepting(); });
    wait_for_clients(now + std::min(limit, options_.drain_idle));
    phase_.store(Phase::kClosing);
    registry_.for_each([](Session& session) { session.drain(); });
    const bool finished = wait_for_clients(now + limit);
    if (!finished) abort_sessions();
    return finished;
  }

 private:
  /// Returns once every session has answered what it still owes, or has closed.
  void abort_sessions() const {
    auto told = std::make_shared<std::promise<void>>();
    const std::future<void> all_told = told->get_future();
    registry_.for_each([&](Session& session) { session.abort(told); });
    told.reset();  // the last session that lets go of it makes the future ready
    all_told.wait_for(kAbortTime);
  }

  /// Runs what a thread or a timer calls. Whatever it throws ends there: it costs one connection, or one round.
  template <class Step>
  void guarded(Step step) const noexcept {
    try {
      step();
    } catch (const std::exception& thrown) {
      report(thrown.what());
    } catch (...) {
      report("an exception that has no text");
    }
  }

  void report(const char* what) const noexcept {
    try {
      options_.log.error("http.exception", what);
    } catch (...) {  // the log itself has no memory
    }
  }

  [[nodiscard]] std::size_t client_bytes() const {
    return memory_.used() + registry_.size() * HttpOptions::kConnectionBytes;
  }

  /// A socket thread.
  void serve_sockets() noexcept {
    while (!io_.stopped()) guarded([this] { io_.run(); });
  }

  void accept() {
    acceptor_.async_accept(net::make_strand(io_), [this](ErrorCode error, Session::Socket socket) {
      accepting_ = false;
      if (!error) {
        guarded([&] { serve(std::move(socket)); });
        guarded([this] { accept_at_once(kAcceptsAtOnce); });
      }
      if (!acceptor_.is_open()) return listener_gone_.set_value();
      if (error) return accept_later(error);
      accept();
    });
    accepting_ = true;
  }

  void stop_accepting() {
    if (!acceptor_.is_open()) return;
    guarded([this] { accept_waiting(); });
    ErrorCode ignored;
    acceptor_.close(ignored);
    accept_again_.cancel();
    tidy_again_.cancel();
    if (!accepting_) listener_gone_.set_value();
  }

  /// Accepts those whom the system has connected already. They came while the server was ready, may have sent a
  /// request, and would be reset when the listener closes.
  void accept_waiting() {
    ignore_newcomers(acceptor_.native_handle());
    // No more than the system keeps for us, or a flood of new ones would keep the server from stopping.
    accept_at_once(net::socket_base::max_listen_connections);
  }

  /// Accepts so many of those whom the system has connected already. What is wrong shows when the next is waited for.
  void accept_at_once(int most) {
    ErrorCode error;
    for (int i = 0; !error && i < most; ++i) {
      Session::Socket socket(net::make_strand(io_));
      acceptor_.accept(socket, error);
      if (!error) guarded([&] { serve(std::move(socket)); });
    }
  }

  /// Returns whether nobody more can come, and whoever came has gone, by `end`.
  bool wait_for_clients(std::chrono::steady_clock::time_point end) const {
    const std::shared_future<void> gone = gone_;
    return gone.wait_until(end) == std::future_status::ready && registry_.wait_until_empty(end);
  }

  void accept_later(const ErrorCode& error) {
    // Whoever only keeps a descriptor open must not keep everybody else out.
    registry_.close_longest_waiting();
    const auto now = std::chrono::steady_clock::now();
    if (now >= warn_again_) {
      warn_again_ = now + kAcceptWarningPeriod;
      options_.log.warning("http.accept_failed",
                           "cannot accept connections; raise the limit of open files if it persists",
                           {{"error", error.message()}});
    }
    accept_again_.expires_after(kAcceptBackoff);
    accept_again_.async_wait([this](ErrorCode cancelled) {
      if (!cancelled && acceptor_.is_open()) accept();
    });
  }

  void serve(Session::Socket socket) {
    ErrorCode error;
    const Peer peer = peer_of(socket.remote_endpoint(error));
    if (error) return;                              // it has gone already
    socket.set_option(tcp::no_delay(true), error);  // answers are written whole; waiting for more gains nothing
    const std::optional<Place> place = registry_.find_place(peer);
    if (place) std::make_shared<Session>(std::move(socket), context_, *place)->start(peer);
  }

  void tidy_later() {
    tidy_again_.expires_after(kTidyPeriod);
    tidy_again_.async_wait([this](ErrorCode cancelled) {
      if (cancelled) return;
      guarded([this] { tidy(); });
      tidy_later();
    });
  }

  /// What clients made us hold goes back to the system once it is free: the allocator alone would keep it.
  void tidy() {
    // An exception may have ended what would have accepted the next connection.
    if (!accepting_ && acceptor_.is_open() && accept_again_.expiry() <= std::chrono::steady_clock::now()) accept();
    const std::size_t limit = memory_.limit();
    if (memory_.used() > limit / 8 || memory_.peak() < limit / 4) return;
    memory_.forget_peak();
    free_unused_memory();
  }

  const HttpOptions options_;
  const HostNames hosts_;
  MemoryBudget memory_;
  SessionRegistry registry_;
  Admission admission_;
  JsonApi api_;
  std::atomic<Phase> phase_{Phase::kServing};
  SessionContext context_;
  std::uint16_t port_ = 0;
  net::io_context io_;  // after all that sessions refer to: destroying it destroys the sessions that are left
  net::executor_work_guard<net::io_context::executor_type> keep_running_;
  tcp::acceptor acceptor_;
  net::steady_timer accept_again_;
  net::steady_timer tidy_again_;
  // Touched by the acceptor's strand only.
  std::chrono::steady_clock::time_point warn_again_;
  bool accepting_ = false;
  std::promise<void> listener_gone_;
  const std::shared_future<void> gone_ = listener_gone_.get_future().share();
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
