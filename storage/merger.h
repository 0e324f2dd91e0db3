#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/quarantine.h"
#include "storage/state_store.h"

namespace cairn::storage {

/// Runs the caller's MergeFunction and parks the operands it leaves out. Both stores merge through it.
///
/// Threads: all methods from any thread. `quarantine` is borrowed for the object's life.
class Merger {
 public:
  Merger(MergeFunction function, Quarantine* quarantine);

  /// Joins `operands`, oldest first, to `base` and writes the new value to `*merged`. Cannot fail: operands that were
  /// left out are counted and parked.
  void merge(std::string_view key, std::optional<std::string_view> base, std::span<const std::string_view> operands,
             std::string* merged) const;

  /// Joins operands to one operand with the same effect.
  /// Returns: false when one of them makes no sense; `*combined` is then unspecified. The operands must stay apart
  /// until merge() sees them with their base: it leaves the bad one out and counts it, once.
  [[nodiscard]] bool combine(std::span<const std::string_view> operands, std::string* combined) const;

 private:
  void park_refused(std::string_view key, std::optional<std::string_view> base,
                    std::span<const std::string_view> operands, std::size_t refused) const;

  MergeFunction function_;
  Quarantine* quarantine_;
};

}  // namespace cairn::storage
