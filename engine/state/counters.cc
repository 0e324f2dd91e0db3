#include "engine/state/counters.h"

#include "engine/state/bytes.h"

namespace cairn::state {

std::string Counters::encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.integer(applied);
  out.integer(rejected);
  out.integer(repeated);
  out.integer(static_cast<std::uint64_t>(newest_event_ms));
  return bytes;
}

Result<Counters> Counters::decode(std::string_view bytes) {
  ByteReader in(bytes);
  Counters counters;
  counters.applied = in.integer<std::uint64_t>();
  counters.rejected = in.integer<std::uint64_t>();
  counters.repeated = in.integer<std::uint64_t>();
  counters.newest_event_ms = static_cast<std::int64_t>(in.integer<std::uint64_t>());
  if (!in.complete()) return data_loss("the stored counters cannot be read; restore a checkpoint");
  return counters;
}

}  // namespace cairn::state
