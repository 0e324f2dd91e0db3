#include "bench/serve/town.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string_view>

#include "cairn/check.h"

namespace cairn::bench {
namespace {

constexpr GeoPoint kCenter{40.73, -73.99};
constexpr std::size_t kCategories = 120;

/// The same for the same number, and far from that of the next one.
double share_of(std::uint64_t number) {
  number = (number + 1) * 0x9E3779B97F4A7C15ULL;
  number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9ULL;
  return static_cast<double>((number ^ number >> 31) >> 11) * 0x1p-53;
}

GeoPoint around(std::uint64_t number, double degrees) {
  const double angle = 2.0 * 3.14159265358979 * share_of(2 * number);
  const double away = degrees * std::sqrt(-std::log(1.0 - share_of(2 * number + 1)));
  return {kCenter.lat + away * std::sin(angle), kCenter.lon + 1.3 * away * std::cos(angle)};
}

void import(Engine& engine, std::size_t count) {
  std::vector<Place> places;
  for (std::size_t i = 0; i < count; ++i) {
    const auto category = static_cast<std::size_t>(kCategories * share_of(7'000'000 + i) * share_of(8'000'000 + i));
    places.push_back({PlaceId("place-" + std::to_string(i)), "Place number " + std::to_string(i), around(i, 0.03),
                      "category " + std::to_string(category)});
  }
  CAIRN_CHECK(engine.upsert_places({}, places).ok());
}

void happen(Engine& engine, const TownOptions& options) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> share(0.0, 1.0);
  const std::int64_t now = to_ms(SystemClock::instance().now());
  const std::size_t events = options.users * options.events_per_user;
  std::vector<std::string> batch;
  for (std::size_t i = 0; i < events; ++i) {
    const auto place = static_cast<std::size_t>(static_cast<double>(options.places) * std::pow(share(random), 3.0));
    const auto age = static_cast<std::int64_t>((events - i) * (30ULL * 86'400'000) / events);
    batch.push_back(visit_of(random() % options.users, place, now - age));
    if (batch.size() < 10'000 && i + 1 < events) continue;
    const auto ack = engine.ingest({}, std::vector<std::string_view>(batch.begin(), batch.end()));
    CAIRN_CHECK(ack.ok() && ack->rejected == 0);
    batch.clear();
  }
  CAIRN_CHECK(engine.wait_caught_up({}).ok());
}

}  // namespace

std::unique_ptr<Engine> open_town(const TownOptions& options) {
  EngineOptions engine_options;
  engine_options.state_dir = options.folder + "/state";
  engine_options.state.free_bytes_min = 0;
  engine_options.answers = options.answers;
  auto engine = Engine::open(std::move(engine_options));
  CAIRN_CHECK_MSG(engine.ok(), engine.status().to_string());
  import(**engine, options.places);
  happen(**engine, options);
  return *std::move(engine);
}

GeoPoint position_of(std::size_t user) { return around(5'000'000 + user, 0.015); }

std::string post_of(std::size_t user) {
  char body[160];
  const GeoPoint at = position_of(user);
  std::snprintf(body, sizeof body, R"({"user_id":"u%zu","lat":%.6f,"lon":%.6f,"limit":20,"radius_meters":3000})", user,
                at.lat, at.lon);
  const std::string text = body;
  return "POST /v1/recommendations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(text.size()) + "\r\n\r\n" + text;
}

std::string visit_of(std::size_t user, std::size_t place, std::int64_t ms) {
  return R"({"user_id":"u)" + std::to_string(user) + R"(","place_id":"place-)" + std::to_string(place) +
         R"(","type":"visit","ts":)" + std::to_string(ms) + "}";
}

std::vector<std::uint32_t> zipf_order(std::size_t count, std::size_t length, std::uint64_t seed) {
  std::vector<double> sums(count);
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sums[i] = sum += 1.0 / static_cast<double>(i + 1);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, sum);
  std::vector<std::uint32_t> order(length);
  for (std::uint32_t& one : order) {
    one = static_cast<std::uint32_t>(std::lower_bound(sums.begin(), sums.end(), uniform(random)) - sums.begin());
  }
  return order;
}

double at_share(std::vector<double>& values, double share) {
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

}  // namespace cairn::bench
