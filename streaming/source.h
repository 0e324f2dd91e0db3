#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/log.h"
#include "cairn/options.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// One message as it came. `payload` is padded: kPayloadPadding readable bytes follow it.
struct Record {
  Partition partition;
  Offset offset;
  std::string_view payload;
  Reject reject = Reject::kNone;  ///< set when the source itself could not deliver it whole (oversized, truncated gzip)
};

/// Bytes that may be read, not used, past a payload's end: what the decoder's SIMD loads want.
inline constexpr std::size_t kPayloadPadding = 64;

/// What one poll brought. Views into the source's own memory, valid until its next poll.
struct RecordBatch {
  std::vector<Record> records;            ///< in order within each partition
  std::vector<SourcePosition> positions;  ///< where each partition that moved now stands: store these with the effects
  bool at_end = false;                    ///< nothing more was there when the poll returned
  bool finished = false;                  ///< nothing more will ever come (a file that is not followed)
  void clear() {
    records.clear();
    positions.clear();
    at_end = finished = false;
  }
};

/// A stream of records in partitions that can be resumed at any stored position. Used by one thread; end_positions()
/// by any thread.
class Source {
 public:
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

  /// Begins reading: partitions at the positions given, others at their beginning. Call once, before poll().
  /// Returns: UNAVAILABLE when the source cannot be reached yet (call again later), OUT_OF_RANGE when a position is no
  /// longer there (trimmed topic, shrunken file), naming the gap.
  virtual Status start(std::span<const SourcePosition> resume) = 0;

  /// Waits at most `wait` for the first record, then takes what is there, up to `records_max`. Clears `batch` first. An
  /// empty batch is a normal answer.
  /// Returns: UNAVAILABLE for trouble that may pass (call again later), DATA_LOSS for what will not.
  virtual Status poll(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) = 0;

  /// Where each partition ends at present, as far as the source can tell; cursors are left empty.
  /// Returns: UNAVAILABLE.
  [[nodiscard]] virtual Result<std::vector<SourcePosition>> end_positions() const = 0;

  /// Ends reading; a poll() under way in another thread returns soon. Idempotent, bounded in time (10 s).
  virtual void close() = 0;

 protected:
  Source() = default;
};

class EventLog;

/// Lines of a file; partition `partition`; byte offset of the line's start as offset, counted over the whole stream:
/// after a rotation the new file's bytes count on from where the old file's ended, and the cursor tells which file that
/// is. Gzip: offsets count uncompressed bytes. Blank lines are skipped. A last line without newline is delivered when
/// the file is done with: not followed, or rotated away. Gzip data that is cut off or damaged is told of once, by a
/// record at the offset of the line it tore. A file that is not followed is read with those it was rotated into since.
[[nodiscard]] std::unique_ptr<Source> make_file_source(FileSourceOptions options, Partition partition,
                                                       std::size_t event_bytes_max, Logger log);

/// The records of the API's durable log, partition 0. `log` must outlive the source. A poll waits at most 100 ms.
[[nodiscard]] std::unique_ptr<Source> make_log_source(std::string name, EventLog& log);

/// Every partition of a Kafka topic, assigned by hand (no group rebalancing), from our own positions; the group's
/// committed offsets are never read.
[[nodiscard]] std::unique_ptr<Source> make_kafka_source(KafkaSourceOptions options, std::size_t event_bytes_max,
                                                        Logger log);

}  // namespace cairn::streaming
