#include "tests/system/streams/ledger.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/support/postgres.h"

namespace cairn::test {

namespace {

constexpr std::size_t kKeysAtOnce = 1000;
constexpr std::size_t kHistoryBound = 512;  // of the view user_history
constexpr std::size_t kTileBound = 720;     // of the view place_hourly

/// Every vector of a view, by key, over all keys of a map.
template <class Map>
std::map<std::string, FeatureVector> read_all(const Engine& engine, EntityKind entity, const std::string& view,
                                              const Map& keys, EventTime as_of) {
  std::map<std::string, FeatureVector> all;
  FeatureRequest request{entity, {}, {view}, as_of};
  const auto ask = [&] {
    auto answer = engine.get_features({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    for (auto& one : answer->entities) all.emplace(one.key, std::move(one.vectors.at(0)));
    request.keys.clear();
  };
  for (const auto& [key, ignored] : keys) {
    request.keys.push_back(key);
    if (request.keys.size() == kKeysAtOnce) ask();
  }
  ask();
  return all;
}

double sum_of(const FeatureVector& vector) {
  double sum = 0.0;
  for (const FeatureEntry& entry : vector.entries) sum += entry.value;
  return sum;
}

void check_places(const Engine& engine, const Totals& totals, EventTime end) {
  int wrong = 0;
  for (const auto& [place, vector] : read_all(engine, EntityKind::kPlace, "place_visits", totals.by_place, end)) {
    wrong += sum_of(vector) != static_cast<double>(totals.by_place.at(place));
  }
  CHECK(wrong == 0);
  std::size_t entries = 0;
  for (const auto& [place, vector] : read_all(engine, EntityKind::kPlace, "place_hour_of_week", totals.by_place, end)) {
    for (const FeatureEntry& entry : vector.entries) {
      const auto expected = totals.by_place_and_hour_of_week.find({place, std::stoi(std::string(entry.dimension))});
      wrong +=
          expected == totals.by_place_and_hour_of_week.end() || entry.value != static_cast<double>(expected->second);
      ++entries;
    }
  }
  CHECK(wrong == 0);
  CHECK(entries == totals.by_place_and_hour_of_week.size());
}

/// Tiles that are still served at `end`: no older than the view's 30 days.
void check_tiles(const Engine& engine, const Totals& totals, EventTime end) {
  std::map<std::string, std::int64_t> expected;
  std::map<std::string, std::size_t> tiles;
  const std::int64_t end_seconds = to_ms(end) / 1000;
  for (const auto& [place_hour, count] : totals.by_place_and_hour) {
    // Hours wholly inside the window; the hour on its edge is served by its newest event.
    if (place_hour.second * 3600 >= end_seconds - 30 * 86'400) {
      expected[place_hour.first] += count;
      ++tiles[place_hour.first];
    }
  }
  int wrong = 0;
  const std::int64_t edge = (end_seconds - 30 * 86'400) / 3600;
  for (const auto& [place, vector] : read_all(engine, EntityKind::kPlace, "place_hourly", expected, end)) {
    if (tiles[place] >= kTileBound) continue;
    double sum = sum_of(vector);
    const auto on_edge = totals.by_place_and_hour.find({place, edge});
    const bool edge_served = on_edge != totals.by_place_and_hour.end() && edge * 3600 < end_seconds - 30 * 86'400;
    if (edge_served && sum != static_cast<double>(expected[place])) sum -= static_cast<double>(on_edge->second);
    wrong += sum != static_cast<double>(expected[place]);
  }
  CHECK(wrong == 0);
}

void check_histories(const Engine& engine, const Trace& trace, const Totals& totals, EventTime end) {
  std::map<std::string, std::map<std::pair<std::int64_t, std::string>, std::int64_t>> expected;
  for (const CheckIn& one : trace.check_ins) ++expected[one.user][{one.seconds, one.place}];
  int wrong = 0;
  for (const auto& [user, vector] : read_all(engine, EntityKind::kUser, "user_history", totals.by_user, end)) {
    if (expected.at(user).size() > kHistoryBound) {
      wrong += vector.entries.size() != kHistoryBound;
      continue;
    }
    std::map<std::pair<std::int64_t, std::string>, std::int64_t> held;
    for (const FeatureEntry& entry : vector.entries)
      held[{to_ms(entry.newest) / 1000, std::string(entry.dimension)}] += entry.count;
    wrong += held != expected.at(user);
  }
  CHECK(wrong == 0);
}

}  // namespace

void check_features(const Engine& engine, const Trace& trace, const Totals& totals) {
  const EngineStatus status = engine.status({});
  CHECK(status.events_applied - status.events_retracted == static_cast<std::uint64_t>(totals.events));
  CHECK(status.events_rejected == 0);
  const EventTime end = event_time_from_ms(trace.check_ins.back().seconds * 1000);
  CHECK(status.newest_event == end);
  check_places(engine, totals, end);
  check_tiles(engine, totals, end);
  check_histories(engine, trace, totals, end);
}

void check_tables(const std::string& dsn, const Totals& totals) {
  PgClient client(dsn);
  client.query("SET search_path TO cairn, public");
  CHECK(client.value("SELECT count(*) FROM user_interactions") == std::to_string(totals.events));
  std::map<std::string, std::int64_t> by_place;
  for (const auto& row : client.query("SELECT place_id, count(*) FROM user_interactions GROUP BY 1")) {
    by_place[row.at(0).value()] = std::stoll(row.at(1).value());
  }
  CHECK((by_place == totals.by_place));
  std::map<std::string, std::int64_t> by_user;
  for (const auto& row : client.query("SELECT user_id, count(*) FROM user_interactions GROUP BY 1")) {
    by_user[row.at(0).value()] = std::stoll(row.at(1).value());
  }
  CHECK((by_user == totals.by_user));
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> by_hour;
  for (const auto& row : client.query("SELECT place_id, (extract(epoch FROM hour) / 3600)::bigint, events FROM "
                                      "place_stats_hourly WHERE type = 'visit'")) {
    by_hour[{row.at(0).value(), std::stoll(row.at(1).value())}] = std::stoll(row.at(2).value());
  }
  CHECK((by_hour == totals.by_place_and_hour));
}

}  // namespace cairn::test
