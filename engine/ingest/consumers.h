#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/call_context.h"
#include "cairn/engine_status.h"
#include "engine/ingest/consumer.h"

namespace cairn::ingest {

/// Carries every source into one sink: a consumer for each, with a thread of its own.
///
/// Threads: all methods from any.
class Consumers {
 public:
  /// Starts them. All references must outlive the consumers.
  Consumers(const Consumer::Options& options, std::span<const Consumer::ConfiguredSource> sources, Sink& sink,
            const InteractionTypes& types, const Clock& clock);

  /// Asks each for a mark behind everything that its source holds now.
  [[nodiscard]] std::vector<std::uint64_t> marks() const;
  /// Waits until every one has passed its mark. Returns: DEADLINE_EXCEEDED with what is waited for, CANCELLED.
  [[nodiscard]] Status wait_passed(std::span<const std::uint64_t> marks, const CallContext& context) const;

  /// Appends where each stands in each of its partitions.
  void append_status(std::vector<ConsumerStatus>* all) const;
  /// Appends how each is.
  void append_health(std::vector<ConsumerHealth>* all) const;
  /// Those whose name ("features:kafka") or source is `name`. They live as long as this.
  [[nodiscard]] std::vector<Consumer*> named(std::string_view name) const;
  /// Those that write into the sink ("sql").
  [[nodiscard]] std::vector<Consumer*> of_sink(std::string_view sink) const;
  /// How far the source of one partition has been carried; 0 while that is not known.
  [[nodiscard]] Offset reached(std::string_view source) const;
  /// What those that are waiting or blocked say: "api: …; file: …". Empty while all is well.
  [[nodiscard]] std::string trouble() const;

  /// Stops each after the batch under way. Idempotent.
  void stop();

 private:
  std::vector<std::unique_ptr<Consumer>> consumers_;
};

}  // namespace cairn::ingest
