#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"

namespace cairn::gpu {

struct KMeansOptions {
  std::size_t clusters = 16;
  std::size_t iterations_max = 50;  ///< of assigning rows and moving centers, after the first centers are drawn
  std::uint64_t seed = 1;
  std::size_t threads = 0;  ///< 0: all processors
};

struct KMeans {
  std::size_t dim = 0;
  std::vector<float> centers = {};         ///< clusters × dim; fewer clusters than asked for where fewer rows differ
  std::vector<std::uint32_t> of_row = {};  ///< rows: the nearest center, of equally near ones the lower
  std::size_t iterations = 0;              ///< that were made: fewer than allowed where nothing moved any more
};

/// Groups rows around centers so that the sum of squared distances is small: Lloyd's iteration (IEEE Trans. Inform.
/// Theory 28, 1982) from centers drawn by k-means++ (Arthur and Vassilvitskii, SODA 2007). A center that no row is
/// nearest to stays where it is.
///
/// The same for any number of threads. Cost: rows · clusters · dim an iteration, in slices between which `progress` can
/// end it.
/// Returns: INVALID_ARGUMENT for shapes and options that make no sense, and values that are not finite, or whose
/// squares are not; CANCELLED.
[[nodiscard]] Result<KMeans> k_means(MatrixView rows, const KMeansOptions& options, const Progress& progress = {});

}  // namespace cairn::gpu
