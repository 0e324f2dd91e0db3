#include "sql/database.h"

#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "sql/event_ids.h"
#include "sql/hourly_stats.h"
#include "sql/postgres/connection_settings.h"
#include "sql/postgres/migrator.h"
#include "sql/postgres/partitions.h"
#include "sql/postgres/places.h"
#include "sql/postgres/pool.h"
#include "sql/postgres/positions.h"
#include "sql/postgres/rows.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

using std::chrono::months;
using std::chrono::sys_days;
using std::chrono::year_month;

year_month month_of(EventTime time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return date.year() / date.month();
}

/// What decoding has made sure of, checked again: a bad value must not fail in the middle of a batch for ever.
Status check_interactions(std::span<const Interaction> interactions, const InteractionTypes& types) {
  for (std::size_t i = 0; i < interactions.size(); ++i) {
    const Interaction& interaction = interactions[i];
    const char* problem = nullptr;
    if (!valid_id(interaction.user.str())) problem = "the user id must have 1 to 128 bytes and no NUL";
    if (!valid_id(interaction.place.str())) problem = "the place id must have 1 to 128 bytes and no NUL";
    if (interaction.type.value >= types.size()) problem = "the type is unknown";
    if (interaction.time < kTimeMin || interaction.time > kTimeMax) problem = "the time is outside years 1 to 9999";
    if (interaction.value && !std::isfinite(*interaction.value)) problem = "the value is not finite";
    if (interaction.position && !valid_position(*interaction.position)) problem = "the position is out of range";
    if (interaction.event_id.find('\0') != std::string::npos) problem = "the event id holds a NUL";
    if (problem != nullptr) return invalid_argument("interaction " + std::to_string(i) + ": " + problem);
  }
  return ok_status();
}

