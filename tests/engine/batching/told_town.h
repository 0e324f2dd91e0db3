#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/batching/batcher.h"
#include "engine/cache/answer_codec.h"
#include "engine/ranking/builtin_views.h"
#include "features/row.h"
#include "tests/support/told_device.h"

namespace cairn::batching_test {

using Act = test::DeviceScript::Act;

inline const EventTime kNow = event_time_from_ms(1'700'000'000'000);
inline constexpr GeoPoint kCenter{40.7, -74.0};
inline constexpr int kPlaces = 300;

/// A town that is scanned by a device which does what it is told.
struct Town {
  std::shared_ptr<test::DeviceScript> device = std::make_shared<test::DeviceScript>();
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<ranking::Recommender> recommender;

  /// `in_front_of` makes a backend of the device.
  explicit Town(const std::function<std::unique_ptr<gpu::Backend>(std::unique_ptr<gpu::Backend>)>& in_front_of = {}) {
    std::vector<Place> places;
    for (int i = 0; i < kPlaces; ++i) {
      const std::string id = "p" + std::to_string(i);
      places.push_back({PlaceId(id), id, {40.7 + i * 0.0001, -74.0}, "kind" + std::to_string(i % 7)});
    }
    REQUIRE(state->catalog().upsert(places).ok());
    std::unique_ptr<gpu::Backend> backend = std::make_unique<test::ToldDevice>(device);
    if (in_front_of) backend = in_front_of(std::move(backend));
    recommender = *ranking::Recommender::create(*state, RankingOptions(), std::move(backend));
    for (int i = 0; i < 40; ++i) {
      const Interaction one{UserId("u" + std::to_string(i % 6)),
                            PlaceId("p" + std::to_string(i * 7 % kPlaces)),
                            *state->types().find("visit"),
                            kNow - std::chrono::hours(i),
                            {},
                            {},
                            {}};
      REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
    }
    // The first question makes the columns of the hour, which all others read.
    REQUIRE(recommender->recommend(CallContext(), request("u0"), kNow).ok());
  }
  ~Town() { device->tell(Act::kAnswer); }

  static RecommendRequest request(const std::string& user) {
    return {.user = UserId(user), .position = kCenter, .limit = 5};
  }
};

/// All bits of an answer but where the user's row came from, or what it failed with.
inline std::string bits_of(Result<Recommendations> answer) {
  if (!answer.ok()) return answer.status().to_string();
  answer->freshness.tier = Tier::kNone;
  cache::ByteWriter out;
  cache::write_answer(*answer, &out);
  return std::move(out).take();
}

/// A caller of its own.
struct Caller {
  std::stop_source hangs_up;
  std::optional<Result<Recommendations>> answer;
  std::jthread thread;

  Caller(batching::Batcher& batcher, const RecommendRequest& request,
         std::optional<std::chrono::steady_clock::time_point> deadline = {}, Priority priority = Priority::kInteractive)
      : thread([this, &batcher, request, deadline, priority] {
          CallContext call;
          call.deadline = deadline;
          call.cancelled = hangs_up.get_token();
          call.priority = priority;
          answer = batcher.answer(call, request, kNow);
        }) {}

  [[nodiscard]] StatusCode code() {
    if (thread.joinable()) thread.join();
    return answer->status().code();
  }
};

inline void await_waiting(const batching::Batcher& batcher, std::uint64_t count) {
  while (batcher.status().waiting != count) std::this_thread::yield();
}

}  // namespace cairn::batching_test
