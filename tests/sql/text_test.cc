#include "sql/postgres/text.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <vector>

#include "sql/batch.h"
#include "tests/support/postgres.h"

namespace cairn::sql {
namespace {

TEST_CASE("times are written as PostgreSQL reads them, leap days and the years 1 and 9999 too") {
  CHECK(time_text(event_time_from_ms(1709251199999)) == "2024-02-29 23:59:59.999+00");
  CHECK(time_text(event_time_from_ms(-1)) == "1969-12-31 23:59:59.999+00");
  test::PgClient client(test::TestCluster::shared().dsn("postgres"));
  for (const EventTime time : {kTimeMin, kTimeMax, event_time_from_ms(0), event_time_from_ms(951782400001)}) {
    const std::string read =
        client.value("SELECT (extract(epoch FROM '" + time_text(time) + "'::timestamptz) * 1000)::bigint");
    CHECK(read == std::to_string(to_ms(time)));
  }
}

TEST_CASE("doubles and points survive the way through PostgreSQL to the last bit") {
  const std::string dsn = test::TestCluster::shared().fresh_database();
  test::PgClient client(dsn);
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const std::string read = client.value("SELECT '" + double_text(value) + "'::float8");
    CHECK(std::strtod(read.c_str(), nullptr) == value);
  }
  std::uniform_real_distribution<double> unit(-1.0, 1.0);
  for (int i = 0; i < 100; ++i) {
    const GeoPoint point{90 * unit(random), 180 * unit(random)};
    const auto row = client.query("SELECT ST_Y(g::geometry), ST_X(g::geometry), ST_SRID(g::geometry) FROM (SELECT '" +
                                  geography_text(point) + "'::geography AS g) AS t")[0];
    CHECK(std::stod(*row[0]) == point.lat);
    CHECK(std::stod(*row[1]) == point.lon);
    CHECK(*row[2] == "4326");
  }
}

TEST_CASE("millionths become decimals") {
  CHECK(micros_text(0) == "0.000000");
  CHECK(micros_text(1) == "0.000001");
  CHECK(micros_text(-1'500'000) == "-1.500000");
  CHECK(micros_text(static_cast<__int128>(9'200'000'000'000'000'000) * 1'000'000) == "9200000000000000000.000000");
}

TEST_CASE("array elements and bytes are quoted") {
  test::PgClient client(test::TestCluster::shared().dsn("postgres"));
  const std::vector<std::string> elements{"a,b", "\"\\", "NULL", "", "{x}", "\t\n"};
  const std::string quoted = array_text(elements);
  const auto rows = client.query("SELECT unnest($text$" + quoted + "$text$::text[])");
  REQUIRE(rows.size() == elements.size());
  for (std::size_t i = 0; i < elements.size(); ++i) CHECK(rows[i][0] == elements[i]);
  CHECK(array_text({}) == "{}");
  CHECK(bytea_text(std::string("a\0\xff", 3)) == "\\x6100ff");
}

TEST_CASE("a fingerprint is written as a uuid, and every bit of it arrives") {
  CHECK(uuid_text(0x0123456789abcdef, 0xfedcba9876543210) == "0123456789abcdeffedcba9876543210");
  CHECK(uuid_text(0, 1) == "00000000000000000000000000000001");
  test::PgClient client(test::TestCluster::shared().dsn("postgres"));
  CHECK(client.value("SELECT '" + uuid_text(0x0123456789abcdef, 0xfedcba9876543210) + "'::uuid") ==
        "01234567-89ab-cdef-fedc-ba9876543210");
}

}  // namespace
}  // namespace cairn::sql
