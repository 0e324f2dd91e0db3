// How recommendations are asked for on the command line.

#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "tests/tools/cairn/cli_fixture.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("cli");

TEST_CASE_FIXTURE(Cli, "recommend shows ranked places with their reasons") {
  const Outcome outcome = run({"recommend", "--user", "u1", "--at", "40.7,-74", "-c", "cafe", "-c", "bar", "--radius",
                               "500", "--limit", "3", "--exclude-seen", "--time", "2024-05-01T12:00:00Z"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out ==
        "#  PLACE           CATEGORY  DISTANCE  SCORE  WHY\n"
        "1  Caffe \"Reggio\"  cafe         322 m  1.250  visited 12 times, last 2 days ago\n"
        "\n"
        "only 1 place within 500 m\n"
        "\n"
        "more with --cursor 0a1b\n"
        "\n"
        "17 candidates, known by the places of this visit, user's row from L1, kept for 1,234 ms in L1 and stale, "
        "model cafe01, newest event "
        "2024-05-01T12:00:00.123Z, the user's newest visit 2024-05-01T11:00:00Z, reflects api:0:42\n");
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.position == GeoPoint{40.7, -74.0});
  CHECK(asked.categories == std::vector<std::string>{"cafe", "bar"});
  CHECK(asked.radius_meters == 500.0);
  CHECK(asked.limit == 3);
  CHECK(asked.exclude_seen);
  CHECK(to_ms(*asked.time) == 1714564800000);
}

TEST_CASE_FIXTURE(Cli, "recommend takes a visitor, tells what speaks against a place, and speaks a language") {
  const Outcome outcome = run({"recommend", "--at", "40.7,-74", "--recent", "p4", "--against", "--language", "de"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out.starts_with(
      "#  PLACE           CATEGORY  DISTANCE  SCORE  WHY                           AGAINST\n"
      "1  Caffe \"Reggio\"  cafe         322 m  1.250  You have been here 12 times.  321 m away\n"));
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.user.str().empty());
  CHECK(asked.against);
  CHECK(asked.language == "de");
}

TEST_CASE_FIXTURE(Cli, "recommend names places to leave out, to order and just seen, the next page and a cap") {
  REQUIRE(run({"recommend", "-u", "u1", "--exclude", "p1", "--exclude", "p2", "--rank", "p3", "--recent", "p4",
               "--recent", "p5", "--cursor", "0a1b", "--max-per-category", "2", "--diversity", "0.25"})
              .exit_code == 0);
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.exclude == std::vector{PlaceId("p1"), PlaceId("p2")});
  CHECK(asked.rank == std::vector{PlaceId("p3")});
  CHECK(asked.recent == std::vector{PlaceId("p4"), PlaceId("p5")});
  CHECK(asked.cursor == "0a1b");
  CHECK(asked.max_per_category == 2);
  CHECK(asked.diversity == 0.25);
  CHECK(run({"recommend", "-u", "u1", "--diversity", "2"}).exit_code == 2);
}

TEST_CASE_FIXTURE(Cli, "recommend says how fresh an answer must be, and what to do when it cannot be") {
  REQUIRE(run({"recommend", "-u", "u1", "--min-offset", "a:b:3:42", "--max-staleness", "500", "--on-stale", "degrade"})
              .exit_code == 0);
  const RecommendRequest asked = engine.last_recommend();
  REQUIRE(asked.min_offset);
  CHECK(asked.min_offset->source == "a:b");
  CHECK(asked.min_offset->position.partition == Partition{3});
  CHECK(asked.min_offset->position.offset == Offset{42});
  CHECK(asked.max_staleness == std::chrono::milliseconds(500));
  CHECK(asked.on_stale == OnStale::kDegrade);
  for (const char* wrong : {"api", "api:0", ":0:1", "api:x:1", "api:0:-1", "api:0:1x"}) {
    CHECK(run({"recommend", "-u", "u1", "--min-offset", wrong}).exit_code == 2);
  }
}

TEST_CASE_FIXTURE(Cli, "recommend explores when it is told to, and says so") {
  const Outcome outcome =
      run({"recommend", "-u", "u1", "--explore", "thompson", "--explore-strength", "0.5", "--seed", "7"});
  CHECK(outcome.exit_code == 0);
  CHECK(mentions(outcome.out, "model cafe01, explored by thompson, "));
  const RecommendRequest asked = engine.last_recommend();
  REQUIRE(asked.explore);
  CHECK(asked.explore->method == ExploreMethod::kThompson);
  CHECK(asked.explore->strength == 0.5);
  CHECK(asked.explore->seed == std::uint64_t{7});
  CHECK(run({"recommend", "-u", "u1", "--explore", "blindly"}).exit_code == 2);
  CHECK(run({"recommend", "-u", "u1", "--seed", "7"}).exit_code == 2);
}

TEST_CASE_FIXTURE(Cli, "recommend names a segment, and says which one counted most") {
  const Outcome outcome = run({"recommend", "-u", "u1", "--segment", "3"});
  CHECK(mentions(outcome.out, "model cafe01, segment 3, "));
  CHECK(engine.last_recommend().segment == 3U);
  CHECK(run({"recommend", "-u", "u1", "--segment", "-3"}).exit_code == 2);
}

TEST_SUITE_END();
