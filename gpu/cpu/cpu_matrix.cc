#include "gpu/cpu/cpu_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "gpu/finite.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

/// What a matrix will hold, within a few parts in a thousand, before it is made.
std::size_t bytes_needed(const MatrixView& items, const MatrixOptions& options) {
  const std::size_t values = items.rows * items.dim;
  const Precision scan = scan_of(options);
  const std::size_t rows = (items.rows + kTileRows - 1) / kTileRows * kTileRows;
  const std::size_t groups = (items.dim + options.int4_group - 1) / options.int4_group;
  std::size_t bytes = 0;
  if (options.storage == Precision::kFp32) bytes += values * sizeof(float);
  if (options.storage == Precision::kFp16) bytes += values * sizeof(std::uint16_t);
  if (scan == Precision::kInt8) bytes += rows * (items.dim + (is_code(options.storage) ? sizeof(float) : 0));
  if (scan == Precision::kInt4) bytes += rows * (items.dim / 2 + groups * sizeof(float));
  return bytes;
}

}  // namespace

Result<std::unique_ptr<ItemMatrix>> CpuMatrix::make(MatrixView items, const MatrixOptions& options,
                                                    CpuResources resources) {
  CAIRN_RETURN_IF_ERROR(check_items(items, options));
  const std::size_t needed = bytes_needed(items, options);
  CAIRN_RETURN_IF_ERROR(resources.memory->reserve(needed));
  std::unique_ptr<CpuMatrix> matrix;
  try {
    // The memory is reserved before it is taken, so that two matrices made at once cannot exceed the cap together.
    matrix.reset(new CpuMatrix(items, options, resources));
  } catch (const std::bad_alloc&) {
    resources.memory->release(needed);
    return resource_exhausted("no memory for a matrix of " + std::to_string(needed) + " bytes");
  }
  matrix->reserved_bytes_ = needed;
  // The exact size is known now; what it differs by is settled.
  const std::size_t exact = matrix->resident_bytes();
  if (exact > needed) {
    CAIRN_RETURN_IF_ERROR(resources.memory->reserve(exact - needed));
  } else {
    resources.memory->release(needed - exact);
  }
  matrix->reserved_bytes_ = exact;
  return std::unique_ptr<ItemMatrix>(std::move(matrix));
}

CpuMatrix::CpuMatrix(MatrixView items, const MatrixOptions& options, CpuResources resources)
    : rows_(items.rows),
      dim_(items.dim),
      storage_(options.storage),
      scan_(scan_of(options)),
      scans_codes_(is_code(scan_)),
      resources_(std::move(resources)) {
  if (storage_ == Precision::kFp32) {
    values_ = Buffer(items.values.size_bytes());
    if (rows_ > 0) std::memcpy(values_.as<float>(), items.values.data(), items.values.size_bytes());
  }
  if (storage_ == Precision::kFp16) store_halves(items);
  if (!scans_codes_) return;
  if (is_code(storage_)) {
    // The codes are the values: they are made from what came in, which check_items has found finite.
    make_codes(options, [items](std::size_t r, std::span<float> values) {
      std::copy_n(items.row(r).begin(), values.size(), values.begin());
      return true;
    });
  } else {
    // Codes are made of the values as kept, which scores are defined over: halves after rounding. A row with a value
    // that is not finite has no codes and is always scored.
    make_codes(options, [this](std::size_t r, std::span<float> values) {
      const float* stored = row(r, values.data());
      if (stored != values.data()) std::copy_n(stored, values.size(), values.begin());
      return all_finite(values);
    });
  }
}

void CpuMatrix::store_halves(MatrixView items) {
  constexpr std::size_t kRowsAtOnce = 4096;
  values_ = Buffer(items.values.size() * sizeof(std::uint16_t));
  parallel_for(resources_.threads, (rows_ + kRowsAtOnce - 1) / kRowsAtOnce, [&](std::size_t chunk) {
    const std::size_t first = chunk * kRowsAtOnce;
    const std::size_t count = std::min(kRowsAtOnce, rows_ - first) * dim_;
    resources_.kernels->floats_to_halves(items.values.data() + first * dim_, count,
                                         values_.as<std::uint16_t>() + first * dim_);
  });
}

void CpuMatrix::make_codes(const MatrixOptions& options, const CodeTiles::RowReader& read) {
  const std::vector<float> importance = importance_of(options.calibration);
  codes_.emplace(rows_, dim_,
                 CodeTilesOptions{.code_max = scan_ == Precision::kInt4 ? kInt4CodeMax : kInt8CodeMax,
                                  .int4_group = options.int4_group,
                                  .importance = importance,
                                  .codes_are_values = is_code(storage_),
                                  .tile_scales = scan_ == Precision::kInt8 && !is_code(storage_),
                                  .threads = resources_.threads},
                 read);
}

const float* CpuMatrix::row(std::size_t r, float* scratch) const {
  if (storage_ == Precision::kFp32) return values_.as<float>() + r * dim_;
  if (storage_ == Precision::kFp16) {
    resources_.kernels->halves_to_floats(values_.as<std::uint16_t>() + r * dim_, dim_, scratch);
  } else {
    codes_->decode(r, std::span(scratch, dim_));
  }
  return scratch;
}

Status CpuMatrix::decode(std::size_t first, std::span<float> out) const {
  if (out.size() % dim_ != 0 || first + out.size() / dim_ > rows_) {
    return invalid_argument("rows from " + std::to_string(first) + " on, " + std::to_string(out.size()) +
                            " values: the matrix has " + std::to_string(rows_) + " rows of " + std::to_string(dim_));
  }
  for (std::size_t i = 0; i < out.size() / dim_; ++i) {
    float* to = out.data() + i * dim_;
    const float* stored = row(first + i, to);
    if (stored != to) std::copy_n(stored, dim_, to);
  }
  return ok_status();
}

}  // namespace cairn::gpu
