#include "engine/state/erased_users.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_state.h"
#include "features/read.h"
#include "features/row.h"
#include "tests/engine/state/crashing_store.h"
#include "tests/support/environment_number.h"

namespace {

using namespace cairn;
using state::FeatureState;

constexpr std::int64_t kHour = 3'600'000;

Interaction visit(const std::string& user, const std::string& place, std::int64_t ms) {
  return {UserId(user), PlaceId(place), TypeIndex{2}, event_time_from_ms(ms), {}, {}, ""};
}

/// Everything that a store holds, in one string.
std::string all_of(const storage::StateStore& store) {
  std::string all;
  for (std::size_t family = 0; family < storage::kFamilies; ++family) {
    const auto take = [&](std::string_view key, std::string_view value) {
      all.append(key).append(value);
      return true;
    };
    REQUIRE(store.scan(static_cast<storage::Family>(family), "", take).ok());
  }
  return all;
}

struct Fixture {
  std::unique_ptr<state::CrashingStore> store = std::make_unique<state::CrashingStore>();
  FeatureState::Options options{.views = ranking::builtin_views(), .window = std::chrono::hours(1)};
  std::unique_ptr<FeatureState> state;
  std::int64_t offset = 0;

  Fixture() { reopen(); }
  void reopen() {
    state.reset();
    auto opened = FeatureState::open(*store, options, InteractionTypes());
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state = *std::move(opened);
  }
  void apply(const std::vector<Interaction>& interactions) {
    const std::vector<SourcePosition> positions{{Partition{0}, Offset{++offset}, ""}};
    REQUIRE(state->apply({"test", interactions, positions, 0}).ok());
  }
  EventTime erase(const std::string& user, std::int64_t at_ms) {
    const auto until = state->erase_user(UserId(user), event_time_from_ms(at_ms));
    REQUIRE_MESSAGE(until.ok(), until.status().to_string());
    return *until;
  }
  /// An entity's features as they are served, by view and dimension.
  std::map<std::string, FeatureEntry> features(EntityKind kind, const std::string& id) const {
    std::map<std::string, FeatureEntry> all;
    const auto row = state->row(kind, id);
    REQUIRE(row.ok());
    for (const features::View& view : state->schema().views()) {
      if (view.spec.entity != kind) continue;
      const features::ViewReader reader(view, event_time_from_ms(2'000 * kHour), features::LaterEvents::kCount,
                                        state->dimension_names(), std::make_shared<features::FeatureArena>());
      const auto vector = reader.read(row->row.get());
      for (const FeatureEntry& entry : vector.entries) {
        all[view.spec.name + "/" + std::string(entry.dimension) + "/" + std::to_string(to_ms(entry.newest))] = entry;
      }
    }
    return all;
  }
};

void check_same(const std::map<std::string, FeatureEntry>& found, const std::map<std::string, FeatureEntry>& expected) {
  CHECK(found.size() == expected.size());
  for (const auto& [key, entry] : expected) {
    INFO(key);
    const auto same = found.find(key);
    REQUIRE(same != found.end());
    CHECK(same->second.count == entry.count);
    CHECK(same->second.value == doctest::Approx(entry.value).epsilon(1e-9));
  }
}

TEST_CASE("the keyed hash is SipHash-2-4 of 128 bits") {
  // By OpenSSL 3.0: openssl mac -macopt hexkey:000102...0f -macopt size:16 SIPHASH, of the bytes 00, 01, 02, ...
  const state::Bits128 key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  const std::map<std::size_t, state::Bits128> expected{{0, {0xe6a825ba047f81a3, 0x930255c71472f66d}},
                                                       {1, {0x44af996bd8c187da, 0x45fc229b11597634}},
                                                       {15, {0x11a8b03399e99354, 0xd9c3cf970fec087e}},
                                                       {16, {0xbb54b067caa4e26e, 0x77052385bf1533fd}},
                                                       {63, {0x4a83502f77d15051, 0x7cbd3f979a063e50}}};
  for (const auto& [size, hash] : expected) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>(i));
    CHECK(state::keyed_hash(key, text) == hash);
  }
}

TEST_CASE("an erased user is gone at once and after a restart, and the store holds no byte of the id") {
  const std::string ann = "ann-of-the-erased";
  for (const bool stored : {false, true}) {
    for (const bool read_before : {false, true}) {
      INFO("stored=", stored, " read_before=", read_before);
      Fixture f;
      f.apply({visit(ann, "p", kHour), visit("bob", "p", kHour)});
      if (stored) REQUIRE(f.state->flush().ok());
      if (read_before) CHECK(f.features(EntityKind::kUser, ann).size() > 0);
      CHECK(f.erase(ann, 3 * kHour) == event_time_from_ms(3 * kHour));
      for (int round = 0; round < 2; ++round) {
        CHECK(f.state->row(EntityKind::kUser, ann)->row == nullptr);
        CHECK(f.features(EntityKind::kUser, "bob").size() > 0);
        CHECK(f.features(EntityKind::kPlace, "p").at("place_visits//3600000").value == 2.0);  // without the person
        CHECK(all_of(*f.store).find(ann) == std::string::npos);
        CHECK(f.state->erased_users().size() == 1);
        f.reopen();
      }
    }
  }
}

