#include "features/waiting.h"

#include <algorithm>
#include <utility>

#include "features/delta_row.h"
#include "features/event_changes.h"

namespace cairn::features {
namespace {

std::optional<std::uint64_t> dimension_by(const View& view, const PlaceFacts& facts) {
  if (view.spec.dimension == Dimension::kCategory) return facts.category;
  return cell_prefix(facts.cell, view.spec.cell_precision);
}

}  // namespace

bool any_waiting(const Schema& schema, const Row& row) noexcept {
  return std::any_of(schema.waiting().begin(), schema.waiting().end(),
                     [&](const WaitingView& waiting) { return row.find(waiting.by_place.id) != nullptr; });
}

Row arrived(const Schema& schema, const Row& row, const FactsOf& facts_of) {
  DeltaRow sum;  // places of one category become one entry
  for (const WaitingView& waiting : schema.waiting()) {
    const ViewBlock* block = row.find(waiting.by_place.id);
    if (block == nullptr) continue;
    const View& view = schema.views()[waiting.of];
    for (const Entry& entry : block->entries) {
      const auto facts = facts_of(entry.dimension);
      const auto dimension = facts ? dimension_by(view, *facts) : std::nullopt;
      if (dimension) sum.add({&view, *dimension, entry.value});
    }
  }
  return sum.entries().empty() ? Row{} : to_row(sum.entries());
}

void settle_row(const Schema& schema, const Row& arrived, const FactsOf& facts_of, Row* row) {
  for (const WaitingView& waiting : schema.waiting()) {
    for (ViewBlock& block : row->blocks) {
      if (block.view != waiting.by_place.id) continue;
      std::erase_if(block.entries, [&](const Entry& entry) { return facts_of(entry.dimension).has_value(); });
    }
  }
  std::erase_if(row->blocks, [&](const ViewBlock& block) {
    return block.entries.empty() &&
           std::any_of(schema.waiting().begin(), schema.waiting().end(),
                       [&](const WaitingView& waiting) { return waiting.by_place.id == block.view; });
  });
  merge_row(row, arrived);
}

}  // namespace cairn::features
