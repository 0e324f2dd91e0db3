#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/postgres.h"
#include "tests/support/skip.h"
#include "tests/support/temporary_folder.h"
#include "tests/system/streams/ledger.h"
#include "tests/system/streams/trace.h"

namespace cairn::test {
namespace {

constexpr char kNoData[] = "no real data; set CAIRN_DATA to the folder that holds foursquare_nyc and gowalla_nyc";

void check_whole_stream(const Trace& trace) {
  INFO(trace.name);
  const Totals totals = aggregate(trace);
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/events.ndjson";
  {
    std::ofstream out(file);
    for (const CheckIn& one : trace.check_ins) out << to_json(one) << "\n";
  }
  EngineOptions options;
  options.state_dir = folder.path() + "/state";
  options.state.free_bytes_min = 0;
  options.sql.dsn = TestCluster::shared().fresh_database();
  options.files = {{"stream", file, true}};
  const std::string dsn = options.sql.dsn;
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
  REQUIRE((*engine)->upsert_places({}, trace.places).ok());
  const Status caught_up = (*engine)->wait_caught_up(CallContext::within(std::chrono::minutes(10)));
  REQUIRE_MESSAGE(caught_up.ok(), caught_up.to_string());
  check_features(**engine, trace, totals);
  check_tables(dsn, totals);
  PgClient client(dsn);
  CHECK(client.value("SELECT count(*) FROM cairn.places") == std::to_string(trace.places.size()));
}

TEST_CASE("features and tables hold exactly what the Foursquare check-ins say") {
  const std::string folder = data_folder();
  if (folder.empty()) return skip(kNoData);
  const Trace trace = read_foursquare(folder);
  CHECK(trace.check_ins.size() == 130'399);
  check_whole_stream(trace);
}

TEST_CASE("features and tables hold exactly what the Gowalla check-ins say") {
  const std::string folder = data_folder();
  if (folder.empty()) return skip(kNoData);
  const Trace trace = read_gowalla(folder);
  CHECK(trace.check_ins.size() == 138'957);
  check_whole_stream(trace);
}

}  // namespace
}  // namespace cairn::test
