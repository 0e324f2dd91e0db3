#include "sql/postgres/event_ids.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>

#include "features/event_id_memory.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

using features::EventFingerprint;
using features::EventIdMemory;

/// The row of event_id_order.
struct Order {
  EventIdMemory::Newest newest;
  std::optional<std::uint64_t> retracted_in;
  std::string removed_generation;
  std::string removed_fingerprint;
};

/// An id that is new, and the generation that it fell into.
struct NewId {
  std::uint64_t generation;
  EventFingerprint fingerprint;
  std::uint32_t contents;
};

std::string text(const EventFingerprint& print) { return uuid_text(print.high, print.low); }

pqxx::result read_order(pqxx::transaction_base& transaction) {
  return transaction.exec(
      "SELECT generation, ids, removed_generation, removed_fingerprint, retracted_generation FROM event_id_order "
      "FOR UPDATE");
}

Order lock_order(pqxx::transaction_base& transaction) {
  pqxx::result rows = read_order(transaction);
  if (rows.empty()) {
    // A row that is not there cannot be locked; whoever makes it first makes the other wait here for his commit. Ids
    // that were left behind by a row that somebody removed are taken for those of a full generation.
    transaction.exec(
        "INSERT INTO event_id_order (generation, ids) "
        "SELECT coalesce(max(generation) + 1, 0), 0 FROM seen_event_ids ON CONFLICT DO NOTHING");
    rows = read_order(transaction);
  }
  const pqxx::row row = rows[0];
  return {.newest = {row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>()},
          .retracted_in = row[4].is_null() ? std::nullopt : std::optional(row[4].as<std::uint64_t>()),
          .removed_generation = row[2].as<std::string>(),
          .removed_fingerprint = row[3].as<std::string>()};
}

/// Makes the memory know of these prints what the table knows.
/// Requires: lock_order() gave `newest` in this transaction.
void recall(pqxx::transaction_base& transaction, std::span<const EventFingerprint> prints,
            const EventIdMemory::Newest& newest, EventIdMemory* memory) {
  std::vector<std::string> texts;
  texts.reserve(prints.size());
  for (const EventFingerprint& print : prints) texts.push_back(text(print));
  // The LIMIT keeps the planner from joining the whole table, which it finds cheaper while its statistics are old.
  const pqxx::result rows = transaction.exec_params(
      "SELECT asked.i - 1, seen.generation, seen.contents FROM unnest($1::uuid[]) WITH ORDINALITY AS asked "
      "(fingerprint, i), "
      "LATERAL (SELECT generation, contents FROM seen_event_ids AS s WHERE s.fingerprint = asked.fingerprint "
      "AND s.generation IN ($2::bigint, $2::bigint - 1) LIMIT 1) AS seen ORDER BY seen.generation",
      array_text(texts), newest.generation);
  for (const pqxx::row& row : rows) {
    features::EventNote note;
    if (!row[2].is_null()) note.contents = static_cast<std::uint32_t>(row[2].as<std::int32_t>());
    memory->restore(row[1].as<std::uint64_t>(), prints[row[0].as<std::size_t>()], note);
  }
}

void write_ids(pqxx::transaction_base& transaction, std::span<const NewId> ids, std::uint64_t oldest_generation) {
  static const std::vector<std::string> kColumns{"generation", "fingerprint", "contents"};
  pqxx::stream_to rows(transaction, "seen_event_ids", kColumns);
  for (const NewId& id : ids) {
    // A batch of more than two generations has forgotten its own first ids.
    if (id.generation >= oldest_generation) {
      rows << std::make_tuple(id.generation, text(id.fingerprint), static_cast<std::int32_t>(id.contents));
    }
  }
  rows.complete();
}

/// Removes at most `rows_max` ids of generations before `oldest`, from where the last removal ended.
void remove_forgotten(pqxx::transaction_base& transaction, std::uint64_t oldest, std::size_t rows_max, Order* order) {
  if (oldest == 0) return;
  // DELETE has no LIMIT. The inner query finds the rows, and by their ctid they are deleted without a second search.
  const pqxx::result last = transaction.exec_params(
      "WITH removed AS (DELETE FROM seen_event_ids WHERE ctid = ANY (ARRAY("
      "SELECT ctid FROM seen_event_ids WHERE (generation, fingerprint) > ($1::bigint, $2::uuid) "
      "AND generation < $3::bigint ORDER BY generation, fingerprint LIMIT $4)) RETURNING generation, fingerprint) "
      "SELECT generation, fingerprint FROM removed ORDER BY generation DESC, fingerprint DESC LIMIT 1",
      order->removed_generation, order->removed_fingerprint, oldest, rows_max);
  if (last.empty()) return;
  order->removed_generation = last[0][0].as<std::string>();
  order->removed_fingerprint = last[0][1].as<std::string>();
}

