// Configuration files, checked, shown and begun.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/cli_fixture.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("cli");

TEST_CASE("configuration files are checked, shown and begun") {
  const cairn::test::TemporaryFolder scratch;
  const Outcome sample = run_cli({"config", "sample"});
  CHECK(sample.exit_code == 0);
  const std::string good = scratch.write("good.toml", sample.out);
  CHECK(run_cli({"config", "check", good}).exit_code == 0);
  CHECK(mentions(run_cli({"config", "show", good, "--origin"}).out, "http.port") ==
        mentions(run_cli({"config", "show", good}).out, "http.port"));
  const std::string bad = scratch.write("bad.toml", "[http]\nprot = 1\n[sate]\n");
  const Outcome checked = run_cli({"config", "check", bad});
  CHECK(checked.exit_code == 1);
  CHECK(mentions(checked.err, "bad.toml:2"));
  const Outcome as_json = run_cli({"-o", "json", "config", "check", bad});
  CHECK(nlohmann::json::parse(as_json.out)["problems"].size() >= 2);
  CHECK(run_cli({"config", "show", bad}).exit_code == 1);
}

TEST_CASE("what a type counts as, a ranking feature and a rule that are wrong are told of at once") {
  const cairn::test::TemporaryFolder scratch;
  const std::string bad = scratch.write("bad.toml",
                                        "[types]\ndeclared = [\"purchase\"]\n[types.counts_as]\npurchase = \"vist\"\n"
                                        "[[ranking_feature]]\nname = \"x\"\nview = \"place_ratings\"\nweight = 1\n"
                                        "[[ranking_feature]]\nname = \"y\"\nview = \"place_by_type\"\nkey = "
                                        "\"purchase\"\nweight = 1\nreason = \"{val} x {value\"\n"
                                        "[[rule]]\nname = \"r\"\nwhen = \"price <\"\nadd = 1.0\n"
                                        "[[feature_view]]\nname = \"place_by_type\"\nentity = \"place\"\ndimension = "
                                        "\"type\"\nevents = { visit = 1, purchase = 5 }\n");
  const Outcome checked = run_cli({"-o", "json", "config", "check", bad});
  INFO(checked.out);
  const auto problems = nlohmann::json::parse(checked.out)["problems"];
  REQUIRE(problems.size() == 4);
  CHECK(mentions(problems[0].dump(), "'purchase' must count as view, click, visit"));
  CHECK(mentions(problems[1].dump(), "ranking_feature[0].view: no feature view is named 'place_ratings'"));
  CHECK(
      mentions(problems[2].dump(), "ranking_feature[1].reason: '{val}' stands for nothing there; it may name {value}"));
  CHECK(mentions(problems[3].dump(), "rule[0].when: "));
}

TEST_CASE("the check of a configuration says of a state directory that is a file, or lies under one, what it is") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("state", "a file");
  for (const std::string& dir : {file, file + "/below/it"}) {
    const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + dir + "\"\n");
    const Outcome outcome = run_cli({"config", "check", config});
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err == config + ":2:7: state.dir: '" + file +
                             "' is a file; name a directory, which is created where there is none, or move that out "
                             "of the way\n");
  }
  const std::string to_be = scratch.write("cairn.toml", "[state]\ndir = \"" + (scratch / "not/there/yet") + "\"\n");
  CHECK(run_cli({"config", "check", to_be}).exit_code == 0);
}

TEST_CASE("what libpq and librdkafka would not take is found by the check, and is not repeated") {
  const cairn::test::TemporaryFolder scratch;
  const std::string bad = scratch.write("bad.toml",
                                        "[sql]\ndsn = \"host=localhost password=hunter2 of mine\"\n"
                                        "[kafka]\nbrokers = \"b:9092\"\ntopic = \"t\"\n[kafka.properties]\n"
                                        "\"fetch.wait.max\" = 1\n\"security.protocol\" = \"hunter3\"\n"
                                        "\"sasl.mechanism\" = \"PLAIN\"\n");
  const Outcome checked = run_cli({"config", "check", bad});
  INFO(checked.err);
  CHECK(checked.exit_code == 1);
  CHECK(mentions(checked.err, "bad.toml:2"));
  CHECK(mentions(checked.err, "sql.dsn is neither libpq keywords"));
  CHECK(mentions(checked.err, "bad.toml:7"));
  CHECK(mentions(checked.err, "has no property 'fetch.wait.max'"));
  CHECK(mentions(checked.err, "bad.toml:8"));
  CHECK(mentions(checked.err, "does not take the value of 'security.protocol'"));
  CHECK_FALSE(mentions(checked.err, "bad.toml:9"));
  CHECK_FALSE(mentions(checked.err, "hunter"));
}

TEST_SUITE_END();
