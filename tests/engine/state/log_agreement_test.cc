#include "engine/state/log_agreement.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>

#include "features/row.h"
#include "tests/support/forwarding_store.h"

namespace {

using namespace cairn;
using state::check_log;
using state::LogFound;

/// Counts the writes that a loss of power leaves, and the times that they were put into files.
struct WatchedStore final : test::ForwardingStore {
  WatchedStore() : ForwardingStore(storage::open_memory_store(features::merge_encoded_rows)) {}
  Status write(storage::WriteBatch batch, storage::Durability durability) override {
    synced += durability == storage::Durability::kSynced ? 1 : 0;
    return ForwardingStore::write(std::move(batch), durability);
  }
  Status flush() override {
    ++flushes;
    return ForwardingStore::flush();
  }
  int synced = 0;
  int flushes = 0;
};

TEST_CASE("the log that was remembered is the one that is known, on the disk, and written once") {
  WatchedStore store;
  CHECK(*state::known_log(store) == "");
  REQUIRE(state::remember_log(store, "aaaaaaaaaaaaaaaa").ok());
  CHECK(*state::known_log(store) == "aaaaaaaaaaaaaaaa");
  REQUIRE(state::remember_log(store, "aaaaaaaaaaaaaaaa").ok());
  CHECK(store.synced == 1);
  CHECK(store.flushes == 1);
  REQUIRE(state::remember_log(store, "bbbbbbbbbbbbbbbb").ok());
  CHECK(*state::known_log(store) == "bbbbbbbbbbbbbbbb");
  CHECK(store.synced == 2);
  CHECK(store.flushes == 2);
}

TEST_CASE("a log belongs to a state that stands between its ends, in the log itself or in what a copy shares with it") {
  const LogFound log{"dir", "own", {{"parent", Offset{60}}, {"grandparent", Offset{80}}}, Offset{20}, Offset{100}};
  const auto agrees = [&](const std::string& known, std::optional<std::int64_t> applied) {
    const Status checked = check_log(log, known, applied ? std::optional(Offset{*applied}) : std::nullopt);
    CHECK((checked.ok() || checked.code() == StatusCode::kDataLoss));
    return checked.ok();
  };
  for (const char* known : {"", "own"}) {
    INFO("known: '", known, "'");
    CHECK_FALSE(agrees(known, std::nullopt));  // of nothing, and the log begins at 20
    CHECK_FALSE(agrees(known, 19));
    CHECK(agrees(known, 20));
    CHECK(agrees(known, 100));
    CHECK_FALSE(agrees(known, 101));
  }
  CHECK(agrees("parent", 60));
  CHECK_FALSE(agrees("parent", 61));
  CHECK(agrees("grandparent", 80));
  CHECK_FALSE(agrees("grandparent", 81));
  CHECK_FALSE(agrees("stranger", 50));
  CHECK(check_log({"dir", "own", {}, Offset{0}, Offset{0}}, "", std::nullopt).ok());
}

}  // namespace
