#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/interaction.h"
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
  /// Set when the record cannot be used and the source knows: it could not deliver it whole (oversized, truncated
  /// gzip), or it was refused before it came to the source.
  Reject reject = Reject::kNone;
  std::string_view detail;  ///< with `reject`: where and what in words; may be empty
  /// Set when the record came decoded: what it says, and no payload. The reader may take it out by a swap.
  Interaction* decoded = nullptr;
};

/// Bytes that may be read, not used, past a payload's end: what the decoder's SIMD loads want.
inline constexpr std::size_t kPayloadPadding = 64;

/// What one poll brought. Views into the source's own memory, valid until its next poll.
struct RecordBatch {
  std::vector<Record> records;            ///< in order within each partition
  std::vector<SourcePosition> positions;  ///< where each partition that moved now stands: store these with the effects
  std::vector<Partition> revoked;         ///< to be released: what this batch brings of them is the last
  std::vector<Partition> assigned;        ///< to be resumed: nothing came of them yet
  bool obstacles_changed = false;         ///< Source::obstacles() says something else than before the poll
  /// Partitions that are read on although the record at the offset, which was to be looked at, is gone.
  std::vector<SourcePosition> unchecked;
  std::uint64_t gap_records = 0;  ///< records passed over because their gap was accepted
  std::uint64_t gap_bytes = 0;    ///< the same where offsets count bytes
  bool at_end = false;    ///< nothing more was there when the poll returned, and no partition waits to be resumed
  bool finished = false;  ///< nothing more will ever come (a file that is not followed)

  void clear() {
    records.clear();
    positions.clear();
    revoked.clear();
    assigned.clear();
    unchecked.clear();
    obstacles_changed = at_end = finished = false;
    gap_records = gap_bytes = 0;
  }
};

/// Why a partition brings nothing although its source works and the other partitions are read.
struct Obstacle {
  Partition partition;
  std::string reason;  ///< what is wrong and what to do
  bool gap = false;    ///< the records to be read next are gone; Source::accept_gaps() reads on without them
};

/// A stream of records in partitions, each of which can be resumed at any stored position. Which partitions there are
/// is the source's affair, and may change while it is read.
///
/// Use: poll, and after each poll do what the batch says, in this order, before the next poll:
///
///     source.poll(...)
///     apply batch.records together with batch.positions
///     batch.revoked:   let the sink finish with them, then source.release(batch.revoked)
///     batch.assigned:  look up the positions stored for them, then source.resume(those positions)
///
/// The life of a partition: assigned, resumed, read, revoked, released; after that it may be assigned anew. One that is
/// both in `revoked` and in `assigned` of a batch went away and came back between two polls. It is released and resumed
/// like any other, at the position that is stored by then. Once a partition is released, somebody else may read it.
/// Before that a source does not give it away, if it can help it.
///
/// Making a source does not connect it. The first poll does, and so may take longer than `wait`: up to 10 s.
///
/// When a source fails (see poll and resume), close it and make another one. That one assigns its partitions anew;
/// those of the closed one need not be released.
///
/// Threads: one thread, except end_positions() and close(): any.
class Source {
 public:
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

  /// Waits at most `wait` for the first record, then takes what is there, up to `records_max`. Clears `batch` first. An
  /// empty batch is a normal answer, and the only one after close().
  /// Requires: every partition that was assigned is resumed, every one that was revoked is released.
  /// Returns: UNAVAILABLE for trouble that may pass (poll again later, or make a new source), INVALID_ARGUMENT for
  /// options that cannot work, DATA_LOSS and others for what will not pass.
  virtual Status poll(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) = 0;

  /// Begins to read the partitions that the last batch assigned: each at its position among `positions`, or at its
  /// beginning where it has none there.
  /// Requires: `positions` are of partitions just assigned, one each.
  /// A position that is no longer there (trimmed topic, shortened file) is an obstacle where others are read on; a
  /// source of one partition may return OUT_OF_RANGE.
  /// Returns: OUT_OF_RANGE; INVALID_ARGUMENT when it is no position of this source; both name the partition.
  /// UNAVAILABLE for trouble that may pass. Nothing is resumed then.
  virtual Status resume(std::span<const SourcePosition> positions) = 0;

  /// Lets go of partitions that the last batch revoked, once their effects and positions are stored.
  /// Returns: UNAVAILABLE.
  virtual Status release(std::span<const Partition> partitions) = 0;

