#include "cairn/engine.h"

#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto engine = cairn::Engine::open({.state_dir = argv[1]});
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().to_string().c_str()), 1;

  const std::vector<cairn::Place> places = {{cairn::PlaceId("cafe"), "Café", {40.7, -74.0}, "Coffee Shop"}};
  if (const auto status = (*engine)->upsert_places(places); !status.ok()) return 1;
  const std::vector<std::string_view> events = {
      R"({"user_id":"ann","place_id":"cafe","type":"visit","ts":"2024-05-01T12:00:00Z"})"};
  const auto ack = (*engine)->ingest(events);
  if (!ack.ok() || ack->accepted != 1) return 1;

  const auto answer = (*engine)->recommend(
      {.user = cairn::UserId("ann"), .position = cairn::GeoPoint{40.7, -74.0}, .min_offset = ack->reflected_at});
  if (!answer.ok()) return std::fprintf(stderr, "%s\n", answer.status().to_string().c_str()), 1;
  for (const auto& item : answer->items) std::printf("%s %.4f\n", item.place.name.c_str(), item.score);
  return answer->items.size() == 1 && answer->items[0].place.id == cairn::PlaceId("cafe") ? 0 : 1;
}
