#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/damage.h"
#include "cairn/ids.h"
#include "cairn/log.h"
#include "cairn/status.h"

namespace cairn::streaming {

/// Segments that are short, because erasures have ended them, are not kept without a bound: each is an open file.
inline constexpr std::size_t kKeptSegmentsMax = 64;

struct EventLogOptions {
  std::string path;  ///< directory; created when absent
  std::uint64_t segment_bytes = 64u << 20;
  std::uint64_t kept_bytes = 0;  ///< the newest of this many bytes are not trimmed, in up to kKeptSegmentsMax segments
  std::uint64_t free_bytes_min = 256u << 20;  ///< appends are refused while the disk has less free than this
  bool sync = true;                           ///< false: for evaluation runs that need no durability
  std::string id;                             ///< what a log without an identity is called; empty: drawn at random
  bool must_exist = false;                    ///< the log was there before: one that is missing is a loss
  Logger log;
};

/// A log that this one was copied from. Both have the same records before `end`; what the other has from there on is
/// its own.
struct LogAncestor {
  std::string id;
  Offset end;
  friend bool operator==(const LogAncestor&, const LogAncestor&) = default;
};

/// Which log it is. Offsets of two logs with different ids mean different things, but for what they share.
struct LogIdentity {
  std::string id;                      ///< 16 hexadecimal digits
  std::vector<LogAncestor> ancestors;  ///< the newest first
  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

/// A durable log of payloads: what the API takes is here, on disk, before it is acknowledged. Segments of
/// checksummed records (format.md); a torn tail is cut at open. Offsets count bytes over all segments. What the
/// payloads mean is not its affair (api_record.h).
///
/// Threads: any; concurrent appends share one fsync.
class EventLog {
 public:
  virtual ~EventLog() = default;

  /// Appends all payloads as consecutive records and returns once they are on disk.
  /// Requires: at most 16 MiB a payload and 32 MiB in all, else INVALID_ARGUMENT.
  /// Returns: the offset after the last one; RESOURCE_EXHAUSTED when the disk is nearly full, UNAVAILABLE after an I/O
  /// error (the log then refuses appends until reopened).
  [[nodiscard]] virtual Result<Offset> append(std::span<const std::string_view> payloads) = 0;

  [[nodiscard]] virtual Offset begin_offset() const = 0;  ///< of the oldest record kept
  [[nodiscard]] virtual Offset end_offset() const = 0;    ///< after the newest durable record

  /// Copies durable records from `from` on into `*bytes` (each payload followed by kPayloadPadding zero bytes), at most
  /// `records_max`, and waits up to `wait` for the first. `visit` receives (offset, next offset, payload), views into
  /// `*bytes`.
  /// Returns: OUT_OF_RANGE when `from` was trimmed or is no record's start; DATA_LOSS for a bad checksum before the
  /// end.
  using Visit = std::function<void(Offset offset, Offset next, std::string_view payload)>;
  virtual Status read(Offset from, std::size_t records_max, std::chrono::milliseconds wait, std::string* bytes,
                      const Visit& visit) const = 0;

  /// Shows every payload that is durable when the call is made, the oldest first, to `change`, which may overwrite its
  /// bytes and says whether it did. What was changed is written anew, in segments that take the place of the old ones:
  /// the old bytes are in no file of the log afterwards, and no offset changes. Appends go on meanwhile. A crash leaves
  /// each segment as it was or as it is now. Requires: no copy() under way.
  /// Returns: how many payloads changed; DATA_LOSS for a damaged record; RESOURCE_EXHAUSTED, UNAVAILABLE. With an error
  /// some segments may be changed, and the call may be made again.
  using Change = std::function<bool(Offset offset, std::span<char> payload)>;
  virtual Result<std::uint64_t> rewrite(const Change& change) = 0;

  /// Removes whole segments that lie before `offset` and before what EventLogOptions::kept_bytes keeps.
  virtual Status trim(Offset offset) = 0;
  /// What begin_offset() would be after trim(offset).
  [[nodiscard]] virtual Offset begin_after_trim(Offset offset) const = 0;

  [[nodiscard]] virtual const LogIdentity& identity() const noexcept = 0;

  /// Checks every record from `from` to the end.
  /// Returns: DATA_LOSS naming file and offset, OUT_OF_RANGE when no record begins at `from`, UNAVAILABLE.
  [[nodiscard]] virtual Status verify(Offset from) const = 0;

  /// Why appends are refused for good, or what damage a read has met; OK while all is well. A full disk is no trouble.
  [[nodiscard]] virtual Status trouble() const = 0;

  /// Copies everything appended so far into a new directory, synced. The copy is another log once it is opened: it
  /// draws an id, and has this one for an ancestor. Requires: nothing is trimmed meanwhile. Returns:
  /// RESOURCE_EXHAUSTED, UNAVAILABLE.
  virtual Status copy(const std::string& directory) const = 0;

  /// Wakes waiting readers and refuses further appends.
  virtual void close() = 0;
};

/// Returns: FAILED_PRECONDITION when another version of Cairn wrote it, DATA_LOSS when something that was acknowledged
/// is missing or damaged (the message names file and offset; nothing is changed), UNAVAILABLE.
[[nodiscard]] Result<std::unique_ptr<EventLog>> open_event_log(EventLogOptions options);

/// What was lost of a log: the records from `from` to `to`.
struct LogLoss {
  Offset from;
  Offset to;
};

/// Makes a log that was damaged whole again by giving up what cannot be read: in its place stand records that say so,
/// which a source passes over. All other records keep their offsets. Nobody needs anything before `needed`, up to which
/// records were acknowledged. The log becomes one of its own, as a copy does: whoever was ahead of it is told from it.
/// Requires: the log is not open.
/// Returns: what was given up; UNAVAILABLE, RESOURCE_EXHAUSTED, FAILED_PRECONDITION as above.
[[nodiscard]] Result<std::vector<LogLoss>> give_up_lost_records(const EventLogOptions& options, Offset needed);

/// What a look at a log has found.
struct LogExamination {
  std::vector<Damage> damaged;  ///< empty: nothing
  LogIdentity identity;         ///< without an id: there is none
  Offset begin;                 ///< of the oldest record
  Offset end;                   ///< after the newest
};

/// Reads all there is of a log, whoever has it open, and changes nothing.
[[nodiscard]] LogExamination examine_event_log(const std::string& directory);

/// The offset of the oldest record that is there; nothing when there is no segment.
[[nodiscard]] std::optional<Offset> oldest_record(const std::string& directory);

}  // namespace cairn::streaming
