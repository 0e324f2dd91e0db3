#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/mutex.h"

namespace cairn::serving {

struct TimedRequest;

/// Requests for recommendations as they were read, by the bytes that they came in. Who asks for an answer that is kept
/// has mostly asked for it before, and in the same bytes: reading those again costs as much as finding the answer.
///
/// Bounded: so many requests of kBytesMax bytes. Each may be in kSlotsOfSet places; where all are taken, the oldest
/// goes.
///
/// Threads: any.
class RequestMemo {
 public:
  static constexpr std::size_t kBytesMax = 512;

  /// Requires: `requests_max` is a multiple of 64.
  explicit RequestMemo(std::size_t requests_max) : stripes_(requests_max / kSlotsOfStripe) {}

  /// `language`: what else the request was read with. Returns: null when it was not kept, or is no longer.
  [[nodiscard]] std::shared_ptr<const TimedRequest> find(std::string_view bytes, std::string_view language) const;
  /// Does nothing with more than kBytesMax of either.
  void keep(std::string_view bytes, std::string_view language, std::shared_ptr<const TimedRequest> request);

 private:
  struct Known {
    std::string bytes;
    std::string language;
    std::shared_ptr<const TimedRequest> request;
  };
  struct Slot {
    std::size_t hash = 0;
    std::shared_ptr<const Known> known;
  };
  static constexpr std::size_t kSlotsOfSet = 4;
  static constexpr std::size_t kSetsOfStripe = 16;
  static constexpr std::size_t kSlotsOfStripe = kSlotsOfSet * kSetsOfStripe;
  /// All whose hashes have one remainder, the newest first.
  using Set = std::array<Slot, kSlotsOfSet>;
  /// Some of the sets, with a lock of their own, on cache lines of their own.
  struct alignas(64) Stripe {
    mutable Mutex mutex;
    std::array<Set, kSetsOfStripe> sets CAIRN_GUARDED_BY(mutex);
  };

  std::vector<Stripe> stripes_;
};

}  // namespace cairn::serving