Status aborted(std::string_view source) {
  return {StatusCode::kAborted, "the stored positions of source '" + std::string(source) +
                                    "' are not those this batch was read from; reload them and go on from there"};
}

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(ConnectionSettings settings, const SqlOptions& options, const InteractionTypes& types,
                   std::chrono::seconds dedup_window, Logger log)
      : schema_(settings.schema),
        types_(types),
        dedup_window_(dedup_window),
        months_ahead_(options.partitions_ahead_months),
        log_(log),
        pool_(std::move(settings), options.pool_size, std::move(log)),
        partitions_(pool_, options.partitions_max) {}

  Status migrate() override {
    Status status =
        pool_.run("postgres: migrate", [&](Session& session) { return migrate_schema(session, schema_, log_); });
    pool_.close_idle();
    return status;
  }

  Status ping() override {
    return pool_.run("postgres: ping", [](Session& session) {
      pqxx::nontransaction(session.connection()).exec("SELECT 1");
      return ok_status();
    });
  }

  Result<std::vector<SourcePosition>> load_positions(std::string_view source) override {
    std::vector<SourcePosition> positions;
    CAIRN_RETURN_IF_ERROR(pool_.run("postgres: load positions", [&](Session& session) {
      pqxx::nontransaction transaction(session.connection());
      positions = read_positions(transaction, std::string(source));
      return ok_status();
    }));
    return positions;
  }

  Result<Applied> apply(std::string_view source, std::span<const Interaction> interactions,
                        std::span<const SourcePosition> before, std::span<const SourcePosition> after) override {
    const Batch batch{std::string(source), interactions, before, after};
    CAIRN_RETURN_IF_ERROR(check(batch));
    CAIRN_RETURN_IF_ERROR(ensure_partitions(interactions).with_context("postgres: apply"));
    Applied applied;
    bool in_doubt = false;
    Status status = pool_.run("postgres: apply", [&](Session& session) {
      pqxx::work transaction(session.connection());
      CAIRN_RETURN_IF_ERROR(write(transaction, batch, &applied));
      in_doubt = true;
      transaction.commit();
      in_doubt = false;
      return ok_status();
    });
    if (in_doubt) status = look_up_outcome(batch, std::move(status));
    if (!status.ok()) {
      partitions_.forget();
      return status;
    }
    return applied;
  }

  Status upsert_places(std::span<const Place> places, std::uint64_t version) override {
    if (version > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return invalid_argument("postgres: places: version " + std::to_string(version) + " is beyond 2^63 - 1");
    }
    CAIRN_RETURN_IF_ERROR(check_places(places).with_context("postgres: places"));
    return pool_.run("postgres: places", [&](Session& session) {
      pqxx::work transaction(session.connection());
      write_places(transaction, places, static_cast<std::int64_t>(version));
      transaction.commit();
      return ok_status();
    });
  }

  Result<std::uint64_t> places_version() override {
    std::uint64_t version = 0;
    CAIRN_RETURN_IF_ERROR(pool_.run("postgres: places version", [&](Session& session) {
      pqxx::nontransaction transaction(session.connection());
      version = static_cast<std::uint64_t>(read_places_version(transaction));
      return ok_status();
    }));
    return version;
  }

  Status maintain(EventTime now) override {
    Partitions::Months wanted;
    for (int ahead = -1; ahead <= months_ahead_; ++ahead) wanted.insert(month_of(now) + months(ahead));
    partitions_.forget();
    CAIRN_RETURN_IF_ERROR(partitions_.ensure(wanted).with_context("postgres: maintain"));
    return remove_old_event_ids(now - dedup_window_);
  }

 private:
  struct Batch {
    std::string source;
    std::span<const Interaction> interactions;
    std::span<const SourcePosition> before;
    std::span<const SourcePosition> after;
  };

  Status check(const Batch& batch) const {
    CAIRN_RETURN_IF_ERROR(check_positions(batch.before, "the position before"));
    CAIRN_RETURN_IF_ERROR(check_positions(batch.after, "the position after"));
    if (!valid_id(batch.source)) return invalid_argument("postgres: apply: a source's name has 1 to 128 bytes, no NUL");
    if (!batch.interactions.empty() && !moves(batch.before, batch.after)) {
      return invalid_argument("postgres: apply: interactions that move no position could not be told from a repeat");
    }
    return check_interactions(batch.interactions, types_).with_context("postgres: apply");
  }

  Status ensure_partitions(std::span<const Interaction> interactions) {
    Partitions::Months wanted;
    for (const Interaction& interaction : interactions) wanted.insert(month_of(interaction.time));
    return partitions_.ensure(wanted);
  }

  Status write(pqxx::work& transaction, const Batch& batch, Applied* applied) const {
    if (lock_positions(transaction, batch.source, batch.before, batch.after) != Standing::kBefore) {
      return aborted(batch.source);
    }
    const Deduplicated batch_rows =
        deduplicate(batch.interactions, lock_and_read_event_ids(transaction, batch.interactions), dedup_window_);
    write_interactions(transaction, batch.source, batch.interactions, batch_rows.included, types_);
    add_stats(transaction, aggregate_hourly(batch.interactions, batch_rows.included, types_));
    write_event_ids(transaction, batch_rows.new_ids);
    store_positions(transaction, batch.source, batch.after);
    applied->rows = batch_rows.included.size();
    applied->repeated = batch.interactions.size() - batch_rows.included.size();
    return ok_status();
  }

  /// COMMIT failed: the server may have done it all the same. The positions tell, and asking for them by lock waits
  /// until the transaction in doubt has ended.
  Status look_up_outcome(const Batch& batch, Status failure) {
    std::optional<Standing> standing;
    Status status = pool_.run("postgres: outcome of a commit", [&](Session& session) {
      pqxx::work transaction(session.connection());
      standing = lock_positions(transaction, batch.source, batch.before, batch.after);
      return ok_status();  // rolled back: only looked
    });
    if (!status.ok()) return status;
    if (standing == Standing::kAfter) {
      log_.info("sql.commit_confirmed", "a commit without an answer was found done", {{"source", batch.source}});
      return ok_status();
    }
    return standing == Standing::kBefore ? failure : aborted(batch.source);
  }

  Status remove_old_event_ids(EventTime until) {
    constexpr std::size_t kRowsMax = 50'000;  // a transaction; keeps locks and statements short
    if (until < kTimeMin || until > kTimeMax) return ok_status();
    std::size_t removed = kRowsMax;
    while (removed == kRowsMax) {
      CAIRN_RETURN_IF_ERROR(pool_.run("postgres: old event ids", [&](Session& session) {
        pqxx::work transaction(session.connection());
        removed = remove_event_ids(transaction, until, kRowsMax);
        transaction.commit();
        return ok_status();
      }));
    }
    return ok_status();
  }

  // Fixed after construction.
  const std::string schema_;
  const InteractionTypes& types_;
  const std::chrono::seconds dedup_window_;
  const int months_ahead_;
  const Logger log_;
  // Synchronise themselves.
  Pool pool_;
  Partitions partitions_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_database(const SqlOptions& options, const InteractionTypes& types,
                                                std::chrono::seconds dedup_window, Logger log) {
  if (dedup_window < std::chrono::seconds(0)) return invalid_argument("the dedup window is negative");
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  return std::unique_ptr<Database>(
      std::make_unique<PostgresDatabase>(std::move(settings), options, types, dedup_window, std::move(log)));
}

}  // namespace cairn::sql
