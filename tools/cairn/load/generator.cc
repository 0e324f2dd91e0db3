#include "tools/cairn/load/generator.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tools/cairn/load/connection.h"
#include "tools/cairn/load/recorder.h"

namespace cairn::load {
namespace {

namespace net = boost::asio;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using Endpoints = net::ip::tcp::resolver::results_type;
using Error = boost::system::error_code;

/// How often to look for requests that take too long, and for the end of the run.
constexpr std::chrono::milliseconds kTick{20};

/// What was due before the end may still be sent for so long after it: requests that just then wait for a connection
/// would otherwise count as never sent.
constexpr std::chrono::milliseconds kGrace{500};

struct Span {
  steady_clock::time_point start;
  nanoseconds warm_up;
  nanoseconds end;
};

/// One thread's share of a run.
class Worker {
 public:
  Worker(const Endpoints& server, Workload workload, const LoadOptions& options, unsigned share, const Span& span)
      : options_(options),
        span_(span),
        workload_(std::move(workload)),
        schedule_({options.arrivals, options.rate, options.seed, share, options.threads}),
        next_(schedule_.next()) {
    // The first shares have one connection more where they cannot be shared evenly.
    const unsigned count =
        options.connections / options.threads + (share < options.connections % options.threads ? 1 : 0);
    for (unsigned i = 0; i < count; ++i) {
      slots_.push_back(std::make_unique<Slot>(
          io_, server, [this, i](Connection&, const ExchangeEnd& how) { finished(*slots_[i], how); }));
      free_.push_back(slots_.back().get());
    }
  }

  /// Returns when the run has ended and nothing is in flight, or soon after `interrupt`.
  void run() {
    tick();
    send_due();
    io_.run();
    count_rest();
  }
  void interrupt() noexcept { interrupted_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] Recorder& recorder() noexcept { return recorder_; }

 private:
  struct Slot {
    Slot(net::io_context& io, const Endpoints& server, Connection::Done done)
        : connection(io, server, std::move(done)) {}
    Connection connection;
    RequestKind kind = RequestKind::kRecommend;
    nanoseconds due{0};
    nanoseconds sent{0};
  };

  [[nodiscard]] nanoseconds now() const { return steady_clock::now() - span_.start; }
  [[nodiscard]] bool measured(nanoseconds due) const { return due >= span_.warm_up; }

  /// Sends what is due, as far as there are free connections, and sees to it that it is called for the rest.
  void send_due() {
    nanoseconds at = now();
    while (at < span_.end + kGrace && next_ < span_.end && next_ <= at && !free_.empty()) {
      send(at);
      at = now();
    }
    if (free_.empty() || next_ >= span_.end || timer_set_for_ == next_) return;
    timer_set_for_ = next_;
    timer_.expires_at(span_.start + next_);
    timer_.async_wait([this](Error cancelled) {
      if (cancelled || interrupted_) return;
      timer_set_for_ = nanoseconds(-1);
      send_due();
    });
  }

  void send(nanoseconds at) {
    Slot& slot = *free_.front();
    free_.pop_front();
    slot.kind = workload_.next(&slot.connection.request());
    slot.due = std::exchange(next_, schedule_.next());
    slot.sent = at;
    // It found no free connection when one has become free only after it was due.
    const bool waited = slot.due < last_without_free_;
    recorder_.count(measured(slot.due), [&](Tally& tally) {
      ++tally.due;
      ++tally.sent;
      tally.waited += waited ? 1 : 0;
      tally.delay.record(slot.sent - slot.due);
    });
    ++in_flight_;
    slot.connection.exchange(span_.start + at + options_.timeout);
  }

  void finished(Slot& slot, const ExchangeEnd& how) {
    const nanoseconds at = now();
    if (free_.empty()) last_without_free_ = at;
    free_.push_back(&slot);
    --in_flight_;
    recorder_.count(measured(slot.due), [&](Tally& tally) { count(slot, how, at, at < span_.end, &tally); });
    if (!interrupted_) send_due();
  }

  static void count(const Slot& slot, const ExchangeEnd& how, nanoseconds at, bool in_time, Tally* tally) {
    tally->reconnects += how.reconnected ? 1 : 0;
    tally->bytes += how.bytes;
    if (how.kind == ExchangeEnd::Kind::kAnswered) ++tally->codes[how.code];
    if (how.code >= 400 && !tally->reasons.contains(how.code)) tally->reasons[how.code] = reason_of(how.text);
    if (how.kind == ExchangeEnd::Kind::kTimeout) ++tally->timeouts;
    if (how.kind == ExchangeEnd::Kind::kBroken) ++tally->broken;
    if (how.code == 429 || how.code == 503) {
      ++tally->refused;
      tally->refusal.record(at - slot.sent);
      return;
    }
    const bool absent = how.code == 404 && slot.kind == RequestKind::kPlaces;
    const bool good = (how.code > 0 && how.code < 400) || absent;
    ++(good ? tally->good : tally->failed);
    tally->good_in_time += good && in_time ? 1 : 0;
    if (!good && how.kind != ExchangeEnd::Kind::kTimeout) return;
    tally->latency.record(at - slot.due);
    tally->service.record(at - slot.sent);
  }

  void tick() {
    const auto wall = steady_clock::now();
    for (const auto& slot : slots_) slot->connection.expire(wall);
    const bool all_sent = next_ >= span_.end || now() >= span_.end + kGrace;
    const bool over = now() >= span_.end && all_sent && in_flight_ == 0;
    if (over || interrupted_) {
      timer_.cancel();
      return io_.stop();
    }
    ticks_.expires_after(kTick);
    ticks_.async_wait([this](Error cancelled) {
      if (!cancelled) tick();
    });
  }

