#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/engine/ranking/watched_store.h"

namespace {

using namespace cairn;
using ranking::LinearStage;
using ranking::PlaceIndex;
using ranking::Recommender;

const EventTime kNow = event_time_from_ms(1'700'000'000'000);

struct Fixture {
  ranking::WatchedStore store{storage::open_memory_store(features::merge_encoded_rows)};
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(store, {.views = ranking::builtin_views()}, InteractionTypes());
  std::unique_ptr<Recommender> recommender;
  const RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.7, -74.0}};

  Fixture() {
    REQUIRE(state->catalog().upsert({{Place{PlaceId("a"), "", {40.7, -74.0}, "Cafe"}}}).ok());
    recommender = *Recommender::create(*state, {});
  }
  /// An hour before kNow, u visits a. The source "test" stands at `offset` afterwards.
  void visit(std::int64_t offset) const {
    const Interaction one{
        UserId("u"), PlaceId("a"), *state->types().find("visit"), kNow - std::chrono::hours(1), {}, {}, {}};
    const SourcePosition position{Partition{0}, Offset{offset}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {&position, 1}, 0}).ok());
  }
  [[nodiscard]] StatusCode code(const CallContext& call) const {
    return recommender->recommend(call, request, kNow).status().code();
  }
};

Watermark at(std::int64_t offset) { return {"test", {Partition{0}, Offset{offset}, {}}}; }

TEST_CASE("a deadline in the past and a cancelled call are answered by their codes") {
  const Fixture f;
  CallContext late;
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  CHECK(f.code(late) == StatusCode::kDeadlineExceeded);
  std::stop_source nobody_waits;
  CallContext call;
  call.cancelled = nobody_waits.get_token();
  CHECK(f.code(call) == StatusCode::kOk);
  nobody_waits.request_stop();
  CHECK(f.code(call) == StatusCode::kCancelled);
}

TEST_CASE("a call that is cancelled while the user's row is read goes no further") {
  Fixture f;
  std::stop_source nobody_waits;
  CallContext call;
  call.cancelled = nobody_waits.get_token();
  f.store.on_next_get = [&] { nobody_waits.request_stop(); };
  CHECK(f.code(call) == StatusCode::kCancelled);
  CHECK_FALSE(f.store.on_next_get);  // the row was asked for
}

TEST_CASE("scoring of 200,000 candidates stops when it is told to, and looks every few thousand") {
  const Fixture f;
  const ranking::UserProfile nobody;
  const ranking::Situation situation{&nobody, {40.7, -74.0}, 0.0, kNow};
  const ranking::PlaceSignals signals(*f.state);
  const ranking::PlaceSignals::Reader reader(signals);
  const auto index = f.recommender->index();
  const ranking::QuestionFacts facts(situation, *index, reader, ranking::default_ranker().week);
  const LinearStage stage = *LinearStage::create(ranking::default_ranker().weights, {});
  const std::vector<PlaceIndex::Near> candidates(200'000);  // all of them row 0

  int looks = 0;
  std::vector<float> scores;
  const auto third_time = [&]() -> Status {
    return ++looks < 3 ? ok_status() : Status(StatusCode::kCancelled, "enough");
  };
  CHECK(stage.score(facts, candidates, third_time, &scores).code() == StatusCode::kCancelled);
  CHECK(looks == 3);
  CHECK(scores.size() == 8192);  // two slices

  looks = 0;
  const auto count = [&] {
    ++looks;
    return ok_status();
  };
  CHECK(stage.score(facts, candidates, count, &scores).ok());
  CHECK(scores.size() == 200'000);
  CHECK(looks == 49);  // 48 whole slices of 4,096 and a rest
  CHECK(stage.score(facts, {}, count, &scores).ok());
  CHECK(scores.empty());
}

TEST_CASE("an answer says how fresh it is") {
  const Fixture f;
  f.visit(5);
  const auto answer = f.recommender->recommend(CallContext(), f.request, kNow);
  REQUIRE(answer.ok());
  CHECK(answer->freshness.watermarks == std::vector<Watermark>{at(5)});
  CHECK(answer->freshness.newest_event == kNow - std::chrono::hours(1));
  CHECK(answer->freshness.tier == Tier::kDisk);
  CHECK_FALSE(answer->degraded);
  CHECK(f.recommender->recommend(CallContext(), f.request, kNow)->freshness.tier == Tier::kMemory);
  RecommendRequest stranger = f.request;
  stranger.user = UserId("stranger");
  CHECK(f.recommender->recommend(CallContext(), stranger, kNow)->freshness.tier == Tier::kNone);
}

TEST_CASE("freshness is taken before the rows are read") {
  Fixture f;
  f.visit(5);
  f.store.on_next_get = [&] { f.visit(6); };
  const auto answer = f.recommender->recommend(CallContext(), f.request, kNow);
  REQUIRE(answer.ok());
  CHECK_FALSE(f.store.on_next_get);
  CHECK(answer->freshness.watermarks == std::vector<Watermark>{at(5)});
}

TEST_CASE("an offset that is not reached is waited for, answered without, or refused, as asked") {
  const Fixture f;
  f.visit(5);
  RecommendRequest request = f.request;
  const auto ask = [&](const CallContext& call) { return f.recommender->recommend(call, request, kNow); };

  request.min_offset = at(5);
  request.on_stale = OnStale::kFail;
  CHECK(ask(CallContext()).ok());
  request.min_offset = at(6);
  CHECK(ask(CallContext()).status().code() == StatusCode::kFailedPrecondition);

  request.on_stale = OnStale::kDegrade;
  const auto degraded = ask(CallContext());
  REQUIRE(degraded.ok());
  CHECK(degraded->degraded);
  CHECK(degraded->items.size() == 1);

  request.on_stale = OnStale::kWait;
  CHECK(ask(CallContext::within(std::chrono::milliseconds(1))).status().code() == StatusCode::kDeadlineExceeded);
  std::optional<Result<Recommendations>> waited;
  {
    const std::jthread asker([&] { waited = ask(CallContext()); });
    f.visit(6);
  }
  REQUIRE(waited->ok());
  CHECK_FALSE((*waited)->degraded);
  CHECK((*waited)->freshness.watermarks == std::vector<Watermark>{at(6)});
}

}  // namespace
