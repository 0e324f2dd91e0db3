// Places and categories on the command line.

#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/cli_fixture.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("cli");

TEST_CASE_FIXTURE(Cli, "places are deleted by id, and one that nobody knows is told") {
  start();
  REQUIRE(engine.upsert_places({}, std::vector<Place>{{PlaceId("x/y"), "", {1, 2}, ""}, {PlaceId("z"), "", {1, 2}, ""}})
              .ok());
  CHECK(run({"places", "delete", "--erase-history", "x/y"}).out == "1 place deleted\n");
  CHECK(engine.last_history() == PlaceHistory::kErase);
  CHECK(engine.get_place({}, PlaceId("x/y")).status().code() == StatusCode::kNotFound);
  const Outcome outcome = run({"places", "delete", "nowhere", "z"});
  CHECK(outcome.exit_code == 4);
  CHECK(outcome.out == "1 place deleted\n");
  CHECK(outcome.err == "cairn: no place has the id 'nowhere'\n");
  CHECK(engine.last_history() == PlaceHistory::kKeep);
  CHECK(engine.get_place({}, PlaceId("z")).status().code() == StatusCode::kNotFound);
}

TEST_CASE_FIXTURE(Cli, "thousands of places are deleted by a file of ids, a thousand at a time") {
  start();
  std::vector<Place> places;
  std::string ids = "\xEF\xBB\xBF";
  for (int i = 0; i < 2'500; ++i) {
    places.push_back({PlaceId("p" + std::to_string(i)), "", {1, 2}, ""});
    ids += "p" + std::to_string(i) + (i % 2 == 0 ? "\r\n" : "\n\n");
    if (i % 200 == 0) ids += "nobody's " + std::to_string(i) + "\n";
  }
  ids += "p0\np1\nnobody's 0\n";  // again, in another thousand
  REQUIRE(engine.upsert_places({}, places).ok());
  const cairn::test::TemporaryFolder scratch;
  const Outcome outcome = run({"places", "delete", "--from", scratch.write("closed.txt", ids)});
  CHECK(outcome.exit_code == 4);
  CHECK(outcome.out == "2,500 places deleted\n");
  CHECK(mentions(outcome.err, "'nobody's 0', 'nobody's 200'"));
  CHECK(mentions(outcome.err, "and 3 more (-o json lists all)"));
  const Outcome again = run({"-o", "json", "places", "delete", "--from", "-", "p2"}, "p3\n");
  CHECK(again.exit_code == 4);
  CHECK(nlohmann::json::parse(again.out) ==
        nlohmann::json({{"deleted", 0}, {"unknown", {"p2", "p3"}}, {"history", "kept"}}));
}

TEST_CASE_FIXTURE(Cli, "a line of a file of ids is the id, blanks and all") {
  start();
  REQUIRE(engine.upsert_places({}, std::vector<Place>{{PlaceId("a"), "", {1, 2}, ""}, {PlaceId(" a "), "", {1, 2}, ""}})
              .ok());
  CHECK(run({"places", "delete", "--from", "-"}, " a \r\n").out == "1 place deleted\n");
  CHECK(engine.get_place({}, PlaceId("a")).ok());
}

TEST_CASE_FIXTURE(Cli, "a deletion of no id, or of one that is none, sends nothing and says what to do") {
  const Outcome nothing = run({"places", "delete"});
  CHECK(nothing.exit_code == 2);
  CHECK(mentions(nothing.err, "--from"));
  const Outcome empty = run({"places", "delete", "p1", ""});
  CHECK(empty.exit_code == 1);
  CHECK(mentions(empty.err, "'': a place id has 1 to 128 bytes"));
  const Outcome latin = run({"places", "delete", "--from", "-"}, "p1\ncaf\xE9\n");
  CHECK(latin.exit_code == 1);
  CHECK(mentions(latin.err, "-:2: an id is UTF-8"));
  const cairn::test::TemporaryFolder scratch;
  const Outcome bad =
      run({"places", "delete", "p1", "--from", scratch.write("ids", "p2\n" + std::string(129, 'x') + "\n")});
  CHECK(bad.exit_code != 0);
  CHECK(mentions(bad.err, "ids:2: a place id has 1 to 128 bytes"));
  CHECK(engine.get_place({}, PlaceId("p1")).ok());
}

