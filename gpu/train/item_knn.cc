#include "gpu/train/item_knn.h"

#include <algorithm>
#include <cmath>

#include "gpu/parallel.h"
#include "gpu/train/interactions.h"
#include "gpu/train/kept_rows.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kRows = 256;  ///< made at a time

std::vector<float> row_norms(const SparseView& rows) {
  std::vector<float> norms(rows.rows());
  for (std::size_t r = 0; r < norms.size(); ++r) {
    double square = 0.0;
    for (std::size_t entry = rows.offsets[r]; entry < rows.offsets[r + 1]; ++entry) {
      square += static_cast<double>(rows.value(entry)) * static_cast<double>(rows.value(entry));
    }
    norms[r] = static_cast<float>(std::sqrt(square));
  }
  return norms;
}

/// The weights of one item to all.
void similarities(const SparseView& users, const SparseView& items, std::span<const float> norms, std::size_t item,
                  float shrinkage, std::span<float> out) {
  // Products with all items at once, by way of the users who have this one: most pairs of items share no user.
  std::fill(out.begin(), out.end(), 0.0F);
  for (std::size_t by = items.offsets[item]; by < items.offsets[item + 1]; ++by) {
    const std::size_t user = items.columns[by];
    for (std::size_t entry = users.offsets[user]; entry < users.offsets[user + 1]; ++entry) {
      out[users.columns[entry]] += items.value(by) * users.value(entry);
    }
  }
  for (std::size_t j = 0; j < out.size(); ++j) {
    // Without common users the weight is 0, even where both norms and the shrinkage are 0.
    if (out[j] != 0.0F) out[j] /= norms[item] * norms[j] + shrinkage;
  }
}

}  // namespace

Result<SparseWeights> train_item_knn(const SparseView& interactions, const ItemKnnOptions& options,
                                     const Progress& progress) {
  CAIRN_RETURN_IF_ERROR(check_interactions(interactions));
  if (!std::isfinite(options.shrinkage) || options.shrinkage < 0.0F) {
    return invalid_argument("shrinkage has to be finite, 0 or more");
  }
  const std::size_t items = interactions.width;
  const SparseMatrix by_item = transposed(interactions);
  const std::vector<float> norms = row_norms(by_item.view());
  KeptRows kept(items, options.keep);
  std::vector<float> block(std::min(kRows, items) * items);
  for (std::size_t first = 0; first < items; first += kRows) {
    CAIRN_RETURN_IF_ERROR(report_progress(progress, static_cast<double>(first) / static_cast<double>(items)));
    const std::span<float> rows = std::span(block).first(std::min(kRows, items - first) * items);
    parallel_for(options.threads, rows.size() / items, [&](std::size_t r) {
      similarities(interactions, by_item.view(), norms, first + r, options.shrinkage, rows.subspan(r * items, items));
    });
    kept.put(first, rows, options.threads);
  }
  CAIRN_RETURN_IF_ERROR(report_progress(progress, 1.0));
  return std::move(kept).finish();
}

std::vector<float> item_popularity(const SparseView& interactions) {
  std::vector<double> sums(interactions.width);
  for (std::size_t entry = 0; entry < interactions.columns.size(); ++entry) {
    sums[interactions.columns[entry]] += static_cast<double>(interactions.value(entry));
  }
  return {sums.begin(), sums.end()};
}

}  // namespace cairn::gpu
