#include "sql/interaction_counts.h"

#include <doctest/doctest.h>

#include <map>
#include <tuple>

#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

using Counts = std::map<std::tuple<std::string, std::string, std::string>, std::int64_t>;

Counts read_counts(const SqlOptions& options) {
  Counts counts;
  const Status status = for_each_interaction_count(options, [&](const InteractionCount& one) {
    const bool added =
        counts.emplace(std::tuple(std::string(one.user), std::string(one.place), std::string(one.type)), one.count)
            .second;
    CHECK(added);
  });
  REQUIRE_MESSAGE(status.ok(), status.to_string());
  return counts;
}

TEST_CASE("interactions are counted by user, place and type as plain arithmetic does, past one fetch") {
  TestDatabase made;
  const std::uint64_t seed = 20250301;
  INFO("seed ", seed);
  std::vector<Interaction> interactions = InteractionStream(seed).range(0, 2'000);
  for (int i = 0; i < 6'000; ++i) {  // more groups than one fetch brings
    Interaction one = interactions[0];
    one.user = UserId("u" + std::to_string(i));
    one.event_id.clear();
    interactions.push_back(one);
  }
  for (Interaction& one : interactions) one.event_id.clear();
  const auto applied = made.database.materializer->apply("s", interactions, {}, std::vector{position(1)});
  REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  Counts expected;
  for (const Interaction& one : interactions) {
    ++expected[{one.user.str(), one.place.str(), test_types().name(one.type)}];
  }
  CHECK(expected.size() > 5'000);
  CHECK(read_counts(made.options) == expected);
}

TEST_CASE("an empty table gives nothing, a missing one a remedy") {
  TestDatabase made;
  CHECK(read_counts(made.options).empty());
  SqlOptions elsewhere = made.options;
  elsewhere.schema = "no_such_schema";
  const Status missing = for_each_interaction_count(elsewhere, [](const InteractionCount&) {});
  CHECK(missing.code() == StatusCode::kFailedPrecondition);
  CHECK(missing.message().find("user_interactions") != std::string::npos);
}

}  // namespace
}  // namespace cairn::sql