TEST_CASE_FIXTURE(Cli, "places are imported from CSV, NDJSON and gzip alike") {
  const cairn::test::TemporaryFolder scratch;
  const std::string csv =
      scratch.write("p.csv", "place_id,name,lat,lon,category\r\nc1,\"A, \"\"B\"\"\nC\",1.5,2.5,bar\r\nc2,,3,4,\r\n");
  CHECK(run({"places", "import", csv}).out == "2 places imported\n");
  CHECK(engine.get_place({}, PlaceId("c1"))->name == "A, \"B\"\nC");
  CHECK(engine.get_place({}, PlaceId("c2"))->position == GeoPoint{3, 4});
  const std::string lines = scratch.write("p.ndjson", "{\"place_id\":\"n1\",\"lat\":1,\"lon\":2}\n");
  CHECK(run({"-q", "places", "import", lines}).out.empty());
  REQUIRE(std::system(("gzip -k " + lines).c_str()) == 0);
  CHECK(run({"-o", "json", "places", "import", lines + ".gz"}).out == "{\"imported\":1}\n");
}

TEST_CASE_FIXTURE(Cli, "an import says how many places there were, and how many lines replaced an earlier one") {
  // Chunks hold a thousand, so that some repeats come in a later request.
  std::string csv = "place_id,lat,lon\n";
  for (int i = 0; i < 1500; ++i) csv += "p" + std::to_string(i % 1200) + ",1," + std::to_string(i / 1200) + "\n";
  const std::string told = "300 lines replace an earlier one with the same place_id; the first is line 1,202\n";
  CHECK(run({"places", "import", "-"}, csv).out == "1,200 places imported\n" + told);
  CHECK(engine.get_place({}, PlaceId("p7"))->position == GeoPoint{1, 1});
  CHECK(engine.get_place({}, PlaceId("p700"))->position == GeoPoint{1, 0});
  CHECK(run({"-o", "json", "places", "import", "-"}, csv).out == "{\"imported\":1200,\"replaced\":300}\n");
  CHECK(mentions(run({"places", "import", "--dry-run", "-"}, csv).out,
                 "1,200 places would be imported; nothing was sent\n" + told));
  CHECK(run({"-o", "json", "places", "import", "--dry-run", "-"}, csv).out ==
        "{\"replaced\":300,\"would_import\":1200}\n");
  // A number and its text are one id.
  const std::string lines = R"({"place_id":7,"lat":1,"lon":2})"
                            "\n"
                            R"({"place_id":"7","lat":3,"lon":4})"
                            "\n";
  CHECK(run({"places", "import", "-"}, lines).out ==
        "1 place imported\n1 line replaces an earlier one with the same place_id; the first is line 2\n");
  CHECK(engine.get_place({}, PlaceId("7"))->position == GeoPoint{3, 4});
}

TEST_CASE_FIXTURE(Cli, "places come as JSON, GeoJSON and with other names, and as text that is named") {
  const std::string array = R"([{"place_id":"a1","lat":1,"lon":2}])";
  CHECK(run({"places", "import", "-"}, array).out == "1 place imported\n");
  CHECK(
      run({"places", "import", "-"}, "\n \n" + std::string(R"( {"place_id":"a2","lat":1,"lon":2})") + "\n").exit_code ==
      0);
  const std::string features =
      R"({"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":3,"name":"n"},)"
      R"("geometry":{"type":"Point","coordinates":[2.5,1.5]}}]})";
  CHECK(run({"places", "import", "--map", "id=place_id", "-"}, features).exit_code == 0);
  CHECK(engine.get_place({}, PlaceId("3"))->position == GeoPoint{1.5, 2.5});
  CHECK(mentions(run({"recommend", "-u", "Caf\xe9"}).err, "is no UTF-8"));
  const std::string latin = "place_id,lat,lon\nCaf\xe9,1,2\nCaf\xe8,3,4\n";
  const Outcome refused = run({"places", "import", "-"}, latin);
  CHECK(refused.exit_code == 1);
  CHECK(mentions(refused.err, "line 2: byte 4 of the line, 0xE9, is no UTF-8"));
  CHECK(mentions(refused.err, "--encoding latin1"));
  CHECK(run({"places", "import", "--encoding", "latin1", "-"}, latin).out == "2 places imported\n");
  CHECK(engine.get_place({}, PlaceId("Caf\u00e9")).ok());
  CHECK(engine.get_place({}, PlaceId("Caf\u00e8")).ok());
  CHECK(run({"places", "import", "--encoding", "latin-7", "-"}, latin).exit_code == 2);
}

