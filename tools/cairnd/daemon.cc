#include "tools/cairnd/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "cairn/engine.h"
#include "cairn/mutex.h"
#include "engine/serving/http_server.h"
#include "tools/cairnd/log/log.h"
#include "tools/cairnd/reports.h"

namespace cairn::cairnd {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr milliseconds kTick{1'000};
constexpr milliseconds kStatusPeriod{5'000};
constexpr milliseconds kRecoveryBeat{5'000};
constexpr milliseconds kSpaceWaitFirst{1'000};
constexpr milliseconds kSpaceWaitLast{15'000};  // less than kRecoveryExtension
constexpr std::chrono::microseconds kRecoveryExtension{30'000'000};

/// Tells the service manager every few seconds that start-up goes on, for as long as it lives.
class RecoveryBeat {
 public:
  explicit RecoveryBeat(const Notifier& notifier) : notifier_(notifier), thread_([this] { run(); }) {}
  ~RecoveryBeat() {
    {
      const MutexLock lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  RecoveryBeat(const RecoveryBeat&) = delete;
  RecoveryBeat& operator=(const RecoveryBeat&) = delete;

 private:
  void run() {
    const SteadyTime begin = std::chrono::steady_clock::now();
    const MutexLock lock(mutex_);
    SteadyTime next = begin;
    for (;;) {  // once at least, also when opening takes no time
      const SteadyTime now = std::chrono::steady_clock::now();
      if (now >= next) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - begin);
        notifier_.extend_timeout(kRecoveryExtension,
                                 "opening the state directory, " + std::to_string(seconds.count()) + " s so far");
        next = now + kRecoveryBeat;
      }
      if (done_) return;
      changed_.wait_until(mutex_, next);
    }
  }

  const Notifier& notifier_;
  Mutex mutex_;
  CondVar changed_;
  bool done_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

LogStyle style_of(config::LogFormat format) {
  return format == config::LogFormat::kJson ? LogStyle::kJson : text_style_for_stderr();
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " ") + word;
  return all;
}

/// One run of the daemon.
class Daemon {
 public:
  Daemon(config::ConfigReport report, const ConfigSource& source, Signals& signals, const Notifier& notifier)
      : report_(std::move(report)),
        source_(source),
        signals_(signals),
        notifier_(notifier),
        log_(report_.config.server.log_level, style_of(report_.config.server.log_format)),
        logger_(log_.logger()) {}

  ExitCode run() {
    logger_.info("daemon.starting", "opening the state directory",
                 {{"version", std::string(version())},
                  {"pid", std::to_string(::getpid())},
                  {"config", source_.path},
                  {"state_dir", report_.config.engine.state_dir}});
    if (const ExitCode code = open(); code != kExitOk) return code;
    if (!signals_.stop_requested()) {
      if (const ExitCode code = listen(); code != kExitOk) return close(code);
      supervise();
    }
    return stop();
  }

 private:
  /// Opens the engine; while the disk is too full for that, waits for space.
  /// Returns: kExitOk without an engine when a stop was asked for meanwhile.
  ExitCode open() {
    for (milliseconds wait = kSpaceWaitFirst;; wait = std::min(wait * 2, kSpaceWaitLast)) {
      const Status opened = try_open();
      if (opened.ok()) return kExitOk;
      if (opened.code() != StatusCode::kResourceExhausted) return exit_code_for_open(opened.code());
      logger_.warning("daemon.waiting_for_space", "opening is tried again until the disk has room; free some there",
                      {{"state_dir", report_.config.engine.state_dir}});
      notifier_.extend_timeout(kRecoveryExtension, "waiting for space on the disk of the state directory");
      if (signals_.take(wait) == SignalRequest::kStop || signals_.stop_requested()) return kExitOk;
      log_.tick();
    }
  }

  Status try_open() {
    EngineOptions options = report_.config.engine;
    options.log = logger_;
    const RecoveryBeat beat(notifier_);
    Result<std::unique_ptr<Engine>> opened = Engine::open(std::move(options));
    if (!opened.ok()) {
      logger_.error(
          "daemon.open_failed", opened.status().message(),
          {{"code", std::string(to_string(opened.status().code()))}, {"state_dir", report_.config.engine.state_dir}});
      return opened.status();
    }
    engine_ = std::move(opened).value();
    return ok_status();
  }

  ExitCode listen() {
    HttpOptions options = report_.config.http;
    options.checkpoints_dir = config::checkpoints_folder(report_.config);
    options.models_dir = config::models_folder(report_.config);
    options.log = logger_;
    const std::string wanted = options.address + " port " + std::to_string(options.port);
    Result<std::unique_ptr<serving::HttpServer>> started = serving::HttpServer::start(std::move(options), *engine_);
    if (!started.ok()) {
      const StatusCode code = started.status().code();
      const std::string remedy =
          code == StatusCode::kAlreadyExists ? "; stop what listens there, or set http.listen to another port" : "";
      logger_.error("daemon.listen_failed", "cannot listen on " + wanted + ": " + started.status().message() + remedy,
                    {{"code", std::string(to_string(code))}});
      return exit_code_for_listen(code);
    }
    http_ = std::move(started).value();
    return kExitOk;
  }

  void supervise() {
    const EngineStatus status = engine_->status({});
    logger_.info("daemon.ready", "serving",
                 {{"address", report_.config.http.address},
                  {"port", std::to_string(http_->port())},
                  {"backend", status.compute_backend}});
    last_status_ = status_line(status);
    notifier_.ready(last_status_);
    for (;;) {
      const std::optional<SignalRequest> request = signals_.take(tick());
      if (request == SignalRequest::kStop) return;
      if (request == SignalRequest::kReload) reload();
      log_.tick();
      beat();
    }
  }

  /// How often to look around: often enough for the watchdog.
  [[nodiscard]] milliseconds tick() const { return std::min(kTick, beat_period()); }

  [[nodiscard]] milliseconds beat_period() const {
    const auto interval = notifier_.watchdog_interval();
    if (!interval) return kStatusPeriod;
    const auto half = std::chrono::duration_cast<milliseconds>(*interval / 2);
    return std::clamp(half, milliseconds{1}, kStatusPeriod);
  }

  /// Asks the engine how it is, and passes the answer on. While the engine does not answer, this thread waits here and
  /// sends the watchdog nothing, so that the service manager restarts the process.
  void beat() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now - last_beat_ < beat_period()) return;
    last_beat_ = now;
    const std::string line = status_line(engine_->status({}));
    if (line != last_status_) notifier_.status(line);
    last_status_ = line;
    notifier_.watchdog();
  }

  void reload() {
    notifier_.reloading();
    config::ConfigReport fresh = config::check_config_file(source_.path, source_.environment, source_.vocabulary);
    if (fresh.ok()) {
      apply(fresh);
    } else {
      for (const config::Problem& problem : fresh.problems) {
        logger_.error("config.problem", problem.message, {{"place", problem.place}});
      }
      logger_.error("config.rejected", "the configuration has problems; the running one stays in force",
                    {{"problems", std::to_string(fresh.problems.size())}});
    }
    notifier_.ready(last_status_);
  }

  void apply(const config::ConfigReport& fresh) {
    const config::ConfigChanges changes = config::changes_between(report_, fresh);
    take_live_settings(fresh);
    log_.set_level(fresh.config.server.log_level);
    if (const Status rules = engine_->apply_rules({}, fresh.config.engine.rules); !rules.ok()) {
      logger_.error("rules.refused", rules.message());
    }
    reload_models(fresh.config.engine);
    if (!changes.restart.empty()) {
      logger_.warning("config.needs_restart", "these keys changed and take effect at the next start",
                      {{"keys", joined(changes.restart)}});
    }
    logger_.info("config.reloaded", "the configuration was read again", {{"applied", joined(changes.live)}});
  }

  /// Keys of records come and go, others change.
  void take_live_settings(const config::ConfigReport& fresh) {
    const auto same_key = [](const config::Setting& setting) {
      return [&setting](const config::Setting& other) { return other.key == setting.key; };
    };
    std::erase_if(report_.settings, [&](const config::Setting& running) {
      return running.live && std::none_of(fresh.settings.begin(), fresh.settings.end(), same_key(running));
    });
    for (const config::Setting& setting : fresh.settings) {
      if (!setting.live) continue;
      const auto running = std::find_if(report_.settings.begin(), report_.settings.end(), same_key(setting));
      running != report_.settings.end() ? static_cast<void>(*running = setting) : report_.settings.push_back(setting);
    }
  }

  /// Loads the configured model and ranker again, whatever was activated meanwhile. Without one, before and now, there
  /// is nothing to apply, and what was activated stays. The engine logs how it went.
  void reload_models(const EngineOptions& fresh) {
    const auto reload = [&](const std::string& directory, std::string* configured, auto activate) {
      const bool none_configured = directory.empty() && configured->empty();
      *configured = directory;
      if (!none_configured) load(activate);
    };
    reload(fresh.model.dir, &configured_model_,
           [&] { return engine_->activate_model({}, fresh.model.dir, ModelChoice::kConfigured); });
    reload(fresh.ranking.ranker_dir, &configured_ranker_,
           [&] { return engine_->activate_ranker({}, fresh.ranking.ranker_dir, ModelChoice::kConfigured); });
  }

  /// Loading may take longer than the watchdog waits, so it is fed meanwhile.
  void load(const std::function<Result<ModelStatus>()>& activate) {
    const std::future<Result<ModelStatus>> loading = std::async(std::launch::async, activate);
    while (loading.wait_for(tick()) != std::future_status::ready) {
      log_.tick();
      beat();
    }
  }

  ExitCode stop() {
    logger_.info("daemon.stopping", "finishing requests in flight");
    notifier_.stopping("finishing requests in flight");
    if (http_ && !http_->drain(report_.config.http.drain_timeout)) {
      logger_.warning("daemon.drain_cut", "requests were still in flight when http.drain_timeout ended");
    }
    return close(kExitOk);
  }

  /// Ends with `code`, or with a failure when the engine could not store what it has.
  ExitCode close(ExitCode code) {
    if (!engine_) return code;  // stopped while it waited for space
    const Status closed = engine_->close();
    http_.reset();  // waits for handlers inside the engine; close() has woken those that wait there
    engine_.reset();
    if (!closed.ok()) {
      logger_.error("daemon.close_failed", closed.message(), {{"code", std::string(to_string(closed.code()))}});
      return code == kExitOk ? kExitFailure : code;
    }
    logger_.info("daemon.stopped", "everything is stored", {{"exit_code", std::to_string(code)}});
    return code;
  }

  // Fixed after construction, except that a reload replaces the settings that are live.
  config::ConfigReport report_;
  const ConfigSource& source_;
  Signals& signals_;
  const Notifier& notifier_;
  Log log_;
  const Logger logger_;
  // In the order in which they may be destroyed: the server borrows the engine.
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<serving::HttpServer> http_;
  // Touched by the supervising thread only.
  std::string last_status_;
  std::string configured_model_ = report_.config.engine.model.dir;
  std::string configured_ranker_ = report_.config.engine.ranking.ranker_dir;
  SteadyTime last_beat_{};
};

}  // namespace

ExitCode run_daemon(config::ConfigReport report, const ConfigSource& source, Signals& signals,
                    const Notifier& notifier) {
  return Daemon(std::move(report), source, signals, notifier).run();
}

}  // namespace cairn::cairnd