  /// The partitions that bring nothing until somebody mends something. The source looks at them again by itself.
  [[nodiscard]] virtual std::vector<Obstacle> obstacles() const { return {}; }

  /// Lets resume() begin these partitions at the first record that is there when the stored position is not there any
  /// more. Called on a new source, before its first poll.
  virtual void accept_gaps(std::span<const Partition> /*partitions*/) {}
  /// Whether accept_gaps() does that when resume() answers OUT_OF_RANGE.
  [[nodiscard]] virtual bool can_pass_gaps() const { return false; }

  /// Which of several streams that gave the partition its offsets the record is of; empty for the first, or only, one.
  /// Two records of one partition and one offset are the same where this is the same. Asked about records of the last
  /// poll.
  [[nodiscard]] virtual std::string incarnation(Partition /*partition*/, Offset /*offset*/) const { return {}; }

  /// Where each partition that is being read ends at present, as far as the source can tell; cursors are left empty.
  /// Returns: UNAVAILABLE.
  [[nodiscard]] virtual Result<std::vector<SourcePosition>> end_positions() const = 0;

  /// Ends reading; a poll() under way in another thread returns soon. Idempotent, bounded in time (10 s).
  virtual void close() = 0;

 protected:
  Source() = default;
};

class EventLog;

/// How long a followed file's writer is given when the file is rotated.
struct RotationTimes {
  /// The new file is begun when nothing was written to the old one for so long: some writers keep it for a while. They
  /// are not waited for longer than twelve times that.
  std::chrono::milliseconds old_file_quiet{5'000};
  std::chrono::milliseconds name_gone{5'000};  ///< a name that no file has for so long is an obstacle
};

/// The lines of a file, as the one partition `partition`, which is assigned at the first poll and never revoked.
///
/// A record's offset is the byte at which its line starts, counted over the whole stream: after a rotation the new
/// file's bytes count on from where the old file's ended, and the cursor tells in which file an offset lies. In gzip
/// files offsets count uncompressed bytes. Blank lines are skipped. A last line without newline is delivered when
/// nothing can be appended to it any more: the file is not followed, or was rotated away. Gzip data that is cut off or
/// damaged becomes one record, at the offset of the line that the damage tore. A file that is not followed is read
/// together with the files that it was rotated into since. `clock` must outlive the source.
[[nodiscard]] std::unique_ptr<Source> make_file_source(FileSourceOptions options, Partition partition,
                                                       std::size_t event_bytes_max, Logger log,
                                                       RotationTimes times = {},
                                                       const Clock& clock = SystemClock::instance());

/// The records of the API's durable log (api_record.h), as partition 0, which is assigned at the first poll and never
/// revoked. They come decoded or refused, as they were judged when they were taken in. `log` and `types` must outlive
/// the source. A poll waits at most 100 ms. It returns DATA_LOSS at a record that is no record of the API: nothing goes
/// past it. What was given up of a log (give_up_lost_records) is passed over, and counted in RecordBatch::gap_bytes; so
/// is what lies before the log's beginning, once that gap is accepted.
[[nodiscard]] std::unique_ptr<Source> make_log_source(std::string name, EventLog& log, const InteractionTypes& types);

/// Every partition of a Kafka topic. The source assigns them all to itself and never revokes one: there is no group
/// rebalancing, and the group's committed offsets are written for lag tools and never read. When the topic grows, its
/// new partitions are assigned at the first poll after topic.metadata.refresh.interval.ms (10 s unless set otherwise in
/// kafka.properties). A position's cursor holds how many partitions the topic had, and a checksum of the last record
/// that was read. That one is read again when the partition is resumed, so that a topic that was made anew is noticed
/// before a record of it is passed over; and at times while it is read. A partition that does not hold its position, or
/// is of another topic, is an obstacle; it can be accepted as a gap.
[[nodiscard]] std::unique_ptr<Source> make_kafka_source(KafkaSourceOptions options, std::size_t event_bytes_max,
                                                        Logger log);

/// Whether librdkafka has the property and takes the value.
/// Returns: INVALID_ARGUMENT, without the value, which may be a secret.
[[nodiscard]] Status check_kafka_property(const std::string& name, const std::string& value);

}  // namespace cairn::streaming
