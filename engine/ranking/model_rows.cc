#include "engine/ranking/model_rows.h"

#include "engine/model/item_ids.h"

namespace cairn::ranking {

ModelRows::ModelRows(const PlaceIndex& index, std::span<const std::string> items)
    : model_rows_(index.size(), gpu::kNoRow), place_rows_(items.size(), gpu::kNoRow) {
  // The index of items views their ids and is gone after this: the rows that are kept need no ids.
  const model::IdIndex item_rows(items);
  for (std::uint32_t place = 0; place < index.size(); ++place) {
    const std::uint32_t item = item_rows.find(index.place(place).id.str());
    if (item == gpu::kNoRow) continue;
    model_rows_[place] = item;
    place_rows_[item] = place;
    ++shared_;
  }
}

}  // namespace cairn::ranking
