#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace cairn::bench {

/// The contract's fields, as simdjson's On-Demand front end reads them: views into the parser, nothing copied, no id,
/// time or doubled key checked.
struct OnDemandFields {
  std::string_view user, place, type, ts, event_id;
  std::int64_t number = 0;  ///< of a field that is an integer where it may be text
  double value = 0, lat = 0, lon = 0;
};

/// A source of its own, because On-Demand is compiled for one instruction set and never chosen at run time: this one is
/// compiled for the machine that builds it, which is simdjson at its best.
class OnDemandPeer {
 public:
  OnDemandPeer();
  ~OnDemandPeer();

  /// Requires: 64 readable bytes after `payload`. Stops the program when it is no event.
  void read(std::string_view payload, OnDemandFields* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::bench
