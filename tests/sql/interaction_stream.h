#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cairn/interaction.h"
#include "sql/database.h"
#include "sql/memory/memory_database.h"
#include "tests/support/postgres.h"

namespace cairn::sql {

/// Of databases whose test says nothing else: far more than any such test has ids between an event and its repeat.
inline constexpr std::uint64_t kDedupIds = 100'000;

/// An endless stream of interactions made up from a seed: event `n` is the same whenever it is asked for. Times crowd
/// around month borders, a leap day and a new year; ids hold quotes, tabs, backslashes, newlines and emoji; every fifth
/// event may repeat an event id of one of the hundred before it, hours or months apart.
class InteractionStream {
 public:
  explicit InteractionStream(std::uint64_t seed) : seed_(seed) {}

  [[nodiscard]] Interaction at(std::int64_t n) const;
  [[nodiscard]] std::vector<Interaction> range(std::int64_t begin, std::int64_t end) const;

 private:
  const std::uint64_t seed_;
};

/// What the tables must hold: computed the plain way, value sums in integers.
struct Expected {
  struct Stat {
    std::int64_t events = 0;
    std::int64_t value_count = 0;
    std::int64_t value_micros = 0;
    friend bool operator==(const Stat&, const Stat&) = default;
  };
  using Key = std::tuple<std::string, std::int64_t, std::string>;  ///< place, start of the hour in s, type
  std::map<Key, Stat> stats;
  std::multiset<std::string> rows;  ///< describe() of each
  std::uint64_t repeated = 0;
};

/// Leaves out every interaction with an event id that came before, in order.
/// Requires: no id comes again so late that it is forgotten.
[[nodiscard]] Expected expect(const std::vector<Interaction>& interactions);

/// What the tables do hold.
[[nodiscard]] Expected read_tables(test::PgClient& client);
[[nodiscard]] Expected read_tables(const MemoryDatabase& database);

/// A schema of its own, migrated, in a database whose time zone is 13:45 hours off: neither months nor hours of events
/// may depend on that.
struct TestDatabase {
  TestDatabase();
  /// `options`: dsn and schema are filled in.
  explicit TestDatabase(SqlOptions options, std::uint64_t dedup_ids = kDedupIds);
  /// The same before its migration.
  [[nodiscard]] static TestDatabase without_schema();

  SqlOptions options;
  Database database;
  /// Finds the schema's tables by their bare names.
  [[nodiscard]] test::PgClient client() const;

 private:
  struct NotMigrated {};
  TestDatabase(SqlOptions options, std::uint64_t dedup_ids, NotMigrated);
};

[[nodiscard]] const InteractionTypes& test_types();
[[nodiscard]] Database open(const SqlOptions& options, std::uint64_t dedup_ids = kDedupIds);
[[nodiscard]] SqlOptions options_for(const std::string& dsn);
/// A view by user "u", or another type.
[[nodiscard]] Interaction interaction(const std::string& place, std::int64_t ms, TypeIndex type = {});
[[nodiscard]] SourcePosition position(std::int64_t offset, std::int32_t partition = 0);

/// Applies events [begin, end) of the stream as one batch of source "s", partition 0.
Result<Materializer::Applied> apply_range(Materializer& materializer, const InteractionStream& stream,
                                          std::int64_t begin, std::int64_t end);

}  // namespace cairn::sql
