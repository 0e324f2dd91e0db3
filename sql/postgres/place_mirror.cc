#include "sql/place_mirror.h"

#include <algorithm>
#include <utility>

#include "sql/place_rows.h"
#include "sql/postgres/backend.h"
#include "sql/postgres/owners.h"
#include "sql/postgres/places.h"
#include "sql/postgres/positions.h"

namespace cairn::sql {
namespace {

class PostgresPlaceMirror final : public PlaceMirror {
 public:
  explicit PostgresPlaceMirror(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  Status write_places(std::span<const Place> places, std::span<const DeletedPlace> deleted,
                      std::uint64_t version) override {
    CAIRN_RETURN_IF_ERROR(check_places(places, version).with_context("postgres: places"));
    for (const DeletedPlace& one : deleted) {
      CAIRN_RETURN_IF_ERROR(check_places({&one.place, 1}, version).with_context("postgres: places"));
    }
    return backend_->pool.run("postgres: places", [&](Session& session) {
      pqxx::work transaction(session.connection());
      CAIRN_RETURN_IF_ERROR(check_owner(transaction, backend_->schema, backend_->owner));
      const bool erases =
          std::any_of(deleted.begin(), deleted.end(), [](const DeletedPlace& one) { return one.history_erased; });
      if (erases) lock_all_positions(transaction);
      // Rows and version in one transaction: a version is never recorded without its places.
      const auto stamp = static_cast<std::int64_t>(version);
      sql::write_places(transaction, places, stamp);
      for (const DeletedPlace& one : deleted) mark_deleted(transaction, one, stamp);
      transaction.commit();
      return ok_status();
    });
  }

  Result<std::uint64_t> places_version() override {
    std::uint64_t version = 0;
    CAIRN_RETURN_IF_ERROR(backend_->pool.run("postgres: places version", [&](Session& session) {
      pqxx::nontransaction transaction(session.connection());
      version = static_cast<std::uint64_t>(read_places_version(transaction));
      return ok_status();
    }));
    return version;
  }

 private:
  const std::shared_ptr<Backend> backend_;
};

}  // namespace

std::unique_ptr<PlaceMirror> make_place_mirror(std::shared_ptr<Backend> backend) {
  return std::make_unique<PostgresPlaceMirror>(std::move(backend));
}

}  // namespace cairn::sql
