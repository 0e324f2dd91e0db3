#include "engine/api_log.h"

#include <optional>
#include <string>
#include <utility>

#include "engine/ingest/sink.h"
#include "engine/part_options.h"
#include "engine/state/log_agreement.h"

namespace cairn {

namespace {

using Log = std::unique_ptr<streaming::EventLog>;

state::LogFound found(const streaming::EventLog& log, const std::string& path) {
  state::LogFound found{path, log.identity().id, {}, log.begin_offset(), log.end_offset()};
  for (const auto& [id, end] : log.identity().ancestors) found.ancestors.push_back({id, end});
  return found;
}

Result<Log> open_checked(const streaming::EventLogOptions& options, const std::string& known,
                         std::optional<Offset> applied) {
  CAIRN_ASSIGN_OR_RETURN(Log log, streaming::open_event_log(options));
  CAIRN_RETURN_IF_ERROR(state::check_log(found(*log, options.path), known, applied));
  CAIRN_RETURN_IF_ERROR(log->verify(applied.value_or(log->begin_offset())));
  return log;
}

/// Gives up what keeps the log from being opened, and says what that was.
Result<Log> open_without_lost(const streaming::EventLogOptions& options, const std::string& known,
                              std::optional<Offset> applied) {
  CAIRN_ASSIGN_OR_RETURN(const auto losses, streaming::give_up_lost_records(options, applied.value_or(Offset{0})));
  for (const streaming::LogLoss& loss : losses) {
    options.log.error(
        "event_log.loss_accepted", "events were lost, and given up",
        {{"log", options.path}, {"from", std::to_string(loss.from.value)}, {"to", std::to_string(loss.to.value)}});
  }
  return open_checked(options, known, applied);
}

}  // namespace

std::optional<Offset> applied_of(const state::FeatureState& state) {
  const auto positions = state.positions(ingest::kApiSource);
  return positions.empty() ? std::nullopt : std::optional(positions.front().offset);
}

Result<Log> open_api_log(const EngineOptions& options, const state::StateDirectory& directory,
                         storage::StateStore& store, const state::FeatureState& state) {
  CAIRN_ASSIGN_OR_RETURN(const std::string known, state::known_log(store));
  streaming::EventLogOptions log_options = cairn::log_options(options, directory);
  log_options.id = known.empty() ? state.id() : known;
  log_options.must_exist = !known.empty();
  const auto applied = applied_of(state);
  auto log = options.accept_log_loss ? open_without_lost(log_options, known, applied)
                                     : open_checked(log_options, known, applied);
  if (!log.ok()) return log;
  CAIRN_RETURN_IF_ERROR(state::remember_log(store, (*log)->identity().id));
  return log;
}

}  // namespace cairn
