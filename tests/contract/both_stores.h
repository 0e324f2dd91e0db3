#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "engine/state/feature_state.h"
#include "storage/state_store.h"
#include "tests/contract/small_feature_store.h"
#include "tests/sql/interaction_stream.h"
#include "tests/support/temporary_folder.h"

namespace cairn::sql {

/// A state directory and a database that are given the same batches in the same order, and what was given, so that it
/// can be given again. Each event is at a place of its own, by which it is found.
class BothStores {
 public:
  explicit BothStores(std::uint64_t dedup_ids) : dedup_ids_(dedup_ids), made_(SqlOptions(), dedup_ids) {
    store_ = test::open_small_feature_store(folder_ / "state");
    open_state();
  }

  /// The next batch of the source.
  void apply(const std::string& source, const std::vector<Interaction>& events) {
    const std::int64_t offset = ends_[source]++;
    given_.push_back({source, events, offset});
    apply_to_features(given_.back());
    const auto applied = made_.database.materializer->apply(source, events, std::vector{position(offset)},
                                                            std::vector{position(offset + 1)});
    REQUIRE_MESSAGE(applied.ok(), applied.status().to_string());
  }

  void restart_features() {
    state_.reset();
    open_state();
  }
  void restart_tables() { made_.database = open(made_.options, dedup_ids_); }
  void restart_with(std::uint64_t dedup_ids) {
    dedup_ids_ = dedup_ids;
    restart_features();
    restart_tables();
  }

  /// What a crash from now on leaves of the state directory: everything applied so far, and nothing of later windows.
  void store_features() {
    REQUIRE(state_->flush().ok());
    left_by_crash_ = folder_ / ("state" + std::to_string(++copies_));
    REQUIRE(store_->checkpoint(left_by_crash_).ok());
  }
  /// The process is killed and comes back: the sources give again what the features do not have, and the tables refuse
  /// the same batches, which they have.
  /// Requires: store_features() was called since the last crash.
  void crash() {
    state_.reset();
    store_.reset();
    store_ = test::open_small_feature_store(left_by_crash_);
    open_state();
    restart_tables();
    for (const Given& batch : given_) {
      const auto positions = state_->positions(batch.source);
      if (!positions.empty() && positions[0].offset.value > batch.offset) continue;
      ++given_again_;
      apply_to_features(batch);
      CHECK(made_.database.materializer
                ->apply(batch.source, batch.events, std::vector{position(batch.offset)},
                        std::vector{position(batch.offset + 1)})
                .status()
                .code() == StatusCode::kAborted);
    }
  }
  [[nodiscard]] int given_again() const { return given_again_; }

  /// The places of all events that count, in the features and in the tables.
  [[nodiscard]] std::set<std::string> feature_places() const {
    std::set<std::string> places;
    for (const Given& batch : given_) {
      for (const Interaction& event : batch.events) {
        const auto found = state_->row(EntityKind::kPlace, event.place.str());
        REQUIRE(found.ok());
        if (found->row != nullptr) places.insert(event.place.str());
      }
    }
    CHECK(state_->counters().applied == places.size());
    return places;
  }
  [[nodiscard]] std::set<std::string> table_places() const {
    std::set<std::string> places;
    for (const auto& row : client().query("SELECT place_id FROM user_interactions")) {
      CHECK(places.insert(*row[0]).second);
    }
    return places;
  }
  [[nodiscard]] test::PgClient client() const { return made_.client(); }

 private:
  struct Given {
    std::string source;
    std::vector<Interaction> events;
    std::int64_t offset;
  };

  void open_state() {
    state::FeatureState::Options options{.views = ranking::builtin_views(), .dedup_ids = dedup_ids_};
    options.sync = false;
    options.window = std::chrono::hours(1);  // so that a window is stored when the test says so
    auto opened = state::FeatureState::open(*store_, options, test_types());
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state_ = *std::move(opened);
  }
  void apply_to_features(const Given& batch) {
    REQUIRE(state_->apply({batch.source, batch.events, std::vector{position(batch.offset + 1)}}).ok());
  }

  test::TemporaryFolder folder_;
  std::uint64_t dedup_ids_;
  TestDatabase made_;
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<state::FeatureState> state_;
  std::vector<Given> given_;
  std::map<std::string, std::int64_t> ends_;  ///< by source
  std::string left_by_crash_;
  int copies_ = 0;
  int given_again_ = 0;
};

}  // namespace cairn::sql
