#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "features/retraction.h"
#include "storage/state_store.h"

namespace cairn::state {

/// What has become of retractions since the state directory was made. Stored in the same batch as what they changed.
struct Corrections {
  std::uint64_t retracted = 0;                ///< events that had been applied, and were taken out
  std::uint64_t withheld = 0;                 ///< events that came after their retraction
  std::uint64_t unmatched = 0;                ///< retractions that came when no event of their id was remembered
  std::uint64_t values_lost = 0;              ///< see features::TakenOut::lost
  std::optional<std::uint64_t> retracted_in;  ///< see features::EventIdMemory::retracted_in

  [[nodiscard]] std::string encode() const;
  /// Returns: DATA_LOSS.
  [[nodiscard]] static Result<Corrections> decode(std::string_view bytes);

  friend bool operator==(const Corrections&, const Corrections&) = default;
};

/// Values of rows that may still say what a retracted event said, by the rows' keys.
using InexactRows = std::map<std::string, std::vector<features::InexactEntry>, std::less<>>;

/// Puts the rows' notes into a batch; a row without inexact values has none.
void put_inexact(const InexactRows& changed, storage::WriteBatch* batch);
/// Returns: DATA_LOSS, and what the store says.
[[nodiscard]] Status recover_inexact(const storage::StateStore& store, InexactRows* rows);

}  // namespace cairn::state
