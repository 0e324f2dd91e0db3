#include "tests/sql/interaction_stream.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <random>
#include <set>
#include <utility>

namespace cairn::sql {
namespace {

const std::string kOddIds[] = {"plain",
                               "tab\there",
                               "line\nbreak",
                               "back\\slash",
                               "\\N",
                               "quote'\"",
                               "семь",
                               "🙂 emoji",
                               "\\.",
                               "{a,b}",
                               "null",
                               "%s%n",
                               " blank ends ",
                               "carriage\rreturn",
                               "$1; DROP TABLE places",
                               "\x01\x02\x7f",
                               "a-b_c.d:e/f",
                               "日本語",
                               std::string(128, 'x'),
                               "--"};

constexpr std::int64_t kDayMs = 24 * 3600 * 1000LL;

// Midnights (UTC) of: 2023-12-31, 2024-01-01, 2024-02-28, 2024-02-29, 2024-03-01, 2024-03-31, 1999-12-31, 1969-12-31.
constexpr std::int64_t kDays[] = {1703980800000, 1704067200000, 1709078400000, 1709164800000,
                                  1709251200000, 1711843200000, 946598400000,  -86400000};

template <class Random>
std::int64_t pick(Random& random, std::int64_t below) {
  return std::uniform_int_distribution<std::int64_t>(0, below - 1)(random);
}

template <class Random>
std::int64_t pick_time(Random& random) {
  const std::int64_t day = kDays[pick(random, std::size(kDays))];
  switch (pick(random, 4)) {
    case 0:
      return day;  // the first millisecond
    case 1:
      return day + kDayMs - 1;  // the last
    default:
      return day + pick(random, kDayMs);
  }
}

std::string describe(const std::string& user, const std::string& place, const std::string& type, std::int64_t ms,
                     const std::string& value, const std::string& lat, const std::string& lon,
                     const std::string& event_id) {
  return user + "|" + place + "|" + type + "|" + std::to_string(ms) + "|" + value + "|" + lat + "|" + lon + "|" +
         event_id;
}

std::string double_17(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string describe(const Interaction& i) {
  return describe(i.user.str(), i.place.str(), test_types().name(i.type), to_ms(i.time),
                  i.value ? double_17(*i.value) : "NULL", i.position ? double_17(i.position->lat) : "NULL",
                  i.position ? double_17(i.position->lon) : "NULL", i.event_id.empty() ? "NULL" : i.event_id);
}

std::string number_or_null(const std::optional<std::string>& text) {
  return text ? double_17(std::stod(*text)) : "NULL";
}

/// Copying PostGIS into a new database takes longer than most tests.
const std::string& shared_database() {
  static const std::string dsn = [] {
    const std::string fresh = test::TestCluster::shared().fresh_database();
    test::PgClient client(fresh);
    client.query("ALTER DATABASE " + client.value("SELECT current_database()") + " SET timezone = 'Pacific/Chatham'");
    return fresh;
  }();
  return dsn;
}

}  // namespace

Interaction InteractionStream::at(std::int64_t n) const {
  std::mt19937_64 random(seed_ * 1'000'003 + static_cast<std::uint64_t>(n));
  Interaction event;
  event.user = UserId(std::string("u") + std::to_string(pick(random, 50)));
  if (pick(random, 3) == 0) event.user = UserId(kOddIds[pick(random, std::size(kOddIds))]);
  event.place = PlaceId(kOddIds[pick(random, std::size(kOddIds))]);
  event.type = TypeIndex{static_cast<std::uint8_t>(pick(random, static_cast<std::int64_t>(test_types().size())))};
  event.time = event_time_from_ms(pick_time(random));
  // Millionths, so that the sum in integers is the truth.
  if (pick(random, 2) == 0) event.value = static_cast<double>(pick(random, 20'000'001) - 10'000'000) / 1e6;
  if (pick(random, 2) == 0) {
    std::uniform_real_distribution<double> unit(-1.0, 1.0);
    event.position = GeoPoint{90.0 * unit(random), 180.0 * unit(random)};
  }
  if (n % 5 == 4) {
    // The twenty events of this kind in a hundred share four ids, at times that are hours or months apart.
    event.event_id = "id " + std::to_string(n / 100) + kOddIds[static_cast<std::size_t>(pick(random, 4))];
  } else if (n % 3 == 0) {
    event.event_id = "only " + std::to_string(n);
  }
  return event;
}

std::vector<Interaction> InteractionStream::range(std::int64_t begin, std::int64_t end) const {
  std::vector<Interaction> events;
  for (std::int64_t n = begin; n < end; ++n) events.push_back(at(n));
  return events;
}

Expected expect(const std::vector<Interaction>& interactions) {
  Expected expected;
  std::set<std::string> written;
  for (const Interaction& i : interactions) {
    if (!i.event_id.empty() && !written.insert(i.event_id).second) {
      ++expected.repeated;
      continue;
    }
    expected.rows.insert(describe(i));
    std::int64_t hour = to_ms(i.time) / 3'600'000;
    if (to_ms(i.time) % 3'600'000 < 0) --hour;
    Expected::Stat& stat = expected.stats[{i.place.str(), hour * 3600, test_types().name(i.type)}];
    ++stat.events;
    if (i.value) {
      ++stat.value_count;
      stat.value_micros += std::lround(*i.value * 1e6);
    }
  }
  return expected;
}

Expected read_tables(test::PgClient& client) {
  Expected found;
  for (const auto& row :
       client.query("SELECT user_id, place_id, type, (extract(epoch FROM occurred_at) * "
                    "1000)::bigint, value, ST_Y(location::geometry), ST_X(location::geometry), event_id FROM "
                    "user_interactions")) {
    found.rows.insert(describe(*row[0], *row[1], *row[2], std::stoll(*row[3]), number_or_null(row[4]),
                               number_or_null(row[5]), number_or_null(row[6]), row[7].value_or("NULL")));
  }
  for (const auto& row : client.query("SELECT place_id, extract(epoch FROM hour)::bigint, type, events, value_count, "
                                      "(value_sum * 1000000)::bigint FROM place_stats_hourly")) {
    found.stats[{*row[0], std::stoll(*row[1]), *row[2]}] = {std::stoll(*row[3]), std::stoll(*row[4]),
                                                            std::stoll(*row[5])};
  }
  return found;
}

Expected read_tables(const MemoryDatabase& database) {
  Expected found;
  for (const MemoryDatabase::InteractionRow& row : database.interactions())
    found.rows.insert(describe(row.interaction));
  for (const MemoryDatabase::HourlyRow& row : database.hourly()) {
    found.stats[{row.place, row.hour.time_since_epoch().count(), row.type}] = {
        row.events, row.value_count, static_cast<std::int64_t>(row.value_sum_micros)};
  }
  return found;
}

const InteractionTypes& test_types() {
  static const InteractionTypes types = InteractionTypes::with_declared({"odd 'type'\t"}).value();
  return types;
}

Database open(const SqlOptions& options, std::uint64_t dedup_ids) {
  return open_database(options, test_types(), dedup_ids, Logger()).value();
}

SqlOptions options_for(const std::string& dsn) {
  SqlOptions options;
  options.dsn = dsn;
  return options;
}

TestDatabase::TestDatabase() : TestDatabase(SqlOptions()) {}

TestDatabase::TestDatabase(SqlOptions given, std::uint64_t dedup_ids, NotMigrated) : options(std::move(given)) {
  static int schemas = 0;
  options.dsn = shared_database();
  options.schema = "t" + std::to_string(++schemas);
  database = open(options, dedup_ids);
}

TestDatabase TestDatabase::without_schema() { return {SqlOptions(), kDedupIds, NotMigrated{}}; }

TestDatabase::TestDatabase(SqlOptions given, std::uint64_t dedup_ids)
    : TestDatabase(std::move(given), dedup_ids, NotMigrated{}) {
  const Status migrated = database.upkeep->migrate();
  REQUIRE_MESSAGE(migrated.ok(), migrated.to_string());
}

test::PgClient TestDatabase::client() const {
  test::PgClient client(options.dsn);
  client.query("SET search_path = " + options.schema + ", public");
  return client;
}

Interaction interaction(const std::string& place, std::int64_t ms, TypeIndex type) {
  Interaction event;
  event.user = UserId("u");
  event.place = PlaceId(place);
  event.type = type;
  event.time = event_time_from_ms(ms);
  return event;
}

SourcePosition position(std::int64_t offset, std::int32_t partition) {
  return {Partition{partition}, Offset{offset},
          offset == 0 ? "" : std::string("file \\ \"") + std::to_string(offset) + std::string("\0\xff", 2)};
}

Result<Materializer::Applied> apply_range(Materializer& materializer, const InteractionStream& stream,
                                          std::int64_t begin, std::int64_t end) {
  return materializer.apply("s", stream.range(begin, end), std::vector{position(begin)}, std::vector{position(end)});
}

}  // namespace cairn::sql
