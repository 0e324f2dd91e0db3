#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "cairn/clock.h"
#include "cairn/interaction.h"
#include "cairn/options.h"
#include "engine/ingest/sinks.h"
#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_state.h"
#include "features/row.h"
#include "sql/database.h"
#include "storage/state_store.h"
#include "streaming/dead_letters.h"
#include "tests/contract/small_feature_store.h"
#include "tests/support/memory_sink.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"

// The sinks that the contract is checked on. A twin tells how many events its sink has counted, and opens the sink anew
// on what it stored.
namespace cairn::ingest {

struct MemoryTwin {
  [[nodiscard]] Sink& sink() { return memory; }
  [[nodiscard]] std::int64_t events() const {
    std::int64_t sum = 0;
    for (const auto& [place, count] : memory.counts()) sum += count;
    return sum;
  }
  void reopen() {}

  test::MemorySink memory;
};

/// Features over a store that `Store::open` opens in the twin's folder.
template <class Store>
struct FeatureTwin {
  FeatureTwin() {
    auto opened = streaming::open_dead_letter_file(folder / "dead-letters.ndjson");
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    dead_letters = *std::move(opened);
    reopen();
  }
  [[nodiscard]] Sink& sink() { return *feature_sink; }
  [[nodiscard]] std::int64_t events() const { return static_cast<std::int64_t>(state->counters().applied); }
  void reopen() {
    feature_sink.reset();
    state.reset();
    store.reopen(folder / "state");
    auto opened = state::FeatureState::open(*store.store, options, InteractionTypes());
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state = *std::move(opened);
    feature_sink = std::make_unique<FeatureSink>(*state, *dead_letters, SystemClock::instance());
  }

  test::TemporaryFolder folder;
  state::FeatureState::Options options{.views = ranking::builtin_views()};
  Store store;
  std::unique_ptr<streaming::DeadLetters> dead_letters;
  std::unique_ptr<state::FeatureState> state;
  std::unique_ptr<FeatureSink> feature_sink;
};

/// Keeps what it holds: only the state above it is opened anew.
struct MemoryStore {
  void reopen(const std::string&) {
    if (!store) store = storage::open_memory_store(features::merge_encoded_rows);
  }
  std::unique_ptr<storage::StateStore> store;
};

struct RocksDbStore {
  void reopen(const std::string& path) {
    store.reset();  // one opening at a time
    store = test::open_small_feature_store(path);
  }
  std::unique_ptr<storage::StateStore> store;
};

using MemoryFeatureTwin = FeatureTwin<MemoryStore>;
using RocksDbFeatureTwin = FeatureTwin<RocksDbStore>;

struct SqlTwin {
  SqlTwin() {
    options.dsn = test::TestCluster::shared().fresh_database();
    reopen();
  }
  [[nodiscard]] Sink& sink() { return *sql_sink; }
  [[nodiscard]] std::int64_t events() const {
    return std::stoll(test::PgClient(options.dsn).value("SELECT count(*) FROM cairn.user_interactions"));
  }
  void reopen() {
    sql_sink.reset();
    auto opened = sql::open_database(options, types, DecodeOptions{}.dedup_ids, {});
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    database = *std::move(opened);
    sql_sink = std::make_unique<SqlSink>(*database.materializer, *database.upkeep,
                                         streaming::LogIdentity{"0123456789abcdef", {}}, Offset{INT64_MAX}, Logger());
  }

  InteractionTypes types;
  SqlOptions options;
  sql::Database database;
  std::unique_ptr<SqlSink> sql_sink;
};

}  // namespace cairn::ingest
