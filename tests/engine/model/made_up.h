#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/learning/interactions.h"
#include "engine/model/model.h"

namespace cairn::model_test {

/// A matrix of normal numbers from a seed.
inline std::vector<float> normal_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * columns);
  for (float& value : values) value = normal(random);
  return values;
}

/// Weights between `items` items, about a third of them there.
inline gpu::SparseWeights some_weights(std::size_t items, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint32_t> columns;
  std::vector<float> values;
  for (std::size_t i = 0; i < items; ++i) {
    for (std::uint32_t j = 0; j < items; ++j) {
      if (random() % 3 != 0) continue;
      columns.push_back(j);
      values.push_back(static_cast<float>(random() % 64) / 16.0F - 1.5F);
    }
    offsets.push_back(columns.size());
  }
  auto made = gpu::SparseWeights::take(items, std::move(offsets), std::move(columns), std::move(values));
  return *std::move(made);
}

/// A model of every kind of component, each with everything it may have.
inline model::Model model_of_all_kinds(std::size_t items, std::size_t dim, std::uint64_t seed) {
  using namespace model;
  Model made{.kind = "made \"up\"",
             .created_by = "a test\n",
             .parameters = {{"a key", "a\\value"}, {"b", ""}},
             .users = 3,
             .interactions = 5};
  for (std::size_t i = 0; i < items; ++i) made.items.push_back("item " + std::to_string(i * 7));
  made.items[0] = "";
  made.items[1] = std::string("nul\0ü\xff", 7);
  made.popularity = normal_matrix(items, 1, seed);
  made.components.push_back({.name = "popular",
                             .kind = ComponentKind::kPopularity,
                             .weight = 0.25F,
                             .normalization = Normalization::kMaximum});
  made.components.push_back({.name = "weights",
                             .kind = ComponentKind::kItemWeights,
                             .weight = 1e-7F,
                             .normalization = Normalization::kDeviation,
                             .degree_exponent = 0.5F,
                             .history_weight = normal_matrix(items, 1, seed + 1),
                             .item_scale = normal_matrix(items, 1, seed + 2),
                             .weights = some_weights(items, seed + 3)});
  made.components.push_back({.name = "Vectors_2",
                             .kind = ComponentKind::kEmbedding,
                             .weight = -3.0F,
                             .degree_exponent = 1.0F,
                             .history_weight = normal_matrix(items, 1, seed + 4),
                             .dim = dim,
                             .item_vectors = normal_matrix(items, dim, seed + 5),
                             .history_vectors = normal_matrix(items, dim, seed + 6)});
  made.components.push_back({.name = "items",
                             .kind = ComponentKind::kFoldIn,
                             .item_scale = normal_matrix(items, 1, seed + 7),
                             .dim = dim,
                             .item_vectors = normal_matrix(items, dim, seed + 8),
                             .fold_in = {.target = gpu::FoldInOptions::Target::kHuKorenVolinsky,
                                         .unobserved_weight = 0.3F,
                                         .regularization = 0.7F,
                                         .frequency_exponent = 0.5F}});
  return made;
}

}  // namespace cairn::model_test
