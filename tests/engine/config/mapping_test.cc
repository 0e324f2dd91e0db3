#include <doctest/doctest.h>

#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

/// Complains of one field, as the engine's own check does.
ConfigReport check_mapping(std::string_view text, const Environment& environment = {}) {
  Vocabulary words = vocabulary();
  words.check_mapping_options = [](const DecodeOptions& options) {
    for (const auto& [theirs, ours] : options.mapping.fields) {
      if (ours == "user") return invalid_argument("mapping.fields." + theirs + ": 'user' is no field of an event");
    }
    if (options.mapping.time_zone == "Mars") return invalid_argument("mapping.time_zone: 'Mars' is no time zone");
    if (options.mapping.fields.size() > 1) return invalid_argument("mapping.fields.b: has another name already");
    return ok_status();
  };
  return check_config(text, "c.toml", environment, words);
}

TEST_CASE("a mapping is read, names with dots included, and shown") {
  const ConfigReport report = check_mapping(
      "[mapping]\ntype = \"visit\"\ntime_format = \"seconds\"\ntime_zone = \"UTC\"\n"
      "[mapping.fields]\nvenue.id = \"place_id\"\n[mapping.types]\n\"check in\" = \"visit\"\n7 = \"save\"\n");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  const MappingOptions& mapping = report.config.engine.decode.mapping;
  CHECK(mapping.fields == std::map<std::string, std::string>{{"venue.id", "place_id"}});
  CHECK(mapping.types == std::map<std::string, std::string>{{"check in", "visit"}, {"7", "save"}});
  CHECK(mapping.type == "visit");
  CHECK(mapping.time_format == "seconds");
  CHECK(shown(report, "mapping.fields.venue.id") == "\"place_id\"");
  CHECK(shown(report, "mapping.time_zone") == "\"UTC\"");
}

TEST_CASE("a mapping may come from the environment") {
  const ConfigReport report =
      check_mapping("", {{"CAIRN_MAPPING__TIME_ZONE", "UTC"}, {"CAIRN_MAPPING__FIELDS__CUSTOMER_ID", "user_id"}});
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  CHECK(report.config.engine.decode.mapping.fields.at("customer_id") == "user_id");
}

TEST_CASE("everything that is wrong with a mapping is said, each at its place") {
  CHECK(check_mapping("[mapping]\ntime_zone = \"Mars\"\n[mapping.fields]\na = \"user\"\nb = 1\n").problems_text() ==
        "c.toml:2:13: mapping.time_zone: 'Mars' is no time zone\n"
        "c.toml:4:5: mapping.fields.a: 'user' is no field of an event\n"
        "c.toml:5:5: mapping.fields.b: must be the name that it has here, in quotes, not an integer\n");
  CHECK(check_mapping("[mapping.fields]\na = \"ts\"\nb = \"ts\"\n").problems_text() ==
        "c.toml:2:5: mapping.fields.b: has another name already\n");
  CHECK(check_mapping("[mapping]\nfields = 1\n").problems_text().find("must be a table") != std::string::npos);
}

}  // namespace
}  // namespace cairn::config::test
