#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "storage/state_store.h"

namespace cairn::state {

/// The API's log as it was found beside a state.
struct LogFound {
  /// Another log with the same records before `end`, from which this one was copied.
  struct Ancestor {
    std::string id;
    Offset end;
  };
  std::string path;
  std::string id;
  std::vector<Ancestor> ancestors;
  Offset begin;
  Offset end;
};

/// The id of the log that the state was built from; empty when it has met none yet.
[[nodiscard]] Result<std::string> known_log(const storage::StateStore& store);

/// Whether the state, which has applied the log up to `applied`, can go on with `log`: it is the log that the state
/// knows or a copy of it, and holds every event that the state does not.
/// Returns: DATA_LOSS with offsets and remedy.
[[nodiscard]] Status check_log(const LogFound& log, const std::string& known, std::optional<Offset> applied);

/// Notes which log the state belongs to from now on, in files that no loss of the store's log can take back.
[[nodiscard]] Status remember_log(storage::StateStore& store, const std::string& id);

}  // namespace cairn::state
