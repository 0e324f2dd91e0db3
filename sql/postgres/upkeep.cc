#include "sql/upkeep.h"

#include <utility>

#include "sql/postgres/backend.h"
#include "sql/postgres/migrator.h"

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
      return migrate_schema(session, backend_->schema, backend_->log);
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

Status ping(const SqlOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  Pool pool(std::move(settings), 1, Logger());
  return ping_over(pool);
}

}  // namespace cairn::sql