TEST_CASE_FIXTURE(
    Cli, "a command that there is not is answered with the one that was meant, and words with the words there are") {
  const Outcome typo = run({"-o", "json", "recomend", "-u", "u"});
  CHECK(typo.exit_code == 2);
  CHECK(mentions(typo.err, "there is no command 'recomend'; did you mean 'recommend'?"));
  CHECK(mentions(run({"places", "imprt", "x"}).err, "did you mean 'import'?"));
  CHECK(mentions(run({"frobnicate"}).err, "there are status, recommend"));
  CHECK(mentions(run({"-o", "yaml", "status"}).err, "'yaml' is none of its words, which are json, table"));
  CHECK(run({"-o", "json", "version"}).out == "{\"version\":\"" + run({"version"}).out.substr(6, 5) + "\"}\n");
}

TEST_CASE_FIXTURE(Cli, "a bad place is reported by its line, and what to do after it") {
  std::string csv = "place_id,lat,lon\n";
  for (int i = 0; i < 1500; ++i) csv += "p" + std::to_string(i) + (i == 1200 ? ",95,2\n" : ",1,2\n");
  const Outcome outcome = run({"places", "import", "-"}, csv);
  CHECK(outcome.exit_code == 1);
  CHECK(mentions(outcome.err, "line 1202: lat must be from -90 to 90"));
  CHECK(mentions(outcome.err, "1,000 places were imported before that; run the same import again"));
  const Outcome number = run({"places", "import", "-"}, "place_id,lat,lon\na,1,2\nb,x,2\n");
  CHECK(mentions(number.err, "line 3: lat 'x' is no number of degrees"));
  CHECK(run({"places", "import", "/nonexistent"}).exit_code == 4);
}

TEST_CASE_FIXTURE(Cli, "categories are listed with their old names, renamed and merged") {
  engine.categories_answer = {{"Café", 12, {"Coffee", "Coffee Shop"}}, {"Tea", 3, {}}};
  const Outcome listed = run({"categories", "list"});
  CHECK(mentions(listed.out, "Café"));
  CHECK(mentions(listed.out, "Coffee, Coffee Shop"));
  CHECK(nlohmann::json::parse(run({"-o", "json", "categories", "list"}).out)["categories"][1]["places"] == 3);
  std::string asked;
  engine.on_rename = [&](const std::string& from, const std::string& to, CategoryTarget target) {
    asked = from + (target == CategoryTarget::kNewName ? " is now " : " goes into ") + to;
    return Result<std::uint64_t>(std::uint64_t{7});
  };
  CHECK(mentions(run({"categories", "rename", "Tea", "Tea Room"}).out, "with 7 places"));
  CHECK(asked == "Tea is now Tea Room");
  CHECK(nlohmann::json::parse(run({"-o", "json", "categories", "merge", "Tea", "Café"}).out)["places"] == 7);
  CHECK(asked == "Tea goes into Café");
  engine.on_rename = [](const std::string&, const std::string&, CategoryTarget) {
    return Result<std::uint64_t>(not_found("no category is called 'X'"));
  };
  CHECK(run({"categories", "rename", "X", "Y"}).exit_code == 4);
}

TEST_CASE_FIXTURE(Cli, "an import of places says which of their categories are called otherwise by now") {
  engine.categories_answer = {{"Café", 12, {"Coffee"}}};
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("places.csv", "place_id,name,lat,lon,category\na,A,1,2,Coffee\nb,B,1,2,Tea\n");
  CHECK(mentions(run({"places", "import", file}).out, "category 'Coffee' is called 'Café' now"));
  const auto answer = nlohmann::json::parse(run({"-o", "json", "places", "import", file}).out);
  CHECK(answer["renamed_categories"] == nlohmann::json({{"Coffee", "Café"}}));
}

TEST_SUITE_END();
