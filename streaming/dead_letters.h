#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/ids.h"
#include "cairn/options.h"
#include "cairn/status.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// A record that cannot be used, with where it came from and why.
struct DeadLetter {
  std::string_view source;
  std::string_view incarnation;  ///< Source::incarnation, of letters, digits and '-'; empty: the first
  Partition partition;
  Offset offset;
  Reject reason = Reject::kNone;
  std::string_view detail;
  std::string_view payload;  ///< as it came; kept up to 64 KiB of it
  EventTime seen;            ///< when it was refused, by the clock
};

/// Letters since the file was opened, by reason: how many came, and how many of these were not kept.
struct DeadLetterCounts {
  std::array<std::uint64_t, kRejects> came{};
  std::array<std::uint64_t, kRejects> not_kept{};
};

/// Keeps dead letters as NDJSON: {"source","incarnation","partition","offset","reason","detail","seen","payload"} —
/// "payload_base64" instead of "payload" where the bytes are not UTF-8, and "payload_bytes" where it was cut;
/// "incarnation" only where there is one. Letters of a partition are appended in the order of their offsets, each at
/// most once: one that comes again after a crash is recognised by its offset.
///
/// Bounded on disk, whatever comes (DeadLetterOptions). The file is begun anew when it is full: `path` becomes
/// `path.1`, that `path.2`, and the oldest goes. Of a flood of one reason a sample is kept, and a line with "not_kept"
/// instead of a payload says how many letters of its reason and partition, up to its offset, are not in the file; such
/// lines are written with the next letter or by settle(). So letters and these numbers add up to all that came; after a
/// kill they may lack what was left out since the last settle().
///
/// The file may be emptied, renamed or removed from outside; letters that stood in it may then come once more after a
/// restart. One thread at a time; one process at a time, by a lock on the file.
class DeadLetters {
 public:
  virtual ~DeadLetters() = default;

  /// Appends those that are not there yet and are to be kept, and puts them on the disk.
  /// Returns: RESOURCE_EXHAUSTED, UNAVAILABLE; some may have been written then, and the same call may be made again.
  virtual Status append(std::span<const DeadLetter> letters) = 0;

  /// Writes how many letters were left out, where that is not in the file yet, and removes files that are too old. To
  /// be called every second or so, and before the end. Returns: as append().
  virtual Status settle(EventTime now) = 0;

  /// Takes the letters out whose payload or detail `wanted` says yes to, from all files: in the place of each stands a
  /// line that counts it as not kept. Files are replaced whole, so that the old bytes are in none of them afterwards; a
  /// crash leaves each as it was or as it is now.
  /// Returns: how many letters went; as append(), and some files may be done then.
  using Wanted = std::function<bool(std::string_view text)>;
  virtual Result<std::uint64_t> erase(const Wanted& wanted) = 0;

  /// Calls `see` with the line of every letter in the files whose payload or detail `wanted` says yes to, the oldest
  /// first. Returns: UNAVAILABLE.
  virtual Status find(const Wanted& wanted, const std::function<void(std::string_view line)>& see) const = 0;

  [[nodiscard]] virtual DeadLetterCounts counts() const = 0;
};

/// Opens or creates the file. A torn last line (crash in the middle of an append) is cut off.
/// Returns: FAILED_PRECONDITION when the file holds something else, NOT_FOUND when its folder is missing, UNAVAILABLE
/// when another process has it open or it cannot be read.
[[nodiscard]] Result<std::unique_ptr<DeadLetters>> open_dead_letter_file(const std::string& path,
                                                                         const DeadLetterOptions& options = {});

}  // namespace cairn::streaming
