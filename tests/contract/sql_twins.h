#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "sql/memory/memory_database.h"
#include "tests/sql/interaction_stream.h"

namespace cairn::sql {

// The two databases that the contracts are checked on: roles, and another way to see what they wrote. Each is made
// without tables and migrated, unless the test says kEmpty.

enum class Schema { kMigrated, kEmpty };

struct MemoryTwin {
  explicit MemoryTwin(Schema schema = Schema::kMigrated, std::uint64_t dedup_ids = kDedupIds)
      : database(test_types(), dedup_ids) {
    if (schema == Schema::kMigrated) REQUIRE(roles.upkeep->migrate().ok());
  }

  MemoryDatabase database;
  Database roles = database.roles();

  [[nodiscard]] Expected tables() const { return read_tables(database); }
  [[nodiscard]] std::vector<Place> places() const { return database.places(); }
  [[nodiscard]] std::vector<PlaceId> deleted_places() const { return database.deleted_places(); }
};

struct PostgresTwin {
  /// Fewer connections than the tests have writers: they wait for one another.
  static SqlOptions options() {
    SqlOptions options;
    options.pool_size = 3;
    return options;
  }
  explicit PostgresTwin(Schema schema = Schema::kMigrated, std::uint64_t dedup_ids = kDedupIds)
      : made(schema == Schema::kMigrated ? TestDatabase(options(), dedup_ids) : TestDatabase::without_schema()),
        roles(std::move(made.database)) {}

  TestDatabase made;
  Database roles;

  [[nodiscard]] Expected tables() const {
    test::PgClient client = made.client();
    return read_tables(client);
  }
  [[nodiscard]] std::vector<Place> places() const {
    test::PgClient client = made.client();
    std::vector<Place> places;
    for (const auto& row : client.query("SELECT place_id, name, ST_Y(location::geometry), ST_X(location::geometry), "
                                        "category FROM places ORDER BY place_id")) {
      places.push_back({PlaceId(*row[0]), *row[1], {std::stod(*row[2]), std::stod(*row[3])}, row[4].value_or("")});
    }
    return places;
  }
  [[nodiscard]] std::vector<PlaceId> deleted_places() const {
    test::PgClient client = made.client();
    std::vector<PlaceId> ids;
    for (const auto& row : client.query("SELECT place_id FROM places WHERE deleted_at IS NOT NULL ORDER BY place_id")) {
      ids.emplace_back(*row[0]);
    }
    return ids;
  }
};

template <class Twin>
void check_tables(const Twin& twin, const Expected& expected) {
  const Expected found = twin.tables();
  CHECK(found.rows == expected.rows);
  CHECK(found.stats == expected.stats);
}

}  // namespace cairn::sql
