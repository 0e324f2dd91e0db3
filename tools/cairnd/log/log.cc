#include "tools/cairnd/log/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "tools/cairnd/log/format.h"
#include "tools/cairnd/log/patient_sink.h"
#include "tools/cairnd/log/repeats.h"

namespace cairn::cairnd {
namespace {

constexpr std::size_t kQueueRecords = 8'192;
constexpr std::chrono::milliseconds kLastWords{1'000};  // for what waits when the log ends

std::string format(const LogRecord& record, LogStyle style) {
  switch (style) {
    case LogStyle::kJournal:
      return format_journal(record);
    case LogStyle::kJson:
      return format_json(record);
    case LogStyle::kText:
      break;
  }
  return format_text(record);
}

std::shared_ptr<spdlog::async_logger> make_backend(const std::shared_ptr<PatientSink>& sink,
                                                   const std::shared_ptr<spdlog::details::thread_pool>& pool) {
  // Lines come formatted, and the sink writes each one out at once.
  auto backend =
      std::make_shared<spdlog::async_logger>("cairnd", sink, pool, spdlog::async_overflow_policy::overrun_oldest);
  backend->set_pattern("%v");
  backend->set_level(spdlog::level::trace);
  // There is no place left to report trouble with standard error to.
  backend->set_error_handler([](const std::string&) {});
  return backend;
}

}  // namespace

struct Log::Impl {
  Impl(LogLevel level_in, LogStyle style_in) : style(style_in), level(level_in), repeats(RepeatFilter::Options{}) {}

  void write(const LogRecord& record) const {
    try {
      backend->log(spdlog::level::info, spdlog::string_view_t(format(record, style)));
    } catch (const spdlog::spdlog_ex&) {
      // The pool is gone: the log has ended, and there is nowhere left to write to.
    }
  }

  void take(LogRecord record) {
    std::vector<LogRecord> due;
    {
      const MutexLock lock(mutex);
      due = repeats.pass(std::move(record), std::chrono::steady_clock::now());
    }
    for (const LogRecord& one : due) write(one);
  }

  /// Writes the summaries of windows that have ended by `now`, and how many records were dropped.
  void write_due(RepeatFilter::Instant now) {
    std::vector<LogRecord> due;
    {
      const MutexLock lock(mutex);
      due = repeats.expire(now);
    }
    for (const LogRecord& one : due) write(one);
    report_dropped();
  }

  void report_dropped() {
    const std::size_t dropped = pool->overrun_counter();
    const std::size_t before = dropped_reported.exchange(dropped);
    if (dropped <= before) return;
    LogRecord record{SystemClock::instance().now(),
                     LogLevel::kWarning,
                     "log.dropped",
                     "standard error was not read fast enough; the oldest records were dropped",
                     {}};
    record.fields.emplace_back("records", std::to_string(dropped - before));
    write(record);
  }

  const LogStyle style;
  /// Reset, and so emptied and joined, when the Log ends; a logger used after that writes nothing.
  std::shared_ptr<spdlog::details::thread_pool> pool = std::make_shared<spdlog::details::thread_pool>(kQueueRecords, 1);
  const std::shared_ptr<PatientSink> sink = std::make_shared<PatientSink>(STDERR_FILENO);
  const std::shared_ptr<spdlog::async_logger> backend = make_backend(sink, pool);
  std::atomic<LogLevel> level;
  std::atomic<std::size_t> dropped_reported{0};
  Mutex mutex;
  RepeatFilter repeats CAIRN_GUARDED_BY(mutex);
};

LogStyle text_style_for_stderr() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return LogStyle::kText;
  const std::string here = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
  return here == stream ? LogStyle::kJournal : LogStyle::kText;
}

Log::Log(LogLevel level, LogStyle style) : impl_(std::make_shared<Impl>(level, style)) {}

Log::~Log() {
  // Windows that are still open are closed as if their time had come: their counts would be lost otherwise.
  impl_->write_due(RepeatFilter::Instant::max());
  impl_->sink->end_within(kLastWords);
  impl_->pool.reset();
}

Logger Log::logger() {
  return Logger([impl = impl_](LogLevel level, std::string_view event, std::string_view message,
                               std::initializer_list<LogField> fields) {
    if (level < impl->level.load(std::memory_order_relaxed)) return;
    LogRecord record{SystemClock::instance().now(), level, std::string(event), std::string(message), {}};
    for (const LogField& field : fields) record.fields.emplace_back(field.key, field.value);
    impl->take(std::move(record));
  });
}

void Log::set_level(LogLevel level) { impl_->level.store(level, std::memory_order_relaxed); }

void Log::tick() { impl_->write_due(std::chrono::steady_clock::now()); }

}  // namespace cairn::cairnd
