#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "streaming/source.h"
#include "tests/streaming/files.h"
#include "tests/support/begin_source.h"

namespace cairn::streaming {

using std::chrono::milliseconds;

inline constexpr std::size_t kEventBytesMax = 64 * 1024;
inline constexpr milliseconds kNoWait{0};
/// Old files are not waited for.
inline constexpr RotationTimes kNoQuiet{.old_file_quiet = milliseconds(0)};

struct Got {
  std::int64_t offset = 0;
  std::string payload;
  Reject reject = Reject::kNone;

  friend bool operator==(const Got&, const Got&) = default;
};

inline std::ostream& operator<<(std::ostream& out, const Got& got) {
  return out << got.offset << ":" << got.payload.substr(0, 40) << ":" << to_string(got.reject);
}

/// A source with what it delivered so far.
class Reader {
 public:
  explicit Reader(FileSourceOptions options, std::size_t event_bytes_max = kEventBytesMax)
      : source(make_file_source(std::move(options), Partition{3}, event_bytes_max, Logger(), kNoQuiet)) {}
  Reader(std::string path, RotationTimes times, const Clock& clock)
      : source(make_file_source({.name = "file", .path = std::move(path)}, Partition{3}, kEventBytesMax, Logger(),
                                times, clock)) {}
  explicit Reader(std::string path, bool follow = true, std::size_t event_bytes_max = kEventBytesMax)
      : Reader(FileSourceOptions{.name = "file", .path = std::move(path), .follow = follow}, event_bytes_max) {}

  Reader& start() {
    const Status status = test::begin(*source);
    INFO(status.to_string());
    REQUIRE(status.ok());
    return *this;
  }
  Reader& start(const SourcePosition& from) {
    const Status status = test::begin(*source, std::span(&from, 1));
    INFO(status.to_string());
    REQUIRE(status.ok());
    return *this;
  }

  /// Takes one poll's records.
  void poll(std::size_t records_max = 20'000) {
    const Status status = source->poll(records_max, kNoWait, &batch);
    INFO(status.to_string());
    REQUIRE(status.ok());
    for (const Record& r : batch.records) {
      CHECK(r.partition == Partition{3});
      got.push_back({r.offset.value, std::string(r.payload), r.reject});
    }
    REQUIRE(batch.positions.size() <= 1);
    if (!batch.positions.empty()) position = batch.positions[0];
  }
  /// Polls until nothing more is there.
  Reader& drain(std::size_t records_max = 20'000) {
    do poll(records_max);
    while (!batch.at_end);
    return *this;
  }
  [[nodiscard]] std::vector<std::string> payloads() const {
    std::vector<std::string> out;
    for (const Got& g : got) out.push_back(g.payload);
    return out;
  }

  std::unique_ptr<Source> source;
  RecordBatch batch;
  std::vector<Got> got;
  SourcePosition position{Partition{3}, Offset{0}, {}};
};

using Strings = std::vector<std::string>;

}  // namespace cairn::streaming
