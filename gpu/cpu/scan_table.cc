#include "gpu/cpu/scan_table.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "gpu/finite.h"
#include "gpu/norm.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

std::size_t padded(std::size_t rows) { return (rows + kScanTileRows - 1) / kScanTileRows * kScanTileRows; }

/// Exactly what resident_bytes() says of the table of these rows.
std::size_t bytes_needed(const ScanRows& rows, bool bounded) {
  const std::size_t tiles = padded(rows.x.size()) / kScanTileRows;
  std::size_t bytes = tiles * kScanTileRows * (3 * sizeof(std::int32_t) + sizeof(std::uint32_t));
  if (bounded) bytes += TileShapes::bytes_needed(tiles);
  if (rows.dim == 0) return bytes;
  if (!rows.int8) return bytes + tiles * kScanTileRows * rows.dim * sizeof(float);
  bytes += tiles * kScanTileRows * ((rows.dim + 3) / 4 * 4 + sizeof(float));
  // What CodeTiles keeps beside them: which rows have codes, and bounds for spans of tiles.
  const std::size_t spans = (tiles + kSpanTiles - 1) / kSpanTiles;
  return bytes + tiles * sizeof(std::uint64_t) + spans * sizeof(CodeTiles::GroupBound);
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Result<ReservedBytes> ReservedBytes::take(std::shared_ptr<MemoryCap> memory, std::size_t bytes) {
  CAIRN_RETURN_IF_ERROR(memory->reserve(bytes));
  return ReservedBytes(std::move(memory), bytes);
}

CpuScanColumn::CpuScanColumn(std::span<const float> values, std::size_t rows_padded, std::size_t tiles,
                             std::uint64_t table, ReservedBytes reserved)
    : reserved_(std::move(reserved)),
      table_(table),
      values_(rows_padded * sizeof(float)),
      tiles_(tiles * sizeof(float)) {
  std::copy(values.begin(), values.end(), values_.as<float>());
  std::fill_n(tiles_.as<float>(), tiles, -std::numeric_limits<float>::infinity());
  for (std::size_t row = 0; row < values.size(); ++row) widen(row, values[row]);
}

void CpuScanColumn::widen(std::size_t row, float value) noexcept {
  all_finite_ = all_finite_ && std::isfinite(value);
  least_ = std::min(least_, value);
  largest_ = std::max(largest_, value);
  if (std::isfinite(value)) largest_magnitude_ = std::max(largest_magnitude_, std::abs(value));
  if (tiles_.bytes() == 0) return;
  float& of_tile = tiles_.as<float>()[row / kScanTileRows];
  of_tile = std::max(of_tile, value);  // leaves NaN out
}

void CpuScanColumn::set(std::span<const std::uint32_t> rows, std::span<const float> values) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    values_.as<float>()[rows[i]] = values[i];
    widen(rows[i], values[i]);
  }
}

Result<std::unique_ptr<ScanTable>> CpuScanTable::make(const ScanRows& rows, ScanResources resources) {
  CAIRN_RETURN_IF_ERROR(check_scan_rows(rows));
  const std::size_t needed = bytes_needed(rows, rows.x.size() >= resources.bounds_from_rows);
  CAIRN_ASSIGN_OR_RETURN(ReservedBytes reserved, ReservedBytes::take(resources.memory, needed));
  try {
    return std::unique_ptr<ScanTable>(new CpuScanTable(rows, std::move(resources), std::move(reserved)));
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory for a table of " + std::to_string(needed) + " bytes");
  }
}

CpuScanTable::CpuScanTable(const ScanRows& rows, ScanResources resources, ReservedBytes reserved)
    : shape_{rows.x.size(), rows.dim, rows.tag_count},
      resources_(std::move(resources)),
      reserved_(std::move(reserved)),
      id_(next_id()),
      positions_(3 * padded(shape_.rows) * sizeof(std::int32_t)),
      tags_(padded(shape_.rows) * sizeof(std::uint32_t)) {
  if (shape_.rows >= resources_.bounds_from_rows) shapes_ = TileShapes(rows, resources_.threads);
  auto* to = positions_.as<std::int32_t>();
  for (const auto& from : {rows.x, rows.y, rows.z}) {
    std::copy(from.begin(), from.end(), to);
    to += padded(shape_.rows);
  }
  std::copy(rows.tags.begin(), rows.tags.end(), tags_.as<std::uint32_t>());
  if (shape_.dim == 0 || shape_.rows == 0) return;
  rows.int8 ? make_codes(rows) : store_vectors(rows);
}

