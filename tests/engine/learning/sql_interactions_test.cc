#include <doctest/doctest.h>

#include "cairn/log.h"
#include "cairn/options.h"
#include "engine/learning/interactions.h"
#include "sql/database.h"
#include "tests/support/postgres.h"

using namespace cairn;
using namespace cairn::learning;

namespace {

using Ids = std::vector<std::string>;

constexpr TypeIndex kView{0};
constexpr TypeIndex kVisit{2};
constexpr TypeIndex kDismiss{5};

Interaction event(const char* user, const char* place, TypeIndex type) {
  return {UserId(user), PlaceId(place), type, event_time_from_ms(1'714'564'800'000), {}, {}, {}};
}

/// A database that holds what `cairnd` would have written.
std::string database_with(const std::vector<Interaction>& interactions) {
  const std::string dsn = test::TestCluster::shared().fresh_database();
  SqlOptions options;
  options.dsn = dsn;
  const InteractionTypes types;
  const auto database = sql::open_database(options, types, DecodeOptions{}.dedup_ids, Logger());
  REQUIRE_MESSAGE(database.ok(), database.status().to_string());
  REQUIRE(database->upkeep->migrate().ok());
  const SourcePosition after{.partition = Partition{0}, .offset = Offset{1}};
  const auto applied = database->materializer->apply("s", interactions, {}, std::vector{after});
  REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  return dsn;
}

}  // namespace

TEST_CASE("what the daemon wrote to PostgreSQL is read like events") {
  const std::string dsn =
      database_with({event("u", "a", kVisit), event("u", "a", kVisit), event("u", "b", kView),
                     event("u", "b", kDismiss), event("ü 2", "c", kDismiss), event("10", "7", kVisit)});
  const auto once = read_sql(dsn, "cairn", {});
  REQUIRE_MESSAGE(once.ok(), once.status().to_string());
  CHECK(once->users == Ids{"10", "u"});
  CHECK(once->items == Ids{"7", "a", "b"});
  CHECK(once->columns == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(once->values.empty());
  const auto weighed = read_sql(dsn, "cairn", {{"visit", 1.5F}, {"view", 1.0F}, {"dismiss", -2.0F}});
  REQUIRE_MESSAGE(weighed.ok(), weighed.status().to_string());
  CHECK(weighed->items == Ids{"7", "a"});
  CHECK(weighed->values == std::vector<float>{1.5F, 3.0F});
  CHECK(read_sql(dsn, "elsewhere", {}).status().code() == StatusCode::kFailedPrecondition);
  CHECK(read_sql("not a connection string", "cairn", {}).status().code() == StatusCode::kInvalidArgument);
}
