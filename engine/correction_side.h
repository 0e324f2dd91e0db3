#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/correction.h"
#include "cairn/interaction.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/ingest/api_intake.h"
#include "engine/sql_side.h"
#include "engine/state/feature_state.h"
#include "streaming/event_log.h"

namespace cairn {

/// Corrects events: finds what a wrong one said, hands in its retraction and what stands in its place, and afterwards
/// makes exact what could not be taken back, from what is kept of the past.
///
/// Threads: correct() any; mend() one at a time.
class CorrectionSide {
 public:
  struct Parts {
    state::FeatureState& state;
    const streaming::EventLog& log;
    ingest::ApiIntake& intake;
    std::function<SqlSide*()> sql;  ///< null: there is none yet
    bool has_sql = false;           ///< there will be one
  };
  /// All must outlive it.
  CorrectionSide(Parts parts, Logger log) : parts_(std::move(parts)), logger_(std::move(log)) {}

  /// See Engine::correct_event.
  [[nodiscard]] Result<CorrectionAck> correct(const CallContext& context, const EventCorrection& correction) const;

  /// Tries to make inexact values exact, now and then: a user's from PostgreSQL where that is configured, all from what
  /// the API's log still holds. A chore.
  void mend();

 private:
  /// What a wrong event said, and from where that is known.
  struct Original {
    Interaction event;
    std::string found_in;
  };
  [[nodiscard]] Result<Original> given(const EventCorrection& correction) const;
  [[nodiscard]] Result<Original> look_up(const CallContext& context, const std::string& event_id) const;
  [[nodiscard]] Result<std::optional<Interaction>> find_in_log(const std::string& event_id) const;
  [[nodiscard]] Result<std::optional<Interaction>> find_in_sql(const std::string& event_id) const;
  [[nodiscard]] Result<Interaction> replacement(const EventCorrection& correction) const;
  /// Returns: ALREADY_EXISTS where the event was retracted before, as far as the API's log knows: a second replacement
  /// would count beside the first; and where the replacement's id came before, as far as the log or the state knows: it
  /// would be left out as a repeat. OK for the same call once more.
  [[nodiscard]] Status check_replaceable(const EventCorrection& correction, const Interaction& instead) const;
  /// Returns: ALREADY_EXISTS where the state knows an event or a retraction of the replacement's id, and not as what
  /// replaced this event, which said `counted` (0: not known).
  [[nodiscard]] Status check_unknown(const std::string& event_id, std::uint32_t counted,
                                     const Interaction& instead) const;
  /// Returns: INVALID_ARGUMENT where the API's log knows that the event said something else.
  [[nodiscard]] Status check_original(const std::string& event_id, const Interaction& given) const;
  /// Returns: FAILED_PRECONDITION where the log or PostgreSQL has the event, and the features do not know its id.
  [[nodiscard]] Status check_remembered(const std::string& event_id) const;
  /// Calls `visit` for every event that the log holds before `end`, retractions among them.
  Status for_each_logged(Offset end, const std::function<void(const Interaction&)>& visit) const;
  Status mend_from_sql(const state::InexactRows& rows);
  Status mend_from_log(const state::InexactRows& rows);

  const Parts parts_;
  const Logger logger_;
  /// From looking whether an event was replaced to its replacement.
  mutable Mutex one_replaces_;
  state::InexactRows tried_;
  std::chrono::steady_clock::time_point tried_at_;
};

}  // namespace cairn
