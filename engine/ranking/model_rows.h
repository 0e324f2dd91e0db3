#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/ranking/retrieve/place_index.h"
#include "gpu/top_k.h"

namespace cairn::ranking {

/// Leads from the rows of a place index to the rows of a model and back, for one index and one model. Models keep ids
/// and their own row order; everything else that ranking knows of places stands in the order of the index.
///
/// Immutable, and it keeps no reference to what it was made of. A changed index or a replaced model needs a new one.
/// Threads: any.
class ModelRows {
 public:
  /// `items` are the model's ids by row, all different.
  ModelRows(const PlaceIndex& index, std::span<const std::string> items);

  /// Returns: the model's row of the place in row `place`, or gpu::kNoRow where the model does not know the place.
  /// Requires: place < the index's size.
  [[nodiscard]] std::uint32_t model_row(std::uint32_t place) const noexcept { return model_rows_[place]; }
  /// Returns: the place's row of the model's row `item`, or gpu::kNoRow where the catalogue does not know the item.
  /// Requires: item < the model's number of items.
  [[nodiscard]] std::uint32_t place_row(std::uint32_t item) const noexcept { return place_rows_[item]; }

  /// The same as columns, one entry a row.
  [[nodiscard]] std::span<const std::uint32_t> model_rows() const noexcept { return model_rows_; }
  [[nodiscard]] std::span<const std::uint32_t> place_rows() const noexcept { return place_rows_; }

  /// Places that the model does not know, such as those imported since it was trained.
  [[nodiscard]] std::size_t places_without_item() const noexcept { return model_rows_.size() - shared_; }
  /// Items of the model that are no places of the catalogue.
  [[nodiscard]] std::size_t items_without_place() const noexcept { return place_rows_.size() - shared_; }

 private:
  std::vector<std::uint32_t> model_rows_;  ///< by row of the index
  std::vector<std::uint32_t> place_rows_;  ///< by row of the model
  std::size_t shared_ = 0;                 ///< places that are items
};

}  // namespace cairn::ranking
