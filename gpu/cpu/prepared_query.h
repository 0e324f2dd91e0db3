#pragma once

#include <cstdint>
#include <vector>

#include "gpu/cpu/scan_kernels.h"
#include "gpu/cpu/scan_table.h"
#include "gpu/cpu/tile_bounds.h"
#include "gpu/scan.h"
#include "gpu/scan_terms.h"

namespace cairn::gpu {

/// A query as the kernels read it. What stands in `call` of rows and outputs is set for each block.
struct PreparedQuery {
  const ScanQuery* query = nullptr;
  ScoreCall call = {};
  void (*first)(const ScoreCall&) = nullptr;
  void (*second)(const ScoreCall&) = nullptr;  ///< null: nothing to add
  const float* prior = nullptr;
  const float* logs = nullptr;
  ScanTerms terms = {};
  std::vector<float> pairs = {};         ///< see ScoreCall
  std::vector<std::int32_t> codes = {};  ///< int8: fours of codes
  std::int32_t excess = 0;
  double vector_norm = 0.0;  ///< of the vector as products are computed: its codes, or itself
  bool bans = false;         ///< some tag does not pass
  TileBounds bounds = {};    ///< made by who scans
};

/// Of a query that has been checked, which has to stay as long as what is returned.
[[nodiscard]] PreparedQuery prepare_query(const CpuScanTable& table, const ScanQuery& query);

}  // namespace cairn::gpu
