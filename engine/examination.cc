// Looking at a state directory without opening an engine on it.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/engine.h"
#include "engine/ingest/sink.h"
#include "engine/state/keys.h"
#include "engine/state/log_agreement.h"
#include "engine/state/state_directory.h"
#include "features/row.h"
#include "storage/state_store.h"
#include "streaming/event_log.h"

namespace cairn {

namespace {

constexpr const char* kLogRemedy =
    "restore the folder from a backup or restore a checkpoint, or start once with --accept-log-loss to go on without "
    "its events";

/// What the features know of the API's log.
struct KnownLog {
  std::string id;                 ///< empty: they have met none
  std::optional<Offset> applied;  ///< up to where they hold its events

  void see(std::string_view key, std::string_view value) {
    if (key == state::kLogIdKey) id = value;
    std::string source;
    Partition partition{};
    if (!state::parse_position_key(key, &source, &partition) || source != ingest::kApiSource) return;
    if (const auto position = state::decode_position(partition, value); position.ok()) applied = position->offset;
  }
};

/// What a start would say of the log beside these features.
Status check_agreement(const streaming::LogExamination& log, Offset begin, const std::string& path,
                       const KnownLog& known) {
  if (known.id.empty() && !known.applied) return ok_status();
  if (log.identity == streaming::LogIdentity{}) {
    return data_loss("the event log in '" + path + "' is missing, and the features know it as " + known.id);
  }
  state::LogFound found{path, log.identity.id, {}, begin, log.end};
  for (const auto& [id, end] : log.identity.ancestors) found.ancestors.push_back({id, end});
  return state::check_log(found, known.id, known.applied);
}

}  // namespace

StateExamination examine_state(const std::string& state_dir) {
  const auto directory = state::StateDirectory::at(state_dir);
  // The log's beginning before the features and its end after them: beside a running engine both only grow, the
  // beginning never past what the features hold, and the features never past the end.
  const std::optional<Offset> begin = streaming::oldest_record(directory.event_log());
  KnownLog known;
  features::Row row;
  const auto check = [&row](std::string_view, std::string_view value) { return features::decode_row(value, &row); };
  storage::StoreExamination store =
      storage::examine_rocksdb_store(directory.store(), features::merge_encoded_rows, check,
                                     [&known](std::string_view key, std::string_view value) { known.see(key, value); });
  StateExamination found{std::move(store.damaged), store.rows, store.quarantined};
  streaming::LogExamination log = streaming::examine_event_log(directory.event_log());
  // Damage within the log says it all, and where.
  if (log.damaged.empty()) {
    const Status agrees = check_agreement(log, begin.value_or(log.begin), directory.event_log(), known);
    if (!agrees.ok()) log.damaged.push_back(damage_of(agrees, kLogRemedy));
  }
  for (Damage& damage : log.damaged) found.damaged.push_back(std::move(damage));
  return found;
}

}  // namespace cairn
