#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "engine/config/keys.h"
#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

/// Every commented-out key and table made effective; explanations ("# text") stay comments.
std::string uncommented(const std::string& sample) {
  std::istringstream in(sample);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    const bool key = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    out += (key ? line.substr(1) : line) + "\n";
  }
  return out;
}

TEST_CASE("the sample file that is shipped is the one the table makes") {
  std::ifstream in(CAIRN_SOURCE_DIR "/tools/deploy/cairn.sample.toml", std::ios::binary);
  REQUIRE(in);
  std::ostringstream shipped;
  shipped << in.rdbuf();
  INFO("renew it with: cairnd --print-sample-config > tools/deploy/cairn.sample.toml");
  CHECK(shipped.str() == sample_config());
}

TEST_CASE("the sample as it stands means the defaults") {
  const ConfigReport report = check(sample_config());
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  CHECK(changes_between(check(""), report).live.empty());
  CHECK(changes_between(check(""), report).restart.empty());
}

TEST_CASE("the sample with everything in effect sets every key, and to its default") {
  const ConfigReport report = check(uncommented(sample_config()));
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  const ConfigReport defaults = check("");
  for (const Setting& setting : defaults.settings) {
    CAPTURE(setting.key);
    CHECK(shown(report, setting.key) == setting.value);
  }
  // What goes with other values than the example's.
  const std::set<std::string> not_in_example = {"feature_view[0].cell_precision", "ranking_feature[0].key",
                                                "attribute[0].on_unreadable", "rule[0].cells"};
  for (const Setting& setting : report.settings) {
    CAPTURE(setting.key);
    CHECK((setting.origin == Origin::kFile || not_in_example.contains(setting.key)));
  }
  REQUIRE(report.config.engine.feature_views.size() == 1);
  CHECK(report.config.engine.feature_views[0].events.size() == 3);
  CHECK(report.config.engine.files.size() == 1);
}

TEST_CASE("the sample documents every key") {
  const std::string sample = sample_config();
  for (const Section& section : sections()) {
    CHECK(sample.find("\n[" + std::string(section.name) + "]\n") != std::string::npos);
    for (const std::string& name : names_in(section)) {
      CAPTURE(name);
      CHECK(sample.find(name) != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace cairn::config::test
