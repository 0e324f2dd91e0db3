#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
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
#include "cairn/options.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/decode.h"
#include "streaming/source.h"

namespace cairn::ingest {

/// The name of the source that is the API's own log.
inline constexpr std::string_view kApiSource = "api";

/// A record that decoding refused.
struct Refused {
  Partition partition;
  Offset offset;
  streaming::Reject reason;
  std::string detail;
  std::string_view payload;  ///< lives as long as the batch it came with
};

/// One poll, decoded.
struct DecodedBatch {
  std::span<const Interaction> interactions;
  std::span<const Refused> refused;
  std::span<const SourcePosition> before;  ///< where the partitions in `after` stood; a new partition is missing
  std::span<const SourcePosition> after;
};

/// Where decoded batches go, and who remembers how far they went: the state of one consumer. Used by several threads,
/// one per source.
class Sink {
 public:
  virtual ~Sink() = default;
  /// The positions stored with what was applied so far.
  [[nodiscard]] virtual Result<std::vector<SourcePosition>> resume(const std::string& source) = 0;
  /// Applies the batch and its positions together.
  /// Returns: ABORTED when the stored positions are not `before`: the consumer then reads them again; a retryable code
  /// to be handed the same batch again; anything else stops the source.
  virtual Status apply(const std::string& source, const DecodedBatch& batch) = 0;
};

/// Carries one source into one sink, on a thread of its own: poll, decode, apply, again. Trouble that may pass is
/// retried with back-off, without polling on; exactly-once is the sink's transaction.
///
/// Threads: all methods from any.
class Consumer {
 public:
  using SourceFactory = std::function<std::unique_ptr<streaming::Source>()>;

  struct Options {
    std::string consumer;  ///< "features", "sql"
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
  /// Waits until `mark` is passed. Returns: DEADLINE_EXCEEDED with what the consumer is waiting for, CANCELLED.
  Status wait_passed(std::uint64_t mark, const CallContext& context) const;

  [[nodiscard]] std::vector<ConsumerStatus> status() const;
  /// Empty while all is well, else what it is waiting for, or why it has stopped.
  [[nodiscard]] std::string trouble() const;
  [[nodiscard]] const std::string& source() const noexcept { return source_name_; }

  /// Stops after the batch under way. Idempotent.
  void stop();

 private:
  struct Work;  ///< what one life of the source keeps between polls

  void run(const std::stop_token& stop);
  /// One life of a source: from start() to an error that needs a new start, or to the end.
  Status consume(const std::stop_token& stop);
  Status poll_and_apply(const std::stop_token& stop, Work& work);
  void decode(Work& work);
  Status apply_until_taken(const std::stop_token& stop, const Work& work);
  void set_trouble(const Status& status);
  void report(const Work& work, std::uint64_t seen_mark);
  /// Waits unless stopped. Returns: false when stopped.
  bool pause(const std::stop_token& stop, std::chrono::milliseconds time) const;

  // Fixed after construction.
  const Options options_;
  const SourceFactory make_source_;
  Sink& sink_;
  const InteractionTypes& types_;
  const Clock& clock_;
  std::string source_name_;

  std::atomic<std::uint64_t> marks_{0};

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::uint64_t passed_ = 0;
  std::vector<ConsumerStatus> status_;
  std::string trouble_;

  std::jthread thread_;
};

}  // namespace cairn::ingest