  /// What was due and never sent has waited from then until the end, at least.
  void count_rest() {
    const nanoseconds end = std::min(span_.end, now());
    for (; next_ < end; next_ = schedule_.next()) {
      const nanoseconds waited = end - next_;
      recorder_.count(measured(next_), [&](Tally& tally) {
        ++tally.due;
        ++tally.unsent;
        ++tally.waited;
        tally.latency.record(waited);
        tally.delay.record(waited);
      });
    }
    for (const auto& slot : slots_) {
      if (!slot->connection.busy()) continue;
      recorder_.count(measured(slot->due), [](Tally& tally) { ++tally.cut_off; });
    }
  }

  const LoadOptions& options_;
  const Span span_;
  net::io_context io_{1};
  net::steady_timer timer_{io_};
  net::steady_timer ticks_{io_};
  Workload workload_;
  ArrivalSchedule schedule_;
  nanoseconds next_;
  nanoseconds timer_set_for_{-1};
  nanoseconds last_without_free_{-1};
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<Slot*> free_;  ///< the one that is free for longest first, so that none is idle until the server closes it
  std::uint64_t in_flight_ = 0;
  std::atomic<bool> interrupted_{false};
  Recorder recorder_;
};

/// Runs the workers, and tells of each second.
class Run {
 public:
  Run(const Endpoints& server, const cli::ServerAddress& address, const WorkloadOptions& workload,
      const LoadOptions& options, const std::function<void(const LoadSecond&)>& on_second)
      : options_(options),
        on_second_(on_second),
        span_{steady_clock::now() + std::chrono::milliseconds(5), options.warm_up, options.warm_up + options.duration} {
    const std::string host =
        (address.host.find(':') == std::string::npos ? address.host : "[" + address.host + "]") + ":" + address.port;
    for (unsigned share = 0; share < options.threads; ++share) {
      workers_.push_back(std::make_unique<Worker>(server, Workload(workload, host, options.seed * 1'000'003 + share),
                                                  options, share, span_));
    }
  }

  LoadResult run() {
    std::vector<std::thread> threads;
    for (const auto& worker : workers_) {
      threads.emplace_back([this, &worker] {
        worker->run();
        if (++ended_ == workers_.size()) net::post(io_, [this] { finish(); });
      });
    }
    signals_.async_wait([this](Error cancelled, int) {
      if (cancelled) return;
      interrupted_at_ = steady_clock::now();
      for (const auto& worker : workers_) worker->interrupt();
      Error ignored;
      signals_.clear(ignored);  // the next one ends the program
    });
    second_later();
    io_.run();
    for (std::thread& thread : threads) thread.join();
    return result();
  }

 private:
  void second_later() {
    ++seconds_;
    timer_.expires_at(span_.start + std::chrono::seconds(seconds_));
    timer_.async_wait([this](Error cancelled) {
      if (cancelled) return;
      tell_second();
      second_later();
    });
  }

  void tell_second() {
    if (!on_second_) return;
    LoadSecond second{.since_start = std::chrono::seconds(seconds_),
                      .warming_up = std::chrono::seconds(seconds_) <= span_.warm_up};
    for (const auto& worker : workers_) worker->recorder().take_second(&second.tally);
    on_second_(second);
  }

  void finish() {
    timer_.cancel();
    signals_.cancel();
    io_.stop();
  }

  [[nodiscard]] LoadResult result() const {
    LoadResult result;
    for (const auto& worker : workers_) result.tally.add(worker->recorder().total());
    result.interrupted = interrupted_at_.has_value();
    const nanoseconds until =
        interrupted_at_ ? std::min(nanoseconds(*interrupted_at_ - span_.start), span_.end) : span_.end;
    result.seconds = std::chrono::duration<double>(std::max(nanoseconds(0), until - span_.warm_up)).count();
    return result;
  }

  const LoadOptions& options_;
  const std::function<void(const LoadSecond&)>& on_second_;
  const Span span_;
  net::io_context io_{1};
  net::steady_timer timer_{io_};
  net::signal_set signals_{io_, SIGINT};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<std::size_t> ended_{0};
  std::int64_t seconds_ = 0;
  std::optional<steady_clock::time_point> interrupted_at_;
};

/// Raises this process's limit of open files as far as it may itself, which for many connections is needed.
/// Returns: INVALID_ARGUMENT when that is not enough.
Status allow_connections(unsigned connections) {
  constexpr rlim_t kOthers = 64;  // files, event loops, standard streams
  const rlim_t needed = connections + kOthers;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return {};
  limit.rlim_cur = std::min(needed, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= needed) return {};
  return invalid_argument("this process may open " + std::to_string(limit.rlim_max) + " files, too few for " +
                          std::to_string(connections) + " connections; raise the limit (ulimit -n) or take fewer");
}

}  // namespace

Result<LoadResult> run_load(const cli::ServerAddress& server, const WorkloadOptions& workload,
                            const LoadOptions& options, const std::function<void(const LoadSecond&)>& on_second) {
  CAIRN_RETURN_IF_ERROR(allow_connections(options.connections));
  net::io_context io;
  net::ip::tcp::resolver resolver(io);
  Error error;
  const Endpoints endpoints = resolver.resolve(server.host, server.port, error);
  if (error) return Status(StatusCode::kUnavailable, "cannot find " + server.host + ": " + error.message());
  return Run(endpoints, server, workload, options, on_second).run();
}

}  // namespace cairn::load
