#include "engine/upkeep/place_sync.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <string>
#include <thread>

#include "cairn/options.h"
#include "features/row.h"
#include "sql/memory/memory_database.h"
#include "storage/state_store.h"

namespace {

using namespace cairn;
using upkeep::PlaceSync;

const InteractionTypes kTypes;

/// Passes places on to a database, unless the test says that it fails. `before` and `after` are called round each
/// write.
class WatchedMirror final : public sql::PlaceMirror {
 public:
  explicit WatchedMirror(sql::PlaceMirror& inner) : inner_(inner) {}

  Status write_places(std::span<const Place> places, std::span<const sql::DeletedPlace> deleted,
                      std::uint64_t version) override {
    CAIRN_RETURN_IF_ERROR(before());
    CAIRN_RETURN_IF_ERROR(inner_.write_places(places, deleted, version));
    ++writes;
    return after();
  }
  Result<std::uint64_t> places_version() override { return inner_.places_version(); }

  int writes = 0;
  std::function<Status()> before = [] { return ok_status(); };
  std::function<Status()> after = [] { return ok_status(); };

 private:
  sql::PlaceMirror& inner_;
};

/// A catalogue as an engine has it, and a database that outlives it.
struct Fixture {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  features::Dictionary places;
  features::Dictionary categories;
  state::Catalog catalog{*store, places, categories};
  sql::MemoryDatabase database{kTypes, DecodeOptions{}.dedup_ids};
  sql::Database roles = database.roles();
  WatchedMirror mirror{*roles.places};

