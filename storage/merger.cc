#include "storage/merger.h"

#include <utility>
#include <vector>

#include "cairn/check.h"

namespace cairn::storage {

Merger::Merger(MergeFunction function, Quarantine* quarantine)
    : function_(std::move(function)), quarantine_(quarantine) {
  CAIRN_CHECK_MSG(function_ != nullptr, "a state store needs a merge function");
}

void Merger::merge(std::string_view key, std::optional<std::string_view> base,
                   std::span<const std::string_view> operands, std::string* merged) const {
  // The usual case costs one call. Only after a refusal is every operand asked about.
  const std::size_t refused = function_(base, operands, merged);
  if (refused > 0) park_refused(key, base, operands, refused);
}

bool Merger::combine(std::span<const std::string_view> operands, std::string* combined) const {
  return function_(std::nullopt, operands, combined) == 0;
}

// The function says how many operands it left out, not which. Asked about one at a time it tells; where the answers do
// not add up to the number, all are parked, so that none is lost.
void Merger::park_refused(std::string_view key, std::optional<std::string_view> base,
                          std::span<const std::string_view> operands, std::size_t refused) const {
  std::vector<std::string_view> found;
  std::string scratch;
  for (const std::string_view& operand : operands) {
    scratch.clear();
    if (function_(base, {&operand, 1}, &scratch) > 0) found.push_back(operand);
  }
  if (found.size() != refused) found.assign(operands.begin(), operands.end());
  for (const std::string_view operand : found) quarantine_->park(key, operand);
}

}  // namespace cairn::storage
