#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bench/ingest/data.h"
#include "bench/ingest/measure.h"
#include "cairn/engine.h"

namespace cairn::bench {

[[nodiscard]] inline CallContext patient() { return CallContext::within(std::chrono::minutes(30)); }

[[nodiscard]] inline std::unique_ptr<Engine> open_engine(const EngineOptions& options) {
  return must(Engine::open(options));
}

/// Makes a state directory that knows the places of `data`.
inline EngineOptions with_places(const std::string& state_dir, const Data& data) {
  EngineOptions options;
  options.state_dir = state_dir;
  const std::unique_ptr<Engine> engine = open_engine(options);
  add_places(*engine, data.read_places());
  must(engine->close());
  return options;
}

/// From opening an engine to everything that its sources hold being applied, synced and known to have been: what
/// wait_caught_up waits for. Then the answers are checked.
[[nodiscard]] inline Cost run_to_durable(const EngineOptions& options, const Data& data) {
  std::unique_ptr<Engine> engine;
  const Cost cost = cost_of([&] {
    engine = open_engine(options);
    must(engine->wait_caught_up(patient()));
  });
  check_answers(*engine, data);
  must(engine->close());
  return cost;
}

}  // namespace cairn::bench
