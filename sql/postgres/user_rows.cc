#include "sql/user_rows.h"

#include <memory>
#include <utility>

#include "sql/postgres/backend.h"
#include "sql/postgres/owners.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

std::string text_or_nothing(const pqxx::field& field) { return field.is_null() ? std::string() : field.c_str(); }

UserRow read_row(const pqxx::row& row) {
  UserRow read;
  read.time = event_time_from_ms(row[0].as<std::int64_t>());
  read.place = row[1].c_str();
  read.type = row[2].c_str();
  if (!row[3].is_null()) read.value = row[3].as<double>();
  if (!row[4].is_null()) read.position = GeoPoint{row[4].as<double>(), row[5].as<double>()};
  read.event_id = text_or_nothing(row[6]);
  read.source = row[7].c_str();
  return read;
}

class PostgresUserRows final : public UserRows {
 public:
  explicit PostgresUserRows(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  Result<std::uint64_t> erase(const UserId& user, EventTime until, EventTime written) override {
    std::uint64_t erased = 0;
    Status done = backend_->pool.run("postgres: erase a user", [&](Session& session) {
      pqxx::work transaction(session.connection());
      CAIRN_RETURN_IF_ERROR(check_owner(transaction, backend_->schema, backend_->owner));
      const pqxx::result gone = transaction.exec_params(
          "DELETE FROM user_interactions WHERE user_id = $1 AND "
          "(occurred_at <= $2::timestamptz OR written_at <= $3::timestamptz)",
          user.str(), time_text(until), time_text(written));
      erased = static_cast<std::uint64_t>(gone.affected_rows());
      transaction.exec_params("DELETE FROM kept_answers WHERE user_id = $1", user.str());
      transaction.commit();
      return ok_status();
    });
    if (!done.ok()) return done;
    return erased;
  }

  Result<std::vector<UserRow>> read(const UserId& user) override {
    std::vector<UserRow> rows;
    CAIRN_RETURN_IF_ERROR(backend_->pool.run("postgres: read a user", [&](Session& session) {
      rows.clear();
      pqxx::work transaction(session.connection());
      const pqxx::result found = transaction.exec_params(
          "SELECT (extract(epoch FROM occurred_at) * 1000)::bigint, place_id, type, value, "
          "ST_Y(location::geometry), ST_X(location::geometry), event_id, source FROM user_interactions "
          "WHERE user_id = $1 ORDER BY occurred_at, place_id, type",
          user.str());
      for (const pqxx::row& row : found) rows.push_back(read_row(row));
      return ok_status();
    }));
    return rows;
  }

 private:
  const std::shared_ptr<Backend> backend_;
};

}  // namespace

std::unique_ptr<UserRows> make_user_rows(std::shared_ptr<Backend> backend) {
  return std::make_unique<PostgresUserRows>(std::move(backend));
}

}  // namespace cairn::sql
