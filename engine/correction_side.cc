#include "engine/correction_side.h"

#include <algorithm>
#include <cstdio>
#include <unordered_set>
#include <utility>

#include "engine/api_log.h"
#include "engine/state/keys.h"
#include "features/event_id_memory.h"
#include "streaming/api_record.h"

namespace cairn {

namespace {

constexpr std::size_t kRecordsAtOnce = 10'000;
constexpr std::size_t kEventsAtOnce = 4'096;
constexpr std::chrono::seconds kRetryPeriod{60};
constexpr std::size_t kMadeBytes = 17;  ///< of a made id behind the id of what it replaces

struct PrintHash {
  std::size_t operator()(const features::EventFingerprint& print) const noexcept { return print.low; }
};

/// What the log says of one id, whose events and retractions it is told in the order in which they came. It judges as
/// the state does: a retraction is of the event that says the same, whichever comes first.
class LoggedId {
 public:
  void pass(const Interaction& event) {
    const std::uint32_t contents = features::contents_print(event);
    if (event.retracts) {
      retractions_.push_back(contents);
    } else if (!came()) {
      contents_ = contents;  // of those with one id the first counted
    }
  }
  [[nodiscard]] bool came() const noexcept { return contents_ != 0; }
  /// Whether the event was retracted, or any retraction came where no event did. `counted`: what counted under the id
  /// by what else is known, which another source may have brought; 0: nothing is known.
  [[nodiscard]] bool retracted(std::uint32_t counted) const {
    const std::uint32_t contents = counted != 0 ? counted : contents_;
    return contents == 0 ? !retractions_.empty() : std::count(retractions_.begin(), retractions_.end(), contents) > 0;
  }
  /// Whether an event came under it, and the first says the same.
  [[nodiscard]] bool says(const Interaction& event) const noexcept {
    return contents_ == features::contents_print(event);
  }

 private:
  std::uint32_t contents_ = 0;
  std::vector<std::uint32_t> retractions_;
};

/// An error says of what it is.
template <class T>
Result<T> about(std::string_view what, Result<T> result) {
  if (result.ok()) return result;
  return std::move(result).status().with_context(what);
}

/// The name under which a replacement counts that has none of its own: the same whenever the same is sent.
std::string made_id(const std::string& replaced, const Interaction& event) {
  std::string record;
  streaming::append_decoded_record(event, &record);
  char hash[kMadeBytes + 1];
  std::snprintf(hash, sizeof hash, "~%016llx", static_cast<unsigned long long>(features::fingerprint(record).low));
  return replaced + hash;
}

/// The event of a row. Returns: nothing for a type that is not declared any more.
std::optional<Interaction> as_interaction(const UserId& user, const sql::UserRow& row, const InteractionTypes& types) {
  const auto type = types.find(row.type);
  if (!type) return std::nullopt;
  return Interaction{.user = user,
                     .place = PlaceId(row.place),
                     .type = *type,
                     .time = row.time,
                     .value = row.value,
                     .position = row.position,
                     .event_id = row.event_id};
}

Status says_otherwise(const std::string& event_id) {
  return invalid_argument("event '" + event_id +
                          "' came with another user, place, type, time, value or position than the original that is "
                          "named; leave it out, and what the API's log or PostgreSQL holds is taken");
}

constexpr std::string_view kSendApart = "; send what is to count as an event of its own, or correct what replaced it";

Status retracted_before(const std::string& event_id, std::string_view next) {
  return {StatusCode::kAlreadyExists, "event '" + event_id + "' was retracted before" + std::string(next)};
}

Status forgotten(const std::string& event_id) {
  return failed_precondition(
      "event '" + event_id +
      "' has come, and its event_id is not among those that are remembered (decode.dedup_ids): it "
      "came too long ago to be taken out, or the features have not come to it yet, and then try "
      "again in a moment. Nothing was changed");
}

Status came_before(const std::string& event_id) {
  return {StatusCode::kAlreadyExists,
          "the replacement's event_id '" + event_id +
              "' came before, with another event or a retraction, so it would be left out as a repeat; give it an "
              "event_id of its own, or leave that out and it is given one"};
}

/// Hands events on in pieces.
class Pieces {
 public:
  explicit Pieces(state::FeatureState::History& history) : history_(history) {}
  void add(Interaction event) {
    events_.push_back(std::move(event));
    if (events_.size() >= kEventsAtOnce) flush();
  }
  void flush() {
    history_.add(events_);
    events_.clear();
  }