  Fixture() {
    REQUIRE(roles.upkeep->migrate().ok());
    REQUIRE(catalog.load().ok());
  }
  void add(int first, int count, const std::string& name = "") {
    std::vector<Place> more;
    for (int i = first; i < first + count; ++i) more.push_back({PlaceId("p" + std::to_string(i)), name, {1, 2}, ""});
    REQUIRE(catalog.upsert(more).ok());
  }
  /// What the protocol promises at every moment: PostgreSQL has every place up to the version that it records.
  void check_promise() {
    std::set<std::string> there;
    for (const Place& place : database.places()) there.insert(place.id.str());
    const std::uint64_t recorded = *roles.places->places_version();
    for (const state::Catalog::Stored& one : catalog.newer_than(0)) {
      if (one.version <= recorded) CHECK_MESSAGE(there.contains(one.place.id.str()), one.place.id.str());
    }
  }
};

TEST_CASE("places reach PostgreSQL in chunks, each once, and the newest text counts") {
  Fixture f;
  f.add(0, 25, "old");
  f.add(24, 1, "new");
  PlaceSync sync(f.catalog, f.mirror, {}, 10);
  sync.push();
  CHECK(f.database.places().size() == 25);
  CHECK(f.mirror.writes == 3);  // of 10, 10 and 5, the place that was replaced among the last
  CHECK(*f.roles.places->places_version() == f.catalog.version());
  for (const Place& place : f.database.places()) CHECK(place.name == (place.id == PlaceId("p24") ? "new" : "old"));

  sync.push();
  CHECK(f.mirror.writes == 3);
  f.add(100, 1);
  sync.push();
  CHECK(f.mirror.writes == 4);
  PlaceSync(f.catalog, f.mirror, {}, 10).push();  // after a restart: both stores know that all is there
  CHECK(f.mirror.writes == 4);
  CHECK(sync.wait_for(sync.mark(), CallContext::within(std::chrono::seconds(60))).ok());
}

TEST_CASE("whichever chunk a crash comes after or before, no place is missing in the end") {
  for (const bool written : {false, true}) {
    for (int crash_at = 0; crash_at < 6; ++crash_at) {
      INFO("written=", written, " crash_at=", crash_at);
      Fixture f;
      f.add(0, 7);
      f.add(7, 35);
      f.add(20, 10, "again");
      int calls = 0;
      const auto crash = [&] {
        f.check_promise();
        return calls++ == crash_at ? unavailable("killed") : ok_status();
      };
      (written ? f.mirror.after : f.mirror.before) = crash;
      PlaceSync(f.catalog, f.mirror, {}, 10).push();
      // The process is gone; another one begins with what both stores hold.
      f.mirror.after = f.mirror.before = [] { return ok_status(); };
      PlaceSync(f.catalog, f.mirror, {}, 10).push();
      f.check_promise();
      CHECK(f.database.places().size() == 42);
      CHECK(*f.roles.places->places_version() == f.catalog.version());
    }
  }
}

TEST_CASE("a database that another state directory has written gets the whole catalogue, above its version") {
  Fixture f;
  REQUIRE(f.roles.places->upsert_places(std::vector<Place>{{PlaceId("p1"), "theirs", {3, 4}, ""}}, 77).ok());
  f.add(0, 3, "ours");
  PlaceSync(f.catalog, f.mirror, {}, 10).push();
  REQUIRE(f.database.places().size() == 3);
  for (const Place& place : f.database.places()) CHECK(place.name == "ours");
  CHECK(*f.roles.places->places_version() > 77);
  CHECK(*f.roles.places->places_version() == f.catalog.version());
}

TEST_CASE(
    "a database that another state directory has written lacks ours, though its version is lower than what we wrote") {
  Fixture f;
  f.add(0, 1, "ours");
  f.add(1, 1, "ours");
  f.add(2, 1, "ours");
  PlaceSync(f.catalog, f.mirror, {}, 10).push();
  sql::MemoryDatabase other(kTypes, DecodeOptions{}.dedup_ids);
  const sql::Database roles = other.roles();
  REQUIRE(roles.upkeep->migrate().ok());
  REQUIRE(roles.places->upsert_places(std::vector<Place>{{PlaceId("p0"), "theirs", {3, 4}, ""}}, 2).ok());
  PlaceSync(f.catalog, *roles.places, {}, 10).push();
  REQUIRE(other.places().size() == 3);
  for (const Place& place : other.places()) CHECK(place.name == "ours");
}

TEST_CASE("an empty catalogue beside a database that holds places is up to date, and its first place reaches it") {
  Fixture f;
  REQUIRE(f.roles.places->upsert_places(std::vector<Place>{{PlaceId("p1"), "theirs", {3, 4}, ""}}, 7).ok());
  PlaceSync sync(f.catalog, f.mirror, {}, 10);
  sync.push();
  CHECK(sync.wait_for(sync.mark(), CallContext::within(std::chrono::milliseconds(1))).ok());
  f.add(5, 1, "ours");
  sync.push();
  CHECK(f.database.places().size() == 2);
  CHECK(sync.wait_for(sync.mark(), CallContext::within(std::chrono::milliseconds(1))).ok());
}

TEST_CASE("who waits for places waits for ours, whatever version another directory left in PostgreSQL") {
  Fixture f;
  REQUIRE(f.roles.places->upsert_places(std::vector<Place>{{PlaceId("p1"), "theirs", {3, 4}, ""}}, 7).ok());
  f.add(1, 1, "ours");
  PlaceSync sync(f.catalog, f.mirror, {}, 10);
  const auto before_it_is_known = sync.mark();
  f.mirror.before = [] { return unavailable("away"); };
  sync.push();  // finds out whose places PostgreSQL holds, and gets no further
  const auto now = CallContext::within(std::chrono::milliseconds(0));
  CHECK(sync.wait_for(before_it_is_known, now).code() == StatusCode::kDeadlineExceeded);
  CHECK(sync.wait_for(sync.mark(), now).code() == StatusCode::kDeadlineExceeded);
  f.mirror.before = [] { return ok_status(); };
  sync.push();
  CHECK(sync.wait_for(before_it_is_known, {}).ok());
  CHECK(f.database.places().at(0).name == "ours");
}

TEST_CASE("who waits for places is woken when nothing will be pushed any more") {
  Fixture f;
  f.add(0, 1);
  PlaceSync sync(f.catalog, f.mirror, {}, 10);
  std::jthread stopper([&] { sync.stop(); });
  CHECK(sync.wait_for(sync.mark(), {}).code() == StatusCode::kUnavailable);
}

TEST_CASE("what keeps places from PostgreSQL is said once, whichever store it is") {
  Fixture f;
  f.add(0, 1);
  std::vector<std::string> said;
  const Logger log([&](LogLevel, std::string_view event, std::string_view message, auto) {
    said.push_back(std::string(event) + ": " + std::string(message));
  });
  PlaceSync sync(f.catalog, f.mirror, log, 10);
  f.mirror.before = [] { return failed_precondition("no right to write places"); };
  sync.push();
  sync.push();
  REQUIRE(said.size() == 1);
  CHECK(said[0] == "sql.places: FAILED_PRECONDITION: no right to write places");
  f.mirror.before = [] { return ok_status(); };
  sync.push();
  CHECK(f.database.places().size() == 1);
  CHECK(said.size() == 1);
}

TEST_CASE("who waits for a version is woken when it is there, and told when it is not") {
  Fixture f;
  f.add(0, 1);
  PlaceSync sync(f.catalog, f.mirror, {}, 10);
  CHECK(sync.wait_for(sync.mark(), CallContext::within(std::chrono::milliseconds(1))).code() ==
        StatusCode::kDeadlineExceeded);
  std::jthread pusher([&] { sync.push(); });
  CHECK(sync.wait_for(sync.mark(), {}).ok());
}

TEST_CASE("deletions reach PostgreSQL, also into tables that know nothing of the place, and with a whole catalogue") {
  Fixture f;
  f.add(0, 25);
  PlaceSync sync(f.catalog, f.mirror, {}, 10);
  sync.push();
  f.add(30, 1);  // came and went between two rounds
  REQUIRE(f.catalog.remove(std::vector{PlaceId("p3"), PlaceId("p30")}, PlaceHistory::kKeep, {}).ok());
  sync.push();
  CHECK(f.database.deleted_places() == std::vector{PlaceId("p3"), PlaceId("p30")});
  f.add(3, 1, "back");
  sync.push();
  CHECK(f.database.deleted_places() == std::vector{PlaceId("p30")});
  // Another database, which holds another catalogue's places: everything is written anew, at one version.
  sql::MemoryDatabase other(kTypes, DecodeOptions{}.dedup_ids);
  const sql::Database roles = other.roles();
  REQUIRE(roles.upkeep->migrate().ok());
  REQUIRE(roles.places->upsert_places(std::vector<Place>{{PlaceId("p30"), "theirs", {3, 4}, ""}}, 99).ok());
  PlaceSync(f.catalog, *roles.places, {}, 10).push();
  CHECK(other.places().size() == 26);
  CHECK(other.deleted_places() == std::vector{PlaceId("p30")});
}

}  // namespace
