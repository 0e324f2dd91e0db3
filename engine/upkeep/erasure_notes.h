#pragma once

#include <set>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/ids.h"
#include "cairn/status.h"

namespace cairn::upkeep {

/// That a user is to be erased, and how far that is.
struct ErasureNote {
  UserId user;
  EventTime at;                ///< when it was asked for
  Offset log_end;              ///< of the API's log then: everything before it is of before
  std::set<std::string> done;  ///< names of parts
};

/// The notes of erasures that are not done, in a file of their own: it is the only one that names the users meanwhile,
/// and goes with the last note. After a crash it holds what it held before the last save(), or after it.
///
/// Text, a line each: "cairn erasing 1", then the user's id in hexadecimal, time (ms), offset, and the parts that are
/// done, each behind a blank.
///
/// One thread at a time.
class ErasureNotes {
 public:
  explicit ErasureNotes(std::string path) : path_(std::move(path)) {}

  /// Returns: DATA_LOSS for a file that is none; UNAVAILABLE.
  [[nodiscard]] Status load();

  [[nodiscard]] const std::vector<ErasureNote>& all() const noexcept { return notes_; }
  /// Adds a note, in the place of an earlier one of the same user. Returns: RESOURCE_EXHAUSTED, UNAVAILABLE; the notes
  /// are as before then.
  [[nodiscard]] Status put(const ErasureNote& note);
  /// The same for taking one away.
  [[nodiscard]] Status remove(const UserId& user);

 private:
  [[nodiscard]] Status save(std::vector<ErasureNote> notes);

  const std::string path_;
  std::vector<ErasureNote> notes_;
};

}  // namespace cairn::upkeep
