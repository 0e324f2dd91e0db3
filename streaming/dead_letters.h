#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/ids.h"
#include "cairn/status.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// A record that cannot be used, with where it came from and why.
struct DeadLetter {
  std::string_view source;
  Partition partition;
  Offset offset;
  Reject reason = Reject::kNone;
  std::string_view detail;
  std::string_view payload;  ///< as it came; kept up to 64 KiB of it
  EventTime seen;            ///< when it was refused, by the clock
};

/// Keeps dead letters as NDJSON: {"source","partition","offset","reason","detail","seen","payload"} — "payload_base64"
/// instead of "payload" where the bytes are not UTF-8, and "payload_bytes" where it was cut. Letters of a partition are
/// appended in the order of their offsets, each at most once: one that comes again after a crash is recognised by its
/// offset. A file may be emptied from outside; letters that stood in it may then come once more after a restart.
/// One thread at a time; one process at a time, by a lock on the file.
class DeadLetters {
 public:
  virtual ~DeadLetters() = default;

  /// Appends those that are not there yet, and puts them on the disk.
  /// Returns: RESOURCE_EXHAUSTED, UNAVAILABLE; some may have been written then, and the same call may be made again.
  virtual Status append(std::span<const DeadLetter> letters) = 0;
};

/// Opens or creates the file. A torn last line (crash in the middle of an append) is cut off.
/// Returns: FAILED_PRECONDITION when the file holds something else, NOT_FOUND when its folder is missing, UNAVAILABLE
/// when another process has it open or it cannot be read.
[[nodiscard]] Result<std::unique_ptr<DeadLetters>> open_dead_letter_file(const std::string& path);

}  // namespace cairn::streaming
