#include <doctest/doctest.h>

#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

TEST_CASE("a feature view is read with all it can have") {
  const ConfigReport report = check(R"([types]
declared = ["book"]
[[feature_view]]
name = "user_place_affinity"
entity = "user"
dimension = "place"
aggregate = "decayed_sum"
half_life = "30d"
ttl = "365d"
max_entries = 512
events = { visit = "1", book = 3, rate = "value - 2.5" }

[[feature_view]]
name = "cells"
entity = "cell"
dimension = "hour_of_week"
aggregate = "mean"
cell_precision = 5
events = ["visit", "save"]
)");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  REQUIRE(report.config.engine.feature_views.size() == 2);
  const FeatureViewSpec& first = report.config.engine.feature_views[0];
  CHECK(first.name == "user_place_affinity");
  CHECK(first.entity == EntityKind::kUser);
  CHECK(first.dimension == Dimension::kPlace);
  CHECK(first.aggregate == Aggregate::kDecayedSum);
  CHECK(first.half_life == std::chrono::hours{30 * 24});
  CHECK(first.ttl == std::chrono::hours{365 * 24});
  CHECK(first.max_entries == 512);
  REQUIRE(first.events.size() == 3);
  CHECK(first.events[0].type == "visit");
  CHECK(first.events[0].expression == "1");
  CHECK(first.events[1].type == "book");
  CHECK(first.events[1].expression == "3");
  CHECK(first.events[2].expression == "value - 2.5");
  const FeatureViewSpec& second = report.config.engine.feature_views[1];
  CHECK(second.entity == EntityKind::kCell);
  CHECK(second.dimension == Dimension::kHourOfWeek);
  CHECK(second.aggregate == Aggregate::kMean);
  CHECK(second.cell_precision == 5);
  CHECK(second.events[1].type == "save");
}

TEST_CASE("files are read in their order, and follow unless told not to") {
  const ConfigReport report =
      check("[[file]]\nname = \"a\"\npath = \"/a\"\n[[file]]\nname = \"b\"\npath = \"/b\"\nfollow = false\n");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  REQUIRE(report.config.engine.files.size() == 2);
  CHECK(report.config.engine.files[0].name == "a");
  CHECK(report.config.engine.files[0].follow);
  CHECK(report.config.engine.files[1].path == "/b");
  CHECK_FALSE(report.config.engine.files[1].follow);
}

TEST_CASE("a mistyped key of a view is shown the right one") {
  CHECK(problems("[[feature_view]]\nname = \"v\"\nhalf_lief = \"30d\"\n") ==
        "c.toml:3:1: unknown key 'half_lief' in [[feature_view]]; did you mean 'half_life'?\n");
  CHECK(problems("[[file]]\nname = \"v\"\npath = \"p\"\nzebra = 1\n") ==
        "c.toml:4:1: unknown key 'zebra' in [[file]]; its keys are name, path, follow, on_gap, required\n");
}

TEST_CASE("what a record needs and does not have is reported at its head") {
  CHECK(problems("[[file]]\nfollow = true\n") ==
        "c.toml:1:1: this [[file]] has no 'name'; add one such as name = \"events\"\n"
        "c.toml:1:1: this [[file]] has no 'path'; add one such as path = \"/var/log/app/events.ndjson\"\n");
}

TEST_CASE("a sequence needs a dimension, which the check finds before a start does") {
  CHECK(problems("[[feature_view]]\nname = \"v\"\ndimension = \"none\"\naggregate = \"sequence\"\n") ==
        "c.toml:4:13: feature_view[0].aggregate: a sequence needs a dimension to record; set dimension = \"place\"\n");
}

TEST_CASE("a half-life and a decayed sum need each other") {
  CHECK(
      problems("[[feature_view]]\nname = \"v\"\naggregate = \"count\"\nhalf_life = \"30d\"\n") ==
      "c.toml:4:13: feature_view[0].half_life is given, but the aggregate is not \"decayed_sum\"; leave it out or set "
      "aggregate = \"decayed_sum\"\n");
  CHECK(problems("[[feature_view]]\nname = \"v\"\naggregate = \"decayed_sum\"\n") ==
        "c.toml:3:13: feature_view[0].aggregate is \"decayed_sum\" without half_life; add one such as half_life = "
        "\"30d\"\n");
  // A half-life that is wrong is there all the same.
  CHECK(
      check("[[feature_view]]\nname = \"v\"\naggregate = \"decayed_sum\"\nhalf_life = \"30 dais\"\n").problems.size() ==
      1);
}

TEST_CASE("letters of a cell without a cell are a mistake") {
  CHECK(problems("[[feature_view]]\nname = \"v\"\ncell_precision = 6\n") ==
        "c.toml:3:18: feature_view[0].cell_precision is given, but neither entity nor dimension is \"cell\"; leave it "
        "out\n");
}

TEST_CASE("names are unique among views, and the built-in ones are taken") {
  CHECK(problems("[[feature_view]]\nname = \"v\"\n[[feature_view]]\nname = \"v\"\n[[feature_view]]\nname = "
                 "\"user_places\"\n") ==
        "c.toml:4:8: feature_view[1].name: \"v\" is the name of feature_view[0] already; choose another\n"
        "c.toml:6:8: feature_view[2].name: \"user_places\" is the name of a built-in view already; choose another\n");
}

TEST_CASE("names are unique among sources") {
  CHECK(problems("[kafka]\nbrokers = \"a:1\"\ntopic = \"t\"\n[[file]]\nname = \"kafka\"\npath = \"p\"\n") ==
        "c.toml:5:8: file[0].name: \"kafka\" is the name of kafka.name already; a source's name must be its own\n");
}

TEST_CASE("events name types there are, each once, with an expression that can be computed") {
  CHECK(problems("[[feature_view]]\nname = \"v\"\nevents = { vist = \"1\" }\n") ==
        "c.toml:3:12: feature_view[0].events: unknown interaction type 'vist'; did you mean 'visit'?\n");
  CHECK(problems("[[feature_view]]\nname = \"v\"\nevents = [\"teleport\"]\n") ==
        "c.toml:3:11: feature_view[0].events: unknown interaction type 'teleport'; declare it in [types] or use one of "
        "view, click, visit, rate, save, dismiss\n");
  CHECK(problems("[[feature_view]]\nname = \"v\"\nevents = [\"visit\", \"visit\"]\n") ==
        "c.toml:3:20: feature_view[0].events: type 'visit' stands twice\n");
  const std::string broken = problems("[[feature_view]]\nname = \"v\"\nevents = { rate = \"value -\" }\n");
  CHECK(broken.starts_with("c.toml:3:19: feature_view[0].events.rate: \"value -\" is no weight: "));
  CHECK(problems("[[feature_view]]\nname = \"v\"\nevents = {}\n") ==
        "c.toml:3:10: feature_view[0].events: must be a table such as { visit = \"1\", rate = \"value - 2.5\" } or a "
        "list of types, and is empty; leave it out to count every type\n");
  CHECK(problems("[[feature_view]]\nname = \"v\"\nevents = \"visit\"\n") ==
        "c.toml:3:10: feature_view[0].events: must be a table such as { visit = \"1\", rate = \"value - 2.5\" } or a "
        "list of types\n");
}

}  // namespace
}  // namespace cairn::config::test
