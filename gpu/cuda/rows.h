#pragma once

#include <cmath>
#include <cstdint>

#include "gpu/cuda/kernels.h"
#include "gpu/cuda/simt.h"

// Reading rows in kernels: their values as scores see them, and whether filters let them pass.

namespace cairn::gpu::cuda {

inline constexpr std::uint32_t kColumnsAtOnce = 8;

/// The value of one column of a row that is kept in tiles.
CAIRN_DEVICE float tile_value(const MatrixArgs& matrix, std::uint32_t row, std::uint32_t column) {
  const std::uint32_t tile = row / kTileRows;
  const std::uint32_t in_tile = row % kTileRows;
  const StepByte at = step_byte(matrix.layout, matrix.code_kind, column);
  const std::size_t chunk = static_cast<std::size_t>(tile) * matrix.layout.steps + at.step;
  const unsigned char* codes = matrix.codes + chunk * chunk_bytes(matrix.code_kind);
  if (matrix.code_kind == CodeKind::kFp16) {
    const unsigned char* place = codes + byte_offset(in_tile, at.byte);
    return half_to_float(static_cast<std::uint16_t>(place[0] | place[1] << 8));
  }
  const std::uint32_t group = column / matrix.layout.group_columns;
  const std::size_t scale = (static_cast<std::size_t>(tile) * matrix.layout.groups + group) * kTileRows + in_tile;
  int code = 0;
  if (matrix.code_kind == CodeKind::kInt8) {
    code = static_cast<std::int8_t>(codes[byte_offset(in_tile, at.byte)]);
  } else {
    const NibblePlace place = nibble_place(in_tile, at.byte);
    code = static_cast<std::int8_t>(((codes[place.offset] >> place.shift) & 0xF) << 4) / 16;
  }
  return matrix.scales[scale] * static_cast<float>(code);
}

/// Up to 8 values of a row from `column`; past the last column 0.
CAIRN_DEVICE void load_values(const MatrixArgs& matrix, std::uint32_t row, std::uint32_t column,
                              float (&values)[kColumnsAtOnce]) {
  const std::uint32_t dim = matrix.layout.dim;
  const std::size_t first = static_cast<std::size_t>(row) * dim + column;
  const bool whole = column + kColumnsAtOnce <= dim;
  if (matrix.values == ValueKind::kFloatRows) {
    const float* from = static_cast<const float*>(matrix.row_values) + first;
    if (whole && dim % 4 == 0) {
      memcpy(values, __builtin_assume_aligned(from, 16), sizeof(values));
    } else {
      for (std::uint32_t i = 0; i < kColumnsAtOnce; ++i) values[i] = column + i < dim ? from[i] : 0.0F;
    }
  } else if (matrix.values == ValueKind::kHalfRows) {
    const std::uint16_t* from = static_cast<const std::uint16_t*>(matrix.row_values) + first;
    std::uint16_t halves[kColumnsAtOnce] = {};
    if (whole && dim % 8 == 0) {
      memcpy(halves, __builtin_assume_aligned(from, 16), sizeof(halves));
    } else {
      for (std::uint32_t i = 0; i < kColumnsAtOnce && column + i < dim; ++i) halves[i] = from[i];
    }
    for (std::uint32_t i = 0; i < kColumnsAtOnce; ++i) values[i] = half_to_float(halves[i]);
  } else {
    for (std::uint32_t i = 0; i < kColumnsAtOnce; ++i) {
      values[i] = column + i < dim ? tile_value(matrix, row, column + i) : 0.0F;
    }
  }
}

/// The sum of ItemMatrix's definition, without bias. `query` has `dim` values.
CAIRN_DEVICE float exact_sum(const MatrixArgs& matrix, const float* query, std::uint32_t row) {
  const std::uint32_t dim = matrix.layout.dim;
  float sum = 0.0F;
  for (std::uint32_t column = 0; column < dim; column += kColumnsAtOnce) {
    float values[kColumnsAtOnce];
    load_values(matrix, row, column, values);
    for (std::uint32_t i = 0; i < kColumnsAtOnce; ++i) {
      if (column + i < dim) sum = fmaf(query[column + i], values[i], sum);
    }
  }
  return sum;
}

CAIRN_DEVICE bool contains(const std::uint32_t* ascending, std::uint32_t count, std::uint32_t row) {
  std::uint32_t begin = 0;
  std::uint32_t end = count;
  while (begin < end) {
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (ascending[middle] == row) return true;
    if (ascending[middle] < row) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return false;
}

/// Ranges are ascending and disjoint, so the first one that ends after the row decides.
CAIRN_DEVICE bool in_ranges(const RowRange* ranges, std::uint32_t count, std::uint32_t row) {
  std::uint32_t begin = 0;
  std::uint32_t end = count;
  while (begin < end) {  // the first range that ends after the row
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (ranges[middle].end <= row) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin < count && ranges[begin].begin <= row;
}

CAIRN_DEVICE bool passes_but_excluded(const FilterArgs& filter, std::uint32_t row) {
  if (filter.allowed != nullptr && ((filter.allowed[row / 64] >> (row % 64)) & 1U) == 0) return false;
  return filter.ranges == nullptr || in_ranges(filter.ranges, filter.range_count, row);
}

CAIRN_DEVICE bool passes(const FilterArgs& filter, std::uint32_t row) {
  return passes_but_excluded(filter, row) && !contains(filter.excluded, filter.excluded_count, row);
}

/// Few excluded rows are not looked for among the samples for the k best, which would cost more than all else. The
/// threshold is then the (k + excluded)-th best sample: k of those that reach it are not excluded.
CAIRN_DEVICE bool excluded_may_be_samples(const FilterArgs& filter, std::uint32_t k) {
  return filter.excluded_count <= k;
}
CAIRN_DEVICE bool passes_as_sample(const FilterArgs& filter, std::uint32_t k, std::uint32_t row) {
  return passes_but_excluded(filter, row) &&
         (excluded_may_be_samples(filter, k) || !contains(filter.excluded, filter.excluded_count, row));
}

/// The tile that work item `index` stands for. Null: one run, from tile 0.
CAIRN_DEVICE std::uint32_t tile_in_runs(const TileRun* runs, std::uint32_t count, std::uint32_t index) {
  if (runs == nullptr) return index;
  std::uint32_t begin = 0;
  std::uint32_t end = count;
  while (end - begin > 1) {  // the last run that begins at or before the index
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (runs[middle].work_begin <= index) {
      begin = middle;
    } else {
      end = middle;
    }
  }
  return runs[begin].tile_begin + (index - runs[begin].work_begin);
}

CAIRN_DEVICE std::uint32_t tile_of(const PassArgs& pass, std::uint32_t index) {
  return tile_in_runs(pass.runs, pass.run_count, index);
}

CAIRN_DEVICE void append_candidate(const PassArgs& pass, std::uint32_t slot, std::uint32_t row, float lower,
                                   float upper) {
  const std::uint32_t position = atomic_add(pass.counts + slot, 1);
  if (position >= pass.capacity) return;
  const std::size_t place = static_cast<std::size_t>(slot) * pass.capacity + position;
  pass.candidate_rows[place] = row;
  pass.candidate_lower[place] = lower;
  pass.candidate_upper[place] = upper;
}

/// The largest of a warp's values; none is NaN.
CAIRN_DEVICE float warp_max(float value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value = fmaxf(value, shuffle_xor(value, lanes));
  return value;
}
template <class T>
CAIRN_DEVICE T warp_sum(T value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += shuffle_xor(value, lanes);
  return value;
}

}  // namespace cairn::gpu::cuda
