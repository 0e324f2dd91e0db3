#include "engine/user_side.h"

#include <chrono>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "engine/ingest/sink.h"
#include "engine/state/feature_reads.h"
#include "streaming/api_record.h"
#include "streaming/mentions.h"

namespace cairn {

namespace {

constexpr std::size_t kRecordsAtOnce = 10'000;

std::function<bool(std::string_view)> naming(const UserId& user) {
  return [id = user.str()](std::string_view text) { return streaming::mentions(text, id); };
}

Status check_id(const UserId& user) {
  return valid_id(user.str()) ? ok_status() : invalid_argument("a user id has 1 to 128 bytes and no NUL");
}

UserEvent as_event(const Interaction& one, const InteractionTypes& types) {
  return {.where = "event_log",
          .time = one.time,
          .place = one.place.str(),
          .type = types.name(one.type),
          .value = one.value,
          .position = one.position,
          .event_id = one.event_id,
          .source = std::string(ingest::kApiSource),
          .retracts = one.retracts};
}

}  // namespace

std::vector<std::string> kept_without_the_person() {
  return {"features of places, geohash cells, hours and categories: counts and sums that name nobody",
          "place_stats_hourly and place_stats_daily in PostgreSQL: the same by hour and by day",
          "fingerprints of event ids, by which repeats are known: hashes that name nobody",
          "a keyed hash of the user's id with the time of the erasure, by which what comes again is refused",
          "models that were trained before: they hold no user ids"};
}

UserSide::UserSide(Parts parts, std::string notes_path, const Clock& clock, Logger log)
    : parts_(std::move(parts)),
      erasure_({.notes_path = std::move(notes_path),
                .log_end = [this] { return parts_.log.end_offset(); },
                .until = [this](const UserId& user) { return parts_.state.erased_users().until(user); },
                .log = std::move(log)},
               clock, erasure_parts()) {}

std::vector<upkeep::UserErasure::Part> UserSide::erasure_parts() {
  // The features first: with them comes the mark, and from then on nothing more of before arrives anywhere.
  std::vector<upkeep::UserErasure::Part> parts{
      {"features", "entries of the user's features", true, [this](const Note& note) { return erase_features(note); }},
      {"event_log", "events in the API's log", true, [this](const Note& note) { return erase_logged(note); }},
      {"dead_letters", "records that were refused", true, [this](const Note& note) { return erase_letters(note); }}};
  if (parts_.forget_answers) {
    // Last of what is on this disk: what was answered before the mark may still have been written.
    parts.push_back({"answers", "kept answers on disk, everybody's: they are computed anew", true,
                     [this](const Note& note) -> Result<std::uint64_t> {
                       CAIRN_RETURN_IF_ERROR(parts_.forget_answers(note.user));
                       return std::uint64_t{0};
                     }});
  }
  if (parts_.has_sql) {
    parts.push_back({"postgres", "rows of user_interactions, and kept answers", false,
                     [this](const Note& note) { return erase_rows(note); }});
  }
  return parts;
}

EventTime UserSide::refused_until(const Note& note) const {
  return parts_.state.erased_users().until(note.user).value_or(note.at);
}

// ---- erasing ------------------------------------------------------------------------------------------------------

Result<ErasureReceipt> UserSide::erase(const CallContext& context, const UserId& user) {
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(check_id(user));
  return erasure_.erase(user);
}

Result<std::uint64_t> UserSide::erase_features(const Note& note) {
  std::uint64_t entries = 0;
  const auto row = parts_.state.row(EntityKind::kUser, note.user.str());
  if (row.ok() && row->row) {
    for (const auto& block : row->row->blocks) entries += block.entries.size();
  }
  CAIRN_RETURN_IF_ERROR(parts_.state.erase_user(note.user, note.at).status());
  return entries;
}

Result<std::uint64_t> UserSide::erase_logged(const Note& note) {
  // Calls that were judged before there was a mark are in the log when this returns.
  parts_.intake.wait_for_callers();
  const MutexLock nothing_is_copied(parts_.trimmer.not_trimming());
  const EventTime until = refused_until(note);
  std::uint64_t events = 0;
  const auto blank = [&](Offset offset, std::span<char> payload) {
    // What was in the log before goes whatever its time: a clock may have been ahead.
    const EventTime to = offset < note.log_end ? EventTime::max() : until;
    const std::size_t erased = streaming::erase_user(note.user.str(), to, payload);
    events += erased;
    return erased > 0;
  };
  CAIRN_RETURN_IF_ERROR(parts_.log.rewrite(blank).status());
  return events;
}

Result<std::uint64_t> UserSide::erase_letters(const Note& note) {
  return parts_.features.erase_letters(naming(note.user));
}

Result<std::uint64_t> UserSide::erase_rows(const Note& note) {
  SqlSide* const sql = parts_.sql();
  if (sql == nullptr) return unavailable("PostgreSQL is not open yet");
  parts_.settle_answers();
  return sql->erase_user(note.user, refused_until(note), note.at);
}

// ---- telling ------------------------------------------------------------------------------------------------------

Result<UserExport> UserSide::export_user(const CallContext& context, const UserId& user, EventTime now) const {
  CAIRN_RETURN_IF_ERROR(check_id(user));
  UserExport all{.user = user, .refused_until = parts_.state.erased_users().until(user)};
  CAIRN_ASSIGN_OR_RETURN(FeatureResponse features,
                         state::read_features(parts_.state, context, {EntityKind::kUser, {user.str()}, {}, {}}, now));
  all.features = std::move(features.entities.at(0).vectors);
  CAIRN_RETURN_IF_ERROR(export_logged(user, &all.events));
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_RETURN_IF_ERROR(export_rows(user, &all.events));
  CAIRN_RETURN_IF_ERROR(parts_.features.find_letters(
      naming(user), [&](std::string_view line) { all.refused_records.emplace_back(line); }));
  return all;
}

Status UserSide::export_logged(const UserId& user, std::vector<UserEvent>* events) const {
  const InteractionTypes& types = parts_.state.types();
  const Offset end = parts_.log.end_offset();
  Offset from = parts_.log.begin_offset();
  std::string bytes;
  Interaction interaction;
  while (from < end) {
    const Offset before = from;
    const auto visit = [&](Offset, Offset next, std::string_view record) {
      from = next;
      const auto inside = streaming::events_in(record);
      for (const std::string_view event : inside.value_or(std::vector<std::string_view>{})) {
        const auto read = streaming::read_api_record(event, types, &interaction);
        const bool is_event = read && read->reject == streaming::Reject::kNone;
        if (is_event && interaction.user == user) events->push_back(as_event(interaction, types));
      }
    };
    CAIRN_RETURN_IF_ERROR(parts_.log.read(from, kRecordsAtOnce, std::chrono::milliseconds(0), &bytes, visit));
    if (from == before) break;
  }
  return ok_status();
}

Status UserSide::export_rows(const UserId& user, std::vector<UserEvent>* events) const {
  SqlSide* const sql = parts_.sql();
  if (sql == nullptr) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(const auto rows, sql->rows_of(user));
  for (const sql::UserRow& row : rows) {
    events->push_back({.where = "postgres",
                       .time = row.time,
                       .place = row.place,
                       .type = row.type,
                       .value = row.value,
                       .position = row.position,
                       .event_id = row.event_id,
                       .source = row.source});
  }
  return ok_status();
}

}  // namespace cairn
