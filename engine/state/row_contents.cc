#include "engine/state/row_contents.h"

#include <cmath>
#include <cstdint>
#include <string>

#include "features/schema.h"

namespace cairn::state {

namespace {

constexpr Bits128 kKey{0x726f775f636f6e74, 0x656e74735f686173};

void add(std::string* bytes, std::uint64_t number) {
  bytes->append(reinterpret_cast<const char*>(&number), sizeof number);
}

}  // namespace

Bits128 hash_of_contents(const FeatureState& state, const features::Row& row) {
  // A sum of hashes: in what order entries stand depends on the numbers of their names.
  Bits128 sum;
  std::string bytes;
  std::string made;
  for (const features::ViewBlock& block : row.blocks) {
    const features::View* const view = state.schema().find(block.view);
    if (view == nullptr) continue;  // of a view that is no more; nobody reads it
    for (const features::Entry& entry : block.entries) {
      bytes.clear();
      add(&bytes, view->spec.name.size());
      bytes += view->spec.name;
      add(&bytes, static_cast<std::uint64_t>(entry.value.count));
      add(&bytes, static_cast<std::uint64_t>(entry.value.micros));
      add(&bytes, static_cast<std::uint64_t>(std::llround(std::ldexp(entry.value.mantissa, 20))));
      add(&bytes, static_cast<std::uint64_t>(entry.value.exponent));
      add(&bytes, static_cast<std::uint64_t>(entry.value.newest_ms));
      bytes += features::dimension_name(state.dimension_names(), *view, entry.dimension, &made);
      const Bits128 one = keyed_hash(kKey, bytes);
      sum.low += one.low;
      sum.high += one.high;
    }
  }
  return sum;
}

}  // namespace cairn::state
