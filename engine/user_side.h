#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/status.h"
#include "cairn/user_data.h"
#include "engine/ingest/api_intake.h"
#include "engine/ingest/sinks.h"
#include "engine/sql_side.h"
#include "engine/state/feature_state.h"
#include "engine/upkeep/log_trimmer.h"
#include "engine/upkeep/user_erasure.h"
#include "streaming/event_log.h"

namespace cairn {

/// All that finds what is known of one user, and erases it, wherever it lies.
///
/// Threads: any.
class UserSide {
 public:
  struct Parts {
    state::FeatureState& state;
    streaming::EventLog& log;
    ingest::ApiIntake& intake;
    ingest::FeatureSink& features;
    upkeep::LogTrimmer& trimmer;
    std::function<SqlSide*()> sql;                             ///< null: there is none yet
    bool has_sql = false;                                      ///< there will be one
    std::function<void()> settle_answers;                      ///< none of before is on its way to PostgreSQL then
    std::function<Status(const UserId&)> forget_answers = {};  ///< null: no answers are kept on disk
  };
  /// All must outlive it.
  UserSide(Parts parts, std::string notes_path, const Clock& clock, Logger log);

  /// See upkeep::UserErasure.
  [[nodiscard]] Status recover() { return erasure_.recover(); }
  void go_on() { erasure_.go_on(); }
  [[nodiscard]] std::uint64_t pending() const noexcept { return erasure_.pending(); }

  /// See Engine.
  [[nodiscard]] Result<ErasureReceipt> erase(const CallContext& context, const UserId& user);
  [[nodiscard]] Result<UserExport> export_user(const CallContext& context, const UserId& user, EventTime now) const;

 private:
  using Note = upkeep::ErasureNote;
  [[nodiscard]] std::vector<upkeep::UserErasure::Part> erasure_parts();
  [[nodiscard]] EventTime refused_until(const Note& note) const;
  Result<std::uint64_t> erase_features(const Note& note);
  Result<std::uint64_t> erase_logged(const Note& note);
  Result<std::uint64_t> erase_letters(const Note& note);
  Result<std::uint64_t> erase_rows(const Note& note);
  Status export_logged(const UserId& user, std::vector<UserEvent>* events) const;
  Status export_rows(const UserId& user, std::vector<UserEvent>* events) const;

  const Parts parts_;
  upkeep::UserErasure erasure_;
};

}  // namespace cairn
