#include "engine/ingest/sinks.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cairn/check.h"
#include "streaming/mentions.h"

namespace cairn::ingest {

namespace {

std::vector<SourcePosition> of_partitions(std::vector<SourcePosition> all, std::span<const Partition> partitions) {
  std::erase_if(all, [&](const SourcePosition& position) {
    return std::find(partitions.begin(), partitions.end(), position.partition) == partitions.end();
  });
  return all;
}

const SourcePosition* find(std::span<const SourcePosition> positions, Partition partition) {
  const auto found = std::find_if(positions.begin(), positions.end(),
                                  [&](const SourcePosition& one) { return one.partition == partition; });
  return found == positions.end() ? nullptr : &*found;
}

/// Whether the batch goes on where `stored` stands, in every partition that it moves.
bool follows(std::span<const SourcePosition> stored, const DecodedBatch& batch) {
  return std::all_of(batch.after.begin(), batch.after.end(), [&](const SourcePosition& after) {
    const SourcePosition* was = find(stored, after.partition);
    const SourcePosition* before = find(batch.before, after.partition);
    return was && before ? *was == *before : was == before;
  });
}

bool alike(const Interaction& a, const Interaction& b) {
  return a.retracts == b.retracts && a.event_id == b.event_id && a.user == b.user && a.place == b.place &&
         a.type == b.type && a.time == b.time && a.value == b.value && a.position == b.position;
}

void append_member(std::string_view name, std::string_view text, std::string* json) {
  json->append(json->empty() ? "{\"" : ",\"").append(name).append("\":\"");
  streaming::append_escaped(text, json);
  json->push_back('"');
}

/// A retraction whose record came decoded, in words that can be sent again when they are corrected.
std::string as_json(const Interaction& event, const InteractionTypes& types) {
  std::string json;
  append_member("user_id", event.user.str(), &json);
  append_member("place_id", event.place.str(), &json);
  append_member("type", types.name(event.type), &json);
  append_member("event_id", event.event_id, &json);
  json += ",\"ts\":" + std::to_string(to_ms(event.time));
  char number[64];
  if (event.value) {
    std::snprintf(number, sizeof number, ",\"value\":%.17g", *event.value);
    json += number;
  }
  if (event.position) {
    std::snprintf(number, sizeof number, ",\"lat\":%.17g,\"lon\":%.17g", event.position->lat, event.position->lon);
    json += number;
  }
  return json + ",\"retract\":true}";
}

constexpr std::string_view kOfErased = "names a user who was erased, so the record is not kept";

}  // namespace

Result<std::vector<SourcePosition>> FeatureSink::resume(const std::string& source,
                                                        std::span<const Partition> partitions) {
  return of_partitions(state_.positions(source), partitions);
}

Status FeatureSink::apply(const std::string& source, const DecodedBatch& batch) {
  // A source is applied by one thread, so what is reflected of it cannot move between this look and the next line.
  if (!follows(state_.positions(source), batch)) {
    return {StatusCode::kAborted, "the stored positions of '" + source + "' are not those that the batch follows"};
  }
  // First the letters, then the position: a crash in between makes them come again, and they are recognised. In the
  // other order they would be lost.
  state::MicroBatch micro{source, batch.interactions, batch.after, batch.refused.size()};
  const bool retracts = std::any_of(batch.interactions.begin(), batch.interactions.end(),
                                    [](const Interaction& one) { return one.retracts; });
  if (retracts) {
    micro.refuse = [&](std::span<const Interaction* const> mismatched) { return refuse(source, batch, mismatched); };
  } else if (!batch.refused.empty()) {
    CAIRN_RETURN_IF_ERROR(bury(source, batch.refused));
  }
  return state_.apply(micro);
}

Status FeatureSink::refuse(const std::string& source, const DecodedBatch& batch,
                           std::span<const Interaction* const> mismatched) {
  std::vector<Refused> refused(batch.refused.begin(), batch.refused.end());
  if (!batch.record_of) mismatched = {};
  std::vector<std::string> texts;
  texts.reserve(mismatched.size());
  // The state has them in the order of the batch, from which it may have left some out.
  std::size_t at = 0;
  for (const Interaction* const one : mismatched) {
    while (at < batch.interactions.size() && !alike(batch.interactions[at], *one)) ++at;
    CAIRN_CHECK(at < batch.interactions.size());
    Refused& letter = refused.emplace_back(batch.record_of(at++));
    if (letter.payload.empty()) letter.payload = texts.emplace_back(as_json(*one, state_.types()));
    letter.reason = streaming::Reject::kMismatchedRetraction;
    letter.detail =
        "the event that came with this event_id has another user, place, type, time, value or position; send the "
        "retraction with what that event said";
  }
  // Letters come in the order of their records, by which those that come again are known.
  std::stable_sort(refused.begin(), refused.end(), [](const Refused& a, const Refused& b) {
    return std::tie(a.partition, a.offset) < std::tie(b.partition, b.offset);
  });
  return refused.empty() ? ok_status() : bury(source, refused);
}

Status FeatureSink::bury(const std::string& source, std::span<const Refused> refused) {
  std::vector<streaming::DeadLetter> letters;
  letters.reserve(refused.size());
  const auto erased = [&](const std::string& id) {
    return valid_id(id) && state_.erased_users().until(UserId(id)).has_value();
  };
  for (const Refused& one : refused) {
    // Whom it is of cannot always be told, so it is enough that it names somebody who was erased.
    const bool names_erased = state_.erased_users().any() && streaming::any_id_in(one.payload, erased);
    letters.push_back({.source = source,
                       .incarnation = one.incarnation,
                       .partition = one.partition,
                       .offset = one.offset,
                       .reason = one.reason,
                       .detail = names_erased ? kOfErased : std::string_view(one.detail),
                       .payload = names_erased ? std::string_view() : std::string_view(one.payload),
                       .seen = clock_.now()});
  }
  const MutexLock lock(mutex_);
  const Status buried = dead_letters_.append(letters);
  append_trouble_ = buried.ok() ? "" : buried.message();
  return buried;
}

void FeatureSink::settle_dead_letters() {
  const MutexLock lock(mutex_);
  const Status settled = dead_letters_.settle(clock_.now());
  settle_trouble_ = settled.ok() ? "" : settled.message();
}

streaming::DeadLetterCounts FeatureSink::dead_letter_counts() const {
  const MutexLock lock(mutex_);
  return dead_letters_.counts();
}

std::string FeatureSink::dead_letter_trouble() const {
  const MutexLock lock(mutex_);
  // That of an append stays until one succeeds: a settle may have had nothing to write.
  return append_trouble_.empty() ? settle_trouble_ : append_trouble_;
}

/// What is pending of the partitions is stored with everything else that is.
Status FeatureSink::revoke(const std::string&, std::span<const Partition>) { return state_.flush(); }

Result<std::vector<SourcePosition>> SqlSink::resume(const std::string& source, std::span<const Partition> partitions) {
  // Here and not at the start of the engine: a database that is down then must not keep features from starting.
  CAIRN_RETURN_IF_ERROR(migrate());
  auto stored = source == kApiSource ? resume_api() : materializer_.load_positions(source);
  if (!stored.ok()) return judged(stored.status());
  return of_partitions(*std::move(stored), partitions);
}

Status SqlSink::migrate() {
  if (migrated_.load()) return ok_status();
  CAIRN_RETURN_IF_ERROR(upkeep_.migrate());
  migrated_.store(true);
  migrations_.fetch_add(1, std::memory_order_relaxed);
  return ok_status();
}

Status SqlSink::judged(Status answer) {
  if (answer.code() == StatusCode::kFailedPrecondition) migrated_.store(false);
  return answer;
}

Result<std::vector<SourcePosition>> SqlSink::resume_api() {
  const std::string name = name_in_sql(std::string(kApiSource));
  CAIRN_ASSIGN_OR_RETURN(auto stored, materializer_.load_positions(name));
  // Asked until it is answered well once: later it is we who have written behind the end of then.
  if (!api_resumed_.load() && !stored.empty() && stored.front().offset > log_end_) {
    return data_loss(
        "PostgreSQL holds events up to offset " + std::to_string(stored.front().offset.value) + " of the event log " +
        log_.id + ", which ends at offset " + std::to_string(log_end_.value) +
        ": this state directory is an older copy; start once with --accept-log-loss to make its log one of "
        "its own, or choose another sql.schema");
  }
  CAIRN_ASSIGN_OR_RETURN(const auto original, original_in_sql());
  if (stored.empty() && original) {
    stored = {*original};
    if (original->offset > Offset{0}) CAIRN_RETURN_IF_ERROR(materializer_.apply(name, {}, {}, stored).status());
  }
  api_resumed_.store(true);
  return stored;
}

/// Where the log that this one was copied from stands in PostgreSQL, but not behind what both have.
Result<std::optional<SourcePosition>> SqlSink::original_in_sql() {
  Offset shared{INT64_MAX};
  for (const auto& [id, end] : log_.ancestors) {
    shared = std::min(shared, end);
    CAIRN_ASSIGN_OR_RETURN(const auto stored, materializer_.load_positions(std::string(kApiSource) + "/" + id));
    if (stored.empty()) continue;
    SourcePosition stood = stored.front();
    if (stood.offset > shared) {
      set_remark("PostgreSQL holds events up to offset " + std::to_string(stood.offset.value) + " of the event log " +
                 id + ", and this state, which was restored from a copy of it, those up to offset " +
                 std::to_string(shared.value) + ": the rest is in PostgreSQL only");
      stood.offset = shared;
    }
    return std::optional(stood);
  }
  return std::optional<SourcePosition>();
}

void SqlSink::set_remark(std::string remark) {
  {
    const MutexLock lock(mutex_);
    if (remark_ == remark) return;
    remark_ = remark;
  }
  logger_.warning("sql.holds_more", remark);
}

std::string SqlSink::remark() const {
  const MutexLock lock(mutex_);
  return remark_;
}

/// Every batch is one transaction with its positions: nothing is held back.
Status SqlSink::revoke(const std::string&, std::span<const Partition>) { return ok_status(); }

std::string SqlSink::name_in_sql(const std::string& source) const {
  return source == kApiSource ? source + "/" + log_.id : source;
}

Status SqlSink::apply(const std::string& source, const DecodedBatch& batch) {
  CAIRN_RETURN_IF_ERROR(migrate());
  const Passage::Entry writing(writers_);  // before the marks are looked at
  std::vector<Interaction> copies;
  const auto kept = erased_ ? erased_->without_erased(batch.interactions, &copies) : batch.interactions;
  const auto applied = materializer_.apply(name_in_sql(source), kept, batch.before, batch.after);
  if (!applied.ok()) return judged(applied.status());
  rows_.fetch_add(applied->rows, std::memory_order_relaxed);
  return ok_status();
}

}  // namespace cairn::ingest
