#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/engine_status.h"
#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "engine/ingest/sink.h"
#include "streaming/source.h"

namespace cairn::ingest {

/// Carries one source into one sink, on a thread of its own: poll, decode, apply, again.
///
/// Exactly once is the sink's transaction: effects and positions are stored together, and a partition is read on from
/// the position that the sink has stored for it. So the consumer itself remembers nothing that matters, and whatever
/// goes wrong, it may throw the source away, make a new one and begin with the stored positions.
///
/// Partitions come and go as the source says. An assigned one is resumed at the sink's position; a revoked one is
/// released once everything that was delivered of it is applied and the sink has finished with it.
///
/// Nothing ends a consumer but stop(). Trouble that may pass is retried with back-off, without polling on, so that at
/// most one batch is in memory. With trouble that somebody must mend (a right, a column, a file) the consumer is
/// blocked: it says so and since when, and tries again all the same, less often, and at once after retry().
///
/// Threads: all methods from any.
class Consumer {
 public:
  using SourceFactory = std::function<std::unique_ptr<streaming::Source>()>;

  /// A source that the options name: how it is made, and whether the engine may be ready without it.
  struct ConfiguredSource {
    SourceFactory make;
    bool required = true;
  };

  struct Options {
    std::string consumer;    ///< "features", "sql"
    bool required = true;    ///< ConsumerHealth::required
    std::string gap_advice;  ///< what else to know before a gap is accepted; may be empty
    std::size_t records_max = 20'000;
    std::chrono::milliseconds batch_wait_max{5};  ///< a small batch may wait this long for company
    DecodeOptions decode;
    Logger log;
  };

  /// All references must outlive the consumer. Starts the thread.
  Consumer(Options options, SourceFactory make_source, Sink& sink, const InteractionTypes& types, const Clock& clock);
  ~Consumer();

  /// Asks for a mark behind everything that the source holds now; `passed(mark)` says whether it has been applied.
  [[nodiscard]] std::uint64_t mark();
  /// Waits until `mark` is passed. Returns: DEADLINE_EXCEEDED with what the consumer is waiting for, CANCELLED;
  /// UNAVAILABLE when it stops before.
  Status wait_passed(std::uint64_t mark, const CallContext& context) const CAIRN_EXCLUDES(mutex_);

  /// Where each partition that is read at present stands, in the order of their numbers. One without a position, stored
  /// or reached, is left out; so is one that was revoked.
  [[nodiscard]] std::vector<ConsumerStatus> status() const CAIRN_EXCLUDES(mutex_);
  /// How it is, and what it needs.
  [[nodiscard]] ConsumerHealth health() const CAIRN_EXCLUDES(mutex_);
  /// Empty while all is well, else what it is waiting for.
  [[nodiscard]] std::string trouble() const CAIRN_EXCLUDES(mutex_);

  /// Ends the wait before the next try, and looks again at partitions that stand still. Does not wait for the outcome.
  void retry() CAIRN_EXCLUDES(mutex_);
  /// Lets the partitions that stand before a gap be read on behind it.
  /// Returns: false when none does.
  bool accept_gap() CAIRN_EXCLUDES(mutex_);

  [[nodiscard]] const std::string& source() const noexcept { return source_name_; }

  /// Asks for a stop after the batch under way, and does not wait.
  void request_stop() { thread_.request_stop(); }
  /// The same, and waits. Idempotent.
  void stop();

 private:
  struct Work;  ///< what one life of the source keeps between polls
  struct DecodeChunk;

  void run(const std::stop_token& stop);
  /// One life of a source: from its first poll to an error that needs a new source, or to the end.
  Status consume(const std::stop_token& stop, Work& work);
  /// What the libraries of sources and sinks throw is trouble like any other: the next try begins with a new source.
  Status consume_guarded(const std::stop_token& stop, Work& work);
  Status poll_and_apply(const std::stop_token& stop, Work& work);
  void decode(Work& work);
  void decode_chunk(std::size_t begin, std::size_t end, Work& work, DecodeChunk* chunk) const;
  static void close_up(std::span<DecodeChunk> chunks, Work& work);
  static void note_before(Work& work);
  Status apply(const std::stop_token& stop, Work& work);
  Status give_back(const std::stop_token& stop, Work& work);
  Status take_over(const std::stop_token& stop, Work& work);
  /// Tries until the sink takes it, or says that what is stored is not what the consumer goes by (ABORTED).
  /// Returns: OK, ABORTED; CANCELLED when stopped.
  Status until_taken(const std::stop_token& stop, Work& work, const std::function<Status()>& attempt);
  void set_trouble(const Status& status) CAIRN_EXCLUDES(mutex_);
  void note_unchecked(std::span<const SourcePosition> unchecked) CAIRN_EXCLUDES(mutex_);
  void note_obstacles(const streaming::Source& source) CAIRN_EXCLUDES(mutex_);
  void forget_ends() CAIRN_EXCLUDES(mutex_);
  void report(const Work& work, bool at_end, std::uint64_t seen_mark) CAIRN_EXCLUDES(mutex_);
  /// Waits unless stopped. Returns: false when stopped.
  bool pause(const std::stop_token& stop, std::chrono::milliseconds time) const CAIRN_EXCLUDES(mutex_);
  /// The same, and retry() ends it.
  bool pause_before_retry(const std::stop_token& stop, std::chrono::milliseconds time) CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] ConsumerTrouble as_trouble(std::string reason, bool blocked, bool gap) const;
  [[nodiscard]] std::vector<ConsumerTrouble> troubles() const CAIRN_REQUIRES(mutex_);

  // Fixed after construction.
  const Options options_;
  const SourceFactory make_source_;
  Sink& sink_;
  const InteractionTypes& types_;
  const Clock& clock_;
  std::string source_name_;

  std::atomic<std::uint64_t> marks_{0};
  std::atomic<bool> anew_{false};  ///< end this life of the source: the next one looks at everything again

  mutable Mutex mutex_;
  mutable std::condition_variable_any changed_;  ///< not CondVar: a stop token ends its waits
  std::uint64_t passed_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool stopped_ CAIRN_GUARDED_BY(mutex_) = false;
  std::vector<ConsumerStatus> status_ CAIRN_GUARDED_BY(mutex_);
  std::optional<ConsumerTrouble> trouble_ CAIRN_GUARDED_BY(mutex_);  ///< of all that is read
  std::vector<ConsumerTrouble> obstacles_ CAIRN_GUARDED_BY(mutex_);  ///< of single partitions
  std::vector<ConsumerTrouble> told_ CAIRN_GUARDED_BY(mutex_);       ///< those that the log knows
  std::vector<Partition> gone_ CAIRN_GUARDED_BY(mutex_);             ///< where a resume found a position gone
  std::vector<Partition> accepted_ CAIRN_GUARDED_BY(mutex_);         ///< whose gaps the next life passes over
  std::uint64_t gap_records_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::uint64_t gap_bytes_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::vector<UncheckedPosition> unchecked_ CAIRN_GUARDED_BY(mutex_);
  bool retry_ CAIRN_GUARDED_BY(mutex_) = false;

  std::jthread thread_;
};

}  // namespace cairn::ingest