void remember(pqxx::transaction_base& transaction, std::span<const NewId> ids, const EventIdMemory& memory,
              Order order) {
  if (ids.empty()) return;
  write_ids(transaction, ids, memory.oldest_generation());
  remove_forgotten(transaction, memory.oldest_generation(), 2 * ids.size(), &order);
  std::optional<std::string> retracted_in;
  if (memory.retracted_in()) retracted_in = std::to_string(*memory.retracted_in());
  transaction.exec_params(
      "UPDATE event_id_order SET generation = $1, ids = $2, removed_generation = $3, removed_fingerprint = $4, "
      "retracted_generation = $5",
      memory.newest().generation, memory.newest().ids, order.removed_generation, order.removed_fingerprint,
      retracted_in ? retracted_in->c_str() : nullptr);
}

/// What a memory must know to judge the interactions. Of an event also its retraction, where any is remembered.
std::vector<EventFingerprint> prints_to_ask(std::span<const Interaction> interactions, bool any_retractions) {
  std::vector<EventFingerprint> prints;
  for (const Interaction& interaction : interactions) {
    if (interaction.event_id.empty()) continue;
    const EventFingerprint event = features::fingerprint(interaction.event_id);
    prints.push_back(event);
    if (interaction.retracts || any_retractions) prints.push_back(features::retraction_of(event));
    if (interaction.retracts) prints.push_back(features::retraction_of(event, features::contents_print(interaction)));
  }
  return prints;
}

/// And what it must know beside that of events whose ids have a retraction: it may say something else than they do.
std::vector<EventFingerprint> prints_to_ask_then(std::span<const Interaction> interactions,
                                                 const EventIdMemory& memory) {
  std::vector<EventFingerprint> prints;
  for (const Interaction& interaction : interactions) {
    if (interaction.event_id.empty() || interaction.retracts) continue;
    const EventFingerprint event = features::fingerprint(interaction.event_id);
    if (!memory.contains(features::retraction_of(event))) continue;
    prints.push_back(features::retraction_of(event, features::contents_print(interaction)));
  }
  return prints;
}

EventIdMemory recall_all(pqxx::transaction_base& transaction, std::span<const Interaction> interactions,
                         const Order& order, std::uint64_t generation_ids) {
  EventIdMemory memory(generation_ids);
  memory.resume(order.newest);
  memory.retracted_in(order.retracted_in);
  const bool any_retractions = memory.has_retractions();
  recall(transaction, prints_to_ask(interactions, any_retractions), order.newest, &memory);
  if (any_retractions) {
    const auto more = prints_to_ask_then(interactions, memory);
    if (!more.empty()) recall(transaction, more, order.newest, &memory);
  }
  memory.resume(order.newest);  // how many ids its generation has: those of others are counted too
  return memory;
}

}  // namespace

Judged judge_ids(pqxx::transaction_base& transaction, std::span<const Interaction> interactions,
                 std::uint64_t generation_ids) {
  Judged judged;
  const bool any_ids = std::any_of(interactions.begin(), interactions.end(),
                                   [](const Interaction& one) { return !one.event_id.empty(); });
  // Streams without event ids pay neither for the lock nor for the look-up.
  if (!any_ids) {
    judged.included.resize(interactions.size());
    std::iota(judged.included.begin(), judged.included.end(), std::size_t{0});
    return judged;
  }
  const Order order = lock_order(transaction);
  EventIdMemory memory = recall_all(transaction, interactions, order, generation_ids);
  std::vector<NewId> new_ids;
  for (std::size_t i = 0; i < interactions.size(); ++i) {
    auto fate = features::EventFate::kApply;
    if (!interactions[i].event_id.empty()) {
      const features::EventNote note{features::contents_print(interactions[i]), 0};
      const auto judgement =
          memory.judge(features::fingerprint(interactions[i].event_id), interactions[i].retracts, note);
      fate = judgement.fate;
      if (fate != features::EventFate::kRepeat && fate != features::EventFate::kMismatch) {
        new_ids.push_back({judgement.generation, judgement.remembered, note.contents});
      }
    }
    if (fate == features::EventFate::kApply) judged.included.push_back(i);
    if (fate == features::EventFate::kUndo) judged.undone.push_back(i);
  }
  remember(transaction, new_ids, memory, order);
  return judged;
}

}  // namespace cairn::sql
