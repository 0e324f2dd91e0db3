#include "sql/materializer.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/kill_point.h"
#include "features/event_id_memory.h"
#include "sql/batch.h"
#include "sql/hourly_stats.h"
#include "sql/postgres/backend.h"
#include "sql/postgres/event_ids.h"
#include "sql/postgres/owners.h"
#include "sql/postgres/positions.h"
#include "sql/postgres/rows.h"

namespace cairn::sql {
namespace {

/// What a call does, in which order, and what a failed commit means. The statements are in positions.h, event_ids.h and
/// rows.h.
class PostgresMaterializer final : public Materializer {
 public:
  PostgresMaterializer(std::shared_ptr<Backend> backend, const InteractionTypes& types, std::uint64_t dedup_ids)
      : backend_(std::move(backend)),
        types_(types),
        generation_ids_(features::EventIdMemory::generation_size(dedup_ids)) {}

  Result<std::vector<SourcePosition>> load_positions(std::string_view source) override {
    std::vector<SourcePosition> positions;
    CAIRN_RETURN_IF_ERROR(backend_->pool.run("postgres: load positions", [&](Session& session) {
      pqxx::nontransaction transaction(session.connection());
      CAIRN_ASSIGN_OR_RETURN(positions, read_positions(transaction, std::string(source)));
      return ok_status();
    }));
    return positions;
  }

  Result<Applied> apply(std::string_view source, std::span<const Interaction> interactions,
                        std::span<const SourcePosition> before, std::span<const SourcePosition> after) override {
    const Batch batch{std::string(source), interactions, before, after};
    CAIRN_RETURN_IF_ERROR(check_batch(batch, types_).with_context("postgres: apply"));
    CAIRN_RETURN_IF_ERROR(ensure_partitions(interactions).with_context("postgres: apply"));
    Applied applied;
    bool in_doubt = false;
    Status status = backend_->pool.run("postgres: apply", [&](Session& session) {
      pqxx::work transaction(session.connection());
      CAIRN_RETURN_IF_ERROR(write(transaction, batch, &applied));
      CAIRN_KILL_POINT("sql.before_commit");
      in_doubt = true;
      transaction.commit();
      in_doubt = false;
      CAIRN_KILL_POINT("sql.committed");
      return ok_status();
    });
    if (in_doubt) status = look_up_outcome(batch, std::move(status));
    if (!status.ok()) {
      // One cause may be that somebody dropped a month: the retry looks again.
      backend_->partitions.forget();
      return status;
    }
    return applied;
  }

 private:
  Status ensure_partitions(std::span<const Interaction> interactions) {
    Partitions::Months wanted;
    for (const Interaction& interaction : interactions) wanted.insert(month_of(interaction.time));
    return backend_->partitions.ensure(wanted);
  }

  /// The order is the order of locks (sql/README.md): positions, event ids, aggregates.
  Status write(pqxx::work& transaction, const Batch& batch, Applied* applied) const {
    CAIRN_RETURN_IF_ERROR(check_owner(transaction, backend_->schema, backend_->owner));
    CAIRN_ASSIGN_OR_RETURN(const Standing standing, lock_positions(transaction, batch));
    if (standing != Standing::kBefore) return aborted(batch);
    CAIRN_KILL_POINT("sql.positions_locked");
    const auto [included, undone] = judge_ids(transaction, batch.interactions, generation_ids_);
    write_interactions(transaction, batch.source, batch.interactions, included, types_);
    const auto taken_out = remove_interactions(transaction, batch.interactions, undone, types_);
    add_stats(transaction, aggregate_hourly(batch.interactions, included, types_, taken_out));
    mend_stats(transaction, taken_out, types_);
    CAIRN_KILL_POINT("sql.rows_written");
    store_positions(transaction, batch);
    applied->rows = included.size();
    applied->retracted = undone.size();
    applied->repeated = batch.interactions.size() - included.size() - undone.size();
    return ok_status();
  }

  /// COMMIT failed: the server may have done it all the same. The positions tell, and asking for them by lock waits
  /// until the transaction in doubt has ended.
  Status look_up_outcome(const Batch& batch, Status failure) {
    std::optional<Standing> standing;
    Status status = backend_->pool.run("postgres: outcome of a commit", [&](Session& session) {
      pqxx::work transaction(session.connection());
      CAIRN_ASSIGN_OR_RETURN(standing, lock_positions(transaction, batch));
      return ok_status();  // rolled back: only looked
    });
    if (!status.ok()) return status;
    if (standing == Standing::kAfter) {
      backend_->log.info("sql.commit_confirmed", "a commit without an answer was found done",
                         {{"source", batch.source}});
      return ok_status();
    }
    return standing == Standing::kBefore ? failure : aborted(batch);
  }

  // Fixed after construction.
  const std::shared_ptr<Backend> backend_;
  const InteractionTypes& types_;
  const std::uint64_t generation_ids_;
};

}  // namespace

std::unique_ptr<Materializer> make_materializer(std::shared_ptr<Backend> backend, const InteractionTypes& types,
                                                std::uint64_t dedup_ids) {
  return std::make_unique<PostgresMaterializer>(std::move(backend), types, dedup_ids);
}

}  // namespace cairn::sql