TEST_CASE("what comes again of an erased user is refused and counted; what he does later is taken") {
  Fixture f;
  f.apply({visit("ann", "p", kHour)});
  f.erase("ann", 3 * kHour);
  for (int round = 0; round < 2; ++round) {
    f.apply({visit("ann", "p", kHour), visit("bob", "p", kHour), visit("ann", "p", 3 * kHour)});
    CHECK(f.state->row(EntityKind::kUser, "ann")->row == nullptr);
    CHECK(f.state->erased_users().refused() == 2);
    f.reopen();
  }
  CHECK(f.state->counters().applied == 3);
  CHECK(f.features(EntityKind::kPlace, "p").at("place_visits//3600000").value == 3.0);
  f.apply({visit("ann", "q", 3 * kHour + 1)});
  CHECK(f.features(EntityKind::kUser, "ann").contains("user_history/q/10800001"));
  // An erasure that is told to go on, after a crash, leaves what came since.
  f.erase("ann", 3 * kHour);
  CHECK(f.features(EntityKind::kUser, "ann").contains("user_history/q/10800001"));
  f.erase("ann", 4 * kHour);
  CHECK(f.state->row(EntityKind::kUser, "ann")->row == nullptr);
}

TEST_CASE("events from ahead of the clock are refused too when they come again") {
  Fixture f;
  f.apply({visit("ann", "p", 30 * kHour)});
  CHECK(f.erase("ann", 3 * kHour) == event_time_from_ms(30 * kHour));
  f.apply({visit("ann", "p", 30 * kHour)});
  CHECK(f.state->row(EntityKind::kUser, "ann")->row == nullptr);
}

TEST_CASE("mark and removal are one write: a crash keeps both or neither") {
  Fixture f;
  f.apply({visit("ann", "p", kHour)});
  REQUIRE(f.state->flush().ok());
  f.store->lose_writes(true);
  f.erase("ann", 3 * kHour);
  f.state.reset();
  f.store->lose_writes(false);
  f.reopen();
  CHECK(f.features(EntityKind::kUser, "ann").size() > 0);
  CHECK_FALSE(f.state->erased_users().any());
  f.erase("ann", 3 * kHour);
  f.reopen();
  CHECK(f.state->row(EntityKind::kUser, "ann")->row == nullptr);
  CHECK(f.state->erased_users().until(UserId("ann")) == event_time_from_ms(3 * kHour));
}

TEST_CASE("an erasure that cannot be stored yet is seen, and finished when it can") {
  Fixture f;
  f.apply({visit("ann", "p", kHour)});
  REQUIRE(f.state->flush().ok());
  REQUIRE(f.state->erased_users().ensure_key(*f.store).ok());
  f.store->refuse_writes(resource_exhausted("full"));
  CHECK(f.state->erase_user(UserId("ann"), event_time_from_ms(3 * kHour)).status().code() ==
        StatusCode::kResourceExhausted);
  CHECK(f.state->row(EntityKind::kUser, "ann")->row == nullptr);
  f.store->refuse_writes(ok_status());
  // The writer of windows tries again by itself, and until then says why it could not.
  while (!f.state->erase_user(UserId("ann"), event_time_from_ms(3 * kHour)).ok()) std::this_thread::yield();
  f.reopen();
  CHECK(f.state->row(EntityKind::kUser, "ann")->row == nullptr);
}

TEST_CASE("whatever comes before, between and after erasures: users are as if only what came after had ever been") {
  const std::uint32_t first = test::environment_number("CAIRN_TEST_SEED", 1);
  for (std::uint32_t seed = first; seed < first + 12; ++seed) {
    INFO("seed ", seed, " (set CAIRN_TEST_SEED to change it)");
    std::mt19937 random(seed);
    const auto pick = [&](std::uint32_t n) { return random() % n; };
    Fixture f;
    std::map<std::string, std::vector<Interaction>> of_user;  // what came after the last erasure, and was taken
    std::map<std::string, std::int64_t> until;
    std::vector<Interaction> taken;
    std::int64_t now = kHour;
    for (int step = 0; step < 120; ++step) {
      now += pick(2) * kHour;
      const std::string user = "u" + std::to_string(pick(4));
      const std::uint32_t what = pick(12);
      if (what == 0) {
        until[user] = to_ms(f.erase(user, now));
        CHECK(until[user] >= now);
        of_user[user].clear();
      } else if (what == 1) {
        REQUIRE(f.state->flush().ok());
      } else if (what == 2) {
        f.reopen();
      } else {
        std::vector<Interaction> batch;
        for (std::uint32_t i = pick(6); i < 6; ++i) {
          // Late, on time, or ahead of the clock.
          const std::int64_t ms = std::max<std::int64_t>(0, now + (static_cast<std::int64_t>(pick(12)) - 9) * kHour);
          batch.push_back(visit("u" + std::to_string(pick(4)), "p" + std::to_string(pick(5)), ms));
          const Interaction& one = batch.back();
          if (until.contains(one.user.str()) && ms <= until[one.user.str()]) continue;
          of_user[one.user.str()].push_back(one);
          taken.push_back(one);
        }
        f.apply(batch);
      }
    }
    Fixture fresh_users;
    Fixture fresh_places;
    for (const auto& [user, events] : of_user) fresh_users.apply(events);
    fresh_places.apply(taken);
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 4; ++i) {
        const std::string user = "u" + std::to_string(i);
        INFO(user);
        check_same(f.features(EntityKind::kUser, user), fresh_users.features(EntityKind::kUser, user));
      }
      for (int i = 0; i < 5; ++i) {
        const std::string place = "p" + std::to_string(i);
        INFO(place);
        check_same(f.features(EntityKind::kPlace, place), fresh_places.features(EntityKind::kPlace, place));
      }
      CHECK(f.state->counters().applied == taken.size());
      f.reopen();
    }
  }
}

}  // namespace