 private:
  state::FeatureState::History& history_;
  std::vector<Interaction> events_;
};

/// Rows of which something may be known, told quickly.
class WantedRows {
 public:
  WantedRows(const state::InexactRows& rows, const state::FeatureState& state) : state_(state) {
    for (const auto& [key, entries] : rows) {
      const EntityKind kind = state::kind_of_key(key);
      cells_ = cells_ || (kind != EntityKind::kUser && kind != EntityKind::kPlace);
      keys_.insert(key);
    }
  }
  [[nodiscard]] bool may_be_of(const Interaction& event) const {
    if (cells_) return true;
    std::string key;
    state::append_user_key(event.user.str(), &key);
    if (keys_.contains(key)) return true;
    const auto place = state_.place_ids().find(event.place.str());
    if (!place) return false;
    key.clear();
    state::append_place_key(*place, &key);
    return keys_.contains(key);
  }

 private:
  const state::FeatureState& state_;
  std::unordered_set<std::string> keys_;
  bool cells_ = false;
};

}  // namespace

// ---- correcting ---------------------------------------------------------------------------------------------------

Result<CorrectionAck> CorrectionSide::correct(const CallContext& context, const EventCorrection& correction) const {
  CAIRN_RETURN_IF_ERROR(context.check());
  if (!valid_id(correction.event_id)) return invalid_argument("an event id has 1 to 128 bytes and no NUL");
  std::vector<Interaction> events;
  std::optional<MutexLock> alone;
  std::optional<ingest::ApiIntake::Reservation> reserved;
  // What stands in its place is judged first: that takes no look-up of the event.
  if (!correction.replacement.empty()) {
    CAIRN_ASSIGN_OR_RETURN(Interaction instead, replacement(correction));
    alone.emplace(one_replaces_);
    // Nobody brings its id between the look whether it came and its record in the log.
    reserved.emplace(parts_.intake.reserved_ids(), instead.event_id);
    parts_.intake.wait_for_callers();
    CAIRN_RETURN_IF_ERROR(check_replaceable(correction, instead));
    events.push_back(std::move(instead));
  }
  CAIRN_ASSIGN_OR_RETURN(Original original,
                         correction.original.empty() ? look_up(context, correction.event_id) : given(correction));
  CAIRN_RETURN_IF_ERROR(check_remembered(correction.event_id));
  original.event.event_id = correction.event_id;
  original.event.retracts = true;
  CorrectionAck ack{.reflected_at = {},
                    .found_in = std::move(original.found_in),
                    .replaced_by = events.empty() ? std::string() : events.front().event_id};
  events.insert(events.begin(), std::move(original.event));
  CAIRN_ASSIGN_OR_RETURN(ack.reflected_at, parts_.intake.take_read(context, events, reserved ? &*reserved : nullptr));
  return ack;
}

Result<CorrectionSide::Original> CorrectionSide::given(const EventCorrection& correction) const {
  CAIRN_ASSIGN_OR_RETURN(Interaction event, about("the original", parts_.intake.read(correction.original)));
  if (!event.event_id.empty() && event.event_id != correction.event_id) {
    return invalid_argument("the original is of event_id '" + event.event_id + "' and not '" + correction.event_id +
                            "'");
  }
  event.event_id = correction.event_id;
  // What counted, the state remembers better than the log: another source may have brought it.
  if (!parts_.state.remembered(correction.event_id).came) {
    CAIRN_RETURN_IF_ERROR(check_original(correction.event_id, event));
  }
  if (!parts_.state.may_retract(event)) return says_otherwise(correction.event_id);
  return Original{std::move(event), "caller"};
}

Status CorrectionSide::check_original(const std::string& event_id, const Interaction& given) const {
  CAIRN_ASSIGN_OR_RETURN(const auto logged, find_in_log(event_id));
  if (!logged) return ok_status();
  // By what the state will compare, or the retraction would be taken here and refused there.
  return features::contents_print(*logged) == features::contents_print(given) ? ok_status() : says_otherwise(event_id);
}

/// A retraction of an event whose id was forgotten would take nothing out, and a replacement would count beside it.
Status CorrectionSide::check_remembered(const std::string& event_id) const {
  const auto known = parts_.state.remembered(event_id);
  if (known.came || known.retracted || !parts_.state.forgot_event_ids()) return ok_status();
  // What comes behind is applied before what is appended now.
  bool came = false;
  CAIRN_RETURN_IF_ERROR(for_each_logged(applied_of(parts_.state).value_or(Offset{0}), [&](const Interaction& event) {
    came = came || (!event.retracts && event.event_id == event_id);
  }));
  if (!came && parts_.has_sql) {
    CAIRN_ASSIGN_OR_RETURN(const auto row, find_in_sql(event_id));
    came = row.has_value();
  }
  // It may have been applied in the meantime.
  return came && !parts_.state.remembered(event_id).came ? forgotten(event_id) : ok_status();
}

Status CorrectionSide::check_replaceable(const EventCorrection& correction, const Interaction& instead) const {
  const std::string& event_id = correction.event_id;
  const auto known = parts_.state.remembered(event_id);
  std::uint32_t counted = known.came ? known.came->contents : 0;
  // Of an event that nothing is known of, what the caller says tells which retraction would be its own.
  if (counted == 0 && !correction.original.empty()) {
    CAIRN_ASSIGN_OR_RETURN(const Interaction said, about("the original", parts_.intake.read(correction.original)));
    counted = features::contents_print(said);
  }
  LoggedId original;
  LoggedId replacement;
  bool replaced = false;  // the event was retracted before the replacement's id came
  std::string by;
  CAIRN_RETURN_IF_ERROR(for_each_logged(parts_.log.end_offset(), [&](const Interaction& event) {
    if (event.event_id == event_id) original.pass(event);
    if (event.event_id == instead.event_id) {
      const bool first = !event.retracts && !replacement.came();
      replacement.pass(event);
      if (first) replaced = original.retracted(counted);
    }
    if (event.retracts) return;
    if (event.event_id.size() == event_id.size() + kMadeBytes && event.event_id.starts_with(event_id + "~")) {
      by = event.event_id;
    }
  }));
  if (replaced && replacement.says(instead)) {
    // The same call once more, unless what it brought was corrected since.
    return replacement.retracted(features::contents_print(instead)) ? came_before(instead.event_id) : ok_status();
  }
  const bool came = replacement.came() || replacement.retracted(0);
  if (original.retracted(counted)) {
    std::string next(kSendApart);
    if (came) next = ", and '" + instead.event_id + "' came before with something else; correct that one";
    if (!by.empty()) next = ", and '" + by + "' stands in its place; correct that one";
    return retracted_before(event_id, next);
  }
  return came ? came_before(instead.event_id) : check_unknown(event_id, counted, instead);
}

Status CorrectionSide::check_unknown(const std::string& event_id, std::uint32_t counted,
                                     const Interaction& instead) const {
  const bool retracted =
      counted != 0 ? parts_.state.retracted(event_id, counted) : parts_.state.remembered(event_id).retracted;
  const auto known = parts_.state.remembered(instead.event_id);
  if (!known.came && !known.retracted) {
    return retracted ? retracted_before(event_id, kSendApart) : ok_status();
  }
  // The log may hold the first call no more.
  const bool same = known.came && parts_.state.may_retract(instead);
  return same && retracted ? ok_status() : came_before(instead.event_id);
}

Result<Interaction> CorrectionSide::replacement(const EventCorrection& correction) const {
  CAIRN_ASSIGN_OR_RETURN(Interaction event, about("the replacement", parts_.intake.read(correction.replacement)));
  if (event.retracts) return invalid_argument("the replacement is a retraction; it must be an event");
  // Under the id of what was retracted nothing counts any more.
  if (event.event_id.empty() || event.event_id == correction.event_id) {
    event.event_id.clear();
    event.event_id = made_id(correction.event_id, event);
  }
  if (!valid_id(event.event_id)) return invalid_argument("give the replacement an event_id of its own");
  return event;
}

Result<CorrectionSide::Original> CorrectionSide::look_up(const CallContext& context,
                                                         const std::string& event_id) const {
  CAIRN_ASSIGN_OR_RETURN(auto found, find_in_log(event_id));
  // Another source may have brought another event under this id before: that one counted, and is not the log's.
  bool said_otherwise = found && !parts_.state.may_retract(*found);
  if (found && !said_otherwise) return Original{*std::move(found), "event_log"};
  CAIRN_RETURN_IF_ERROR(context.check());
  if (parts_.has_sql) {
    CAIRN_ASSIGN_OR_RETURN(found,
                           about("looking the event up (not needed when what it said is sent)", find_in_sql(event_id)));
    if (found && parts_.state.may_retract(*found)) return Original{*std::move(found), "postgres"};
    said_otherwise = said_otherwise || found;
  }
  if (said_otherwise) {
    return invalid_argument("under event_id '" + event_id +
                            "' another event counted than what is kept of it tells; send what that one said");
  }
  const std::string where = "what the API's log still holds" + std::string(parts_.has_sql ? ", nor in PostgreSQL" : "");
  const auto known = parts_.state.remembered(event_id);
  if (known.came && !known.retracted) {
    return not_found(
        "event '" + event_id + "' counts, but what it said is not in " + where + ": send the event as it " +
        "came, with user_id, place_id, type, ts and whatever else it had (`--original` of `cairn events`)");
  }
  return not_found("event '" + event_id + "' is not in " + where +
                   ": it never came, was retracted, or came by another source; send what it said");
}

Result<std::optional<Interaction>> CorrectionSide::find_in_log(const std::string& event_id) const {
  std::optional<Interaction> found;
  std::optional<Interaction> retraction;
  CAIRN_RETURN_IF_ERROR(for_each_logged(parts_.log.end_offset(), [&](const Interaction& event) {
    if (event.event_id != event_id) return;
    // Of those with one id the first counted; or another one, where another source had brought that before.
    std::optional<Interaction>& first = event.retracts ? retraction : found;
    if (!first || (!parts_.state.may_retract(*first) && parts_.state.may_retract(event))) first = event;
  }));
  // Of an event that another source brought, and that was retracted here before, the retraction tells all that it said.
  if (found || !retraction) return found;
  const auto known = parts_.state.remembered(event_id);
  if (!known.came || !known.retracted) return found;
  retraction->retracts = false;
  return retraction;
}

Result<std::optional<Interaction>> CorrectionSide::find_in_sql(const std::string& event_id) const {
  SqlSide* const sql = parts_.sql();
  if (sql == nullptr) return unavailable("PostgreSQL is not open yet");
  CAIRN_ASSIGN_OR_RETURN(const auto row, sql->find_event(event_id));
  if (!row) return std::optional<Interaction>();
  return as_interaction(row->user, row->row, parts_.state.types());
}

Status CorrectionSide::for_each_logged(Offset end, const std::function<void(const Interaction&)>& visit) const {
  const InteractionTypes& types = parts_.state.types();
  Offset from = parts_.log.begin_offset();
  std::string bytes;
  Interaction event;
  while (from < end) {
    const Offset before = from;
    const auto read = [&](Offset at, Offset next, std::string_view record) {
      from = next;
      if (at >= end) return;
      const auto events = streaming::events_in(record);
      for (const std::string_view one : events.value_or(std::vector<std::string_view>{})) {
        const auto decoded = streaming::read_api_record(one, types, &event);
        if (decoded && decoded->reject == streaming::Reject::kNone) visit(event);
      }
    };
    CAIRN_RETURN_IF_ERROR(parts_.log.read(from, kRecordsAtOnce, std::chrono::milliseconds(0), &bytes, read));
    if (from == before) break;
  }
  return ok_status();
}

// ---- mending ------------------------------------------------------------------------------------------------------

void CorrectionSide::mend() {
  const state::InexactRows rows = parts_.state.inexact_rows();
  const auto now = std::chrono::steady_clock::now();
  if (rows.empty() || (rows == tried_ && now - tried_at_ < kRetryPeriod)) return;
  for (const Status& status : {mend_from_sql(rows), mend_from_log(parts_.state.inexact_rows())}) {
    if (!status.ok()) logger_.warning("corrections.mending_waits", status.to_string());
  }
  tried_ = parts_.state.inexact_rows();
  tried_at_ = now;
}

/// The rows of one user after the other: an index finds them. Places and cells have none.
Status CorrectionSide::mend_from_sql(const state::InexactRows& rows) {
  SqlSide* const sql = parts_.sql();
  if (sql == nullptr) return ok_status();
  for (const auto& [key, entries] : rows) {
    if (state::kind_of_key(key) != EntityKind::kUser) continue;
    const UserId user{std::string(state::user_of_key(key))};
    CAIRN_ASSIGN_OR_RETURN(const auto found, sql->rows_of(user));
    std::vector<Interaction> events;
    for (const sql::UserRow& row : found) {
      auto event = as_interaction(user, row, parts_.state.types());
      if (event) events.push_back(*std::move(event));
    }
    state::FeatureState::History of_user(parts_.state, state::InexactRows{{key, entries}});
    of_user.add(events);
    CAIRN_RETURN_IF_ERROR(parts_.state.mend(of_user));
  }
  return ok_status();
}

/// In two passes, because a retraction may come before or behind its event. One would do for events that the state
/// remembers; of those that it has forgotten only the log knows that they were retracted.
Status CorrectionSide::mend_from_log(const state::InexactRows& rows) {
  if (rows.empty()) return ok_status();
  using features::EventFingerprint;
  // What is not applied yet is in no row. With it, as many events might come together as a row has, and be others.
  const Offset end = applied_of(parts_.state).value_or(Offset{0});
  std::unordered_set<EventFingerprint, PrintHash> retracted;
  const auto retraction_of = [](const EventFingerprint& id, const Interaction& event) {
    return features::retraction_of(id, features::contents_print(event));
  };
  CAIRN_RETURN_IF_ERROR(for_each_logged(end, [&](const Interaction& event) {
    if (event.retracts) retracted.insert(retraction_of(features::fingerprint(event.event_id), event));
  }));
  const WantedRows wanted(rows, parts_.state);
  state::FeatureState::History history(parts_.state, rows);
  Pieces pieces(history);
  std::unordered_set<EventFingerprint, PrintHash> seen;
  CAIRN_RETURN_IF_ERROR(for_each_logged(end, [&](const Interaction& event) {
    if (event.retracts || !wanted.may_be_of(event)) return;
    if (!event.event_id.empty()) {
      const EventFingerprint id = features::fingerprint(event.event_id);
      // Of those with one id the first counts, or nothing.
      if (!seen.insert(id).second || (!retracted.empty() && retracted.contains(retraction_of(id, event)))) return;
    }
    pieces.add(event);
  }));
  pieces.flush();
  return parts_.state.mend(history);
}

}  // namespace cairn
