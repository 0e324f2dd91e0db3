#include "features/renamed.h"

#include <algorithm>

#include "features/delta_row.h"

namespace cairn::features {
namespace {

const ViewBlock* block_by_category(const View& view, const Row& row) {
  return view.spec.dimension == Dimension::kCategory ? row.find(view.id) : nullptr;
}

}  // namespace

bool any_renamed(const Schema& schema, const Row& row, const CategoryNow& now) {
  return std::any_of(schema.views().begin(), schema.views().end(), [&](const View& view) {
    const ViewBlock* block = block_by_category(view, row);
    return block != nullptr && std::any_of(block->entries.begin(), block->entries.end(),
                                           [&](const Entry& entry) { return now(entry.dimension) != entry.dimension; });
  });
}

void rename_categories(const Schema& schema, const CategoryNow& now, Row* row) {
  DeltaRow moved;  // two old names of one category become one entry
  for (const View& view : schema.views()) {
    const ViewBlock* block = block_by_category(view, *row);
    if (block == nullptr) continue;
    for (const Entry& entry : block->entries) {
      if (now(entry.dimension) != entry.dimension) moved.add({&view, now(entry.dimension), entry.value});
    }
  }
  if (moved.entries().empty()) return;
  const Row delta = to_row(moved.entries());
  for (ViewBlock& block : row->blocks) {
    if (delta.find(block.view) == nullptr) continue;
    std::erase_if(block.entries, [&](const Entry& entry) { return now(entry.dimension) != entry.dimension; });
  }
  merge_row(row, delta);
}

}  // namespace cairn::features
