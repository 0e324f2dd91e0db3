#include "cairn/engine.h"

#include <chrono>
#include <cstdio>
#include <vector>

namespace {

int fail(const char* what, const cairn::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.to_string().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto engine = cairn::Engine::open({.state_dir = argv[1]});
  if (!engine.ok()) return fail("open", engine.status());

  const std::vector<cairn::Place> places = {{cairn::PlaceId("cafe"), "Café", {40.7, -74.0}, "Coffee Shop"}};
  if (const auto status = (*engine)->upsert_places({}, places); !status.ok()) return fail("upsert_places", status);
  const std::vector<std::string_view> events = {
      R"({"user_id":"ann","place_id":"cafe","type":"visit","ts":"2024-05-01T12:00:00Z"})"};
  const auto ack = (*engine)->ingest({}, events);
  if (!ack.ok()) return fail("ingest", ack.status());
  if (ack->accepted != 1) return std::fprintf(stderr, "ingest: %zu events accepted\n", std::size_t{ack->accepted}), 1;
  if (const auto status = (*engine)->wait_caught_up(cairn::CallContext::within(std::chrono::minutes(1)));
      !status.ok()) {
    return fail("wait_caught_up", status);
  }

  const auto answer = (*engine)->recommend(
      {}, {.user = cairn::UserId("ann"), .position = cairn::GeoPoint{40.7, -74.0}, .min_offset = ack->reflected_at});
  if (!answer.ok()) return fail("recommend", answer.status());
  for (const auto& item : answer->items) std::printf("%s %.4f\n", item.place.name.c_str(), item.score);
  if (answer->items.size() == 1 && answer->items[0].place.id == cairn::PlaceId("cafe")) return 0;
  return std::fprintf(stderr, "recommend: %zu items, not the cafe alone\n", answer->items.size()), 1;
}
