#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cairn/ids.h"
#include "cairn/log.h"
#include "cairn/status.h"

namespace cairn::streaming {

struct EventLogOptions {
  std::string path;  ///< directory; created when absent
  std::uint64_t segment_bytes = 64u << 20;
  std::uint64_t free_bytes_min = 256u << 20;  ///< appends are refused while the disk has less free than this
  bool sync = true;                           ///< false: for evaluation runs that need no durability
  Logger log;
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

  /// Removes whole segments that lie before `offset`.
  virtual Status trim(Offset offset) = 0;
  /// What begin_offset() would be after trim(offset).
  [[nodiscard]] virtual Offset begin_after_trim(Offset offset) const = 0;

  /// Wakes waiting readers and refuses further appends.
  virtual void close() = 0;
};

/// Returns: FAILED_PRECONDITION when another version of Cairn wrote it, DATA_LOSS when a record before the tail is
/// damaged (the message names file and offset), UNAVAILABLE.
[[nodiscard]] Result<std::unique_ptr<EventLog>> open_event_log(EventLogOptions options);

}  // namespace cairn::streaming
