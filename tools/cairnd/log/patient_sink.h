#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string_view>

namespace cairn::cairnd {

/// Writes lines to a descriptor, which may be a pipe that nobody reads. It waits for the reader as long as it must, and
/// once end_within() was called no longer than that: what cannot be written by then is dropped. Otherwise a reader that
/// stands still would keep the process from ending.
///
/// Threads: one writes; end_within() any.
class PatientSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit PatientSink(int descriptor) : descriptor_(descriptor) {}

  void end_within(std::chrono::milliseconds time);

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  [[nodiscard]] bool wait_for_room() const;
  void write(std::string_view line) const;

  const int descriptor_;
  std::atomic<std::int64_t> end_ms_{std::numeric_limits<std::int64_t>::max()};  ///< of the steady clock
};

}  // namespace cairn::cairnd
