#include "sql/upkeep.h"

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "sql/postgres/backend.h"
#include "sql/postgres/migrator.h"
#include "sql/postgres/owners.h"
#include "sql/postgres/positions.h"

namespace cairn::sql {
namespace {

Status ping_over(Pool& pool) {
  return pool.run("postgres: ping", [](Session& session) {
    pqxx::nontransaction(session.connection()).exec("SELECT 1");
    return ok_status();
  });
}

class PostgresUpkeep final : public Upkeep {
 public:
  PostgresUpkeep(std::shared_ptr<Backend> backend, int months_ahead)
      : backend_(std::move(backend)), months_ahead_(months_ahead) {}

  Status migrate() override {
    Status status = backend_->pool.run("postgres: migrate", [&](Session& session) {
      return migrate_schema(session, backend_->schema, backend_->owner, backend_->log);
    });
    // Sessions that began before the schema or PostGIS was there have a search_path without it.
    backend_->pool.close_idle();
    return status;
  }

  Status ping() override { return ping_over(backend_->pool); }

  Status maintain(EventTime now) override {
    // Last month too: its late events are the likeliest.
    Partitions::Months wanted;
    for (int ahead = -1; ahead <= months_ahead_; ++ahead) wanted.insert(month_of(now) + std::chrono::months(ahead));
    backend_->partitions.forget();
    return backend_->partitions.ensure(wanted).with_context("postgres: maintain");
  }

 private:
  // Fixed after construction.
  const std::shared_ptr<Backend> backend_;
  const int months_ahead_;
};

}  // namespace

std::unique_ptr<Upkeep> make_upkeep(std::shared_ptr<Backend> backend, int months_ahead) {
  return std::make_unique<PostgresUpkeep>(std::move(backend), months_ahead);
}

Status check_options(const SqlOptions& options) { return connection_settings(options).status(); }

namespace {

/// Runs `work` in a transaction on the schema of `options`, brought up to date after `mend`.
Status run_once(const SqlOptions& options, std::string_view what, const std::function<void(pqxx::work&)>& mend,
                const std::function<void(pqxx::work&)>& work) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  const std::string schema = settings.schema;
  Pool pool(std::move(settings), 1, Logger());
  return pool.run(what, [&](Session& session) {
    {
      pqxx::work before(session.connection());
      mend(before);
      before.commit();
    }
    CAIRN_RETURN_IF_ERROR(migrate_schema(session, schema, {}, Logger()));
    pqxx::work transaction(session.connection());
    work(transaction);
    transaction.commit();
    return ok_status();
  });
}

}  // namespace

Status release_schema(const SqlOptions& options) {
  return run_once(
      options, "postgres: adopt", [](pqxx::work&) {}, [](pqxx::work& transaction) { forget_owners(transaction); });
}

Result<std::size_t> restore_positions(const SqlOptions& options) {
  std::size_t changed = 0;
  CAIRN_RETURN_IF_ERROR(run_once(options, "postgres: restore positions", make_lost_positions_table,
                                 [&](pqxx::work& transaction) { changed = agree_on_positions(transaction); }));
  return changed;
}

Status ping(const SqlOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  Pool pool(std::move(settings), 1, Logger());
  return ping_over(pool);
}

}  // namespace cairn::sql
