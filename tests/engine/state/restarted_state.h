#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "engine/state/feature_state.h"
#include "tests/engine/state/crashing_store.h"

namespace cairn::state::test {

/// A state over a store whose content can be taken at any moment, as a crash would leave it.
struct RestartedState {
  std::unique_ptr<CrashingStore> store = std::make_unique<CrashingStore>();
  FeatureState::Options options;
  std::unique_ptr<FeatureState> state;

  explicit RestartedState(std::vector<FeatureViewSpec> views)
      : options{.views = std::move(views), .window = std::chrono::hours(1)} {
    open();
  }
  void open() {
    auto opened = FeatureState::open(*store, options, InteractionTypes());
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    state = *std::move(opened);
  }
  void close_and_open() {
    state.reset();
    open();
  }
  /// What is pending is lost.
  void crash_and_open() {
    store->lose_writes(true);
    state.reset();
    store->lose_writes(false);
    open();
  }
};

}  // namespace cairn::state::test