/// A tile holds its rows column by column, as its kernels read them.
void CpuScanTable::store_vectors(const ScanRows& rows) {
  vectors_ = Buffer(tiles() * vector_tile_bytes());
  parallel_for(resources_.threads, tiles(), [&](std::size_t tile) {
    auto* to = vectors_.as<float>() + tile * shape_.dim * kScanTileRows;
    const std::size_t first = tile * kScanTileRows;
    double norm = 0.0;
    for (std::size_t r = first; r < std::min(shape_.rows, first + kScanTileRows); ++r) {
      const std::span<const float> vector = rows.vectors.subspan(r * shape_.dim, shape_.dim);
      for (std::size_t j = 0; j < shape_.dim; ++j) to[j * kScanTileRows + r - first] = vector[j];
      if (!shapes_.empty()) norm = std::max(norm, norm_of(vector));
    }
    // A chain of so many operations may be off by a rounding each, of what the magnitudes sum up to.
    if (!shapes_.empty()) shapes_.set_norm(tile, norm * (1.0 + 0x1p-23 * static_cast<double>(shape_.dim)));
  });
}

void CpuScanTable::make_codes(const ScanRows& rows) {
  const auto vector = [&](std::size_t r) { return rows.vectors.subspan(r * shape_.dim, shape_.dim); };
  codes_.emplace(shape_.rows, shape_.dim, CodeTilesOptions{.threads = resources_.threads},
                 [&](std::size_t r, std::span<float> values) {
                   std::copy_n(vector(r).begin(), values.size(), values.begin());
                   return true;
                 });
  std::vector<ScanCodeError> errors(tiles());
  parallel_for(resources_.threads, tiles(), [&](std::size_t tile) {
    std::vector<float> decoded(shape_.dim);
    const std::size_t first = tile * kScanTileRows;
    double norm = 0.0;
    for (std::size_t r = first; r < std::min(shape_.rows, first + kScanTileRows); ++r) {
      codes_->decode(r, decoded);
      errors[tile].add(vector(r), decoded);
      if (!shapes_.empty()) norm = std::max(norm, norm_of(decoded));
    }
    if (!shapes_.empty()) shapes_.set_norm(tile, norm * (1.0 + 1e-6));
  });
  for (const ScanCodeError& error : errors) code_error_.add(error);
}

std::size_t CpuScanTable::resident_bytes() const noexcept {
  return positions_.bytes() + tags_.bytes() + shapes_.bytes() + vectors_.bytes() + (codes_ ? codes_->bytes() : 0);
}

Result<std::unique_ptr<ScanColumn>> CpuScanTable::make_column(std::span<const float> values) const {
  if (values.size() != shape_.rows) {
    return invalid_argument("a column has " + std::to_string(values.size()) + " values for " +
                            std::to_string(shape_.rows) + " rows");
  }
  const std::size_t rows = padded(shape_.rows);
  const std::size_t tiles = shapes_.empty() ? 0 : padded_tiles(this->tiles());
  CAIRN_ASSIGN_OR_RETURN(ReservedBytes reserved,
                         ReservedBytes::take(resources_.memory, (rows + tiles) * sizeof(float)));
  try {
    return std::unique_ptr<ScanColumn>(std::make_unique<CpuScanColumn>(values, rows, tiles, id_, std::move(reserved)));
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory for a column of " + std::to_string(rows) + " values");
  }
}

float CpuScanTable::vector_error(std::span<const float> vector) const {
  if (!codes_ || vector.size() != shape_.dim) return 0.0F;
  // A query with such a vector is refused.
  if (!all_finite(vector)) return std::numeric_limits<float>::infinity();
  return code_error_.bound(vector);
}

Status CpuScanTable::check_column(const char* name, const ScanColumn* column) const {
  if (column == nullptr) return ok_status();
  const auto* mine = dynamic_cast<const CpuScanColumn*>(column);
  if (mine != nullptr && mine->table() == id_) return ok_status();
  return invalid_argument(std::string(name) + " is a column of another table");
}

Status CpuScanTable::check(const ScanQuery& query) const {
  CAIRN_RETURN_IF_ERROR(check_column("prior", query.prior));
  CAIRN_RETURN_IF_ERROR(check_column("logs", query.logs));
  return check_scan_query(query, shape_);
}

Status CpuScanTable::scan(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const {
  for (std::size_t i = 0; i < queries.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(check(queries[i]).with_context("query " + std::to_string(i)));
  }
  *answers = answer_scan(*this, queries);
  return ok_status();
}

}  // namespace cairn::gpu
