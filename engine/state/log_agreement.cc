#include "engine/state/log_agreement.h"

#include <algorithm>

#include "engine/state/keys.h"

namespace cairn::state {

namespace {

constexpr const char* kRemedy =
    "; restore a checkpoint, or the missing files from a backup, or start once with --accept-log-loss to go on without "
    "these events";

std::string text(Offset offset) { return std::to_string(offset.value); }

}  // namespace

Result<std::string> known_log(const storage::StateStore& store) {
  CAIRN_ASSIGN_OR_RETURN(const auto id, store.get(storage::Family::kMeta, kLogIdKey));
  return id.value_or("");
}

Status check_log(const LogFound& log, const std::string& known, std::optional<Offset> applied) {
  const Offset reached = applied.value_or(Offset{0});
  const std::string where = "the event log in '" + log.path + "'";
  Offset shared = log.end;
  if (!known.empty() && known != log.id) {
    const auto same = [&](const LogFound::Ancestor& one) { return one.id == known; };
    const auto ancestor = std::find_if(log.ancestors.begin(), log.ancestors.end(), same);
    if (ancestor == log.ancestors.end()) {
      return data_loss(where + " is not the one of this state: it is " + log.id + ", and the state was built from " +
                       known + kRemedy);
    }
    shared = std::min(shared, ancestor->end);
  }
  if (reached < log.begin) {
    return data_loss(where + " begins at offset " + text(log.begin) + ", and the features hold events up to offset " +
                     text(reached) + ": those between were acknowledged and are lost" + kRemedy);
  }
  if (reached > shared) {
    return data_loss(where + " ends at offset " + text(shared) + ", and the features hold events up to offset " +
                     text(reached) + " of it: the log was cut, or is an older one" + kRemedy);
  }
  return ok_status();
}

Status remember_log(storage::StateStore& store, const std::string& id) {
  CAIRN_ASSIGN_OR_RETURN(const std::string known, known_log(store));
  if (known == id) return ok_status();
  storage::WriteBatch batch;
  batch.put(storage::Family::kMeta, kLogIdKey, id);
  CAIRN_RETURN_IF_ERROR(store.write(std::move(batch), storage::Durability::kSynced));
  return store.flush();
}

}  // namespace cairn::state
