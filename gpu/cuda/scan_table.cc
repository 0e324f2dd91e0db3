#include "gpu/cuda/scan_table.h"

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "gpu/finite.h"
#include "gpu/parallel.h"
#include "gpu/quantize.h"

namespace cairn::gpu::cuda {
namespace {

ScanTableArgs args_of(const ScanRows& rows) {
  ScanTableArgs args;
  args.rows = static_cast<std::uint32_t>(rows.x.size());
  args.tiles = static_cast<std::uint32_t>((rows.x.size() + kTileRows - 1) / kTileRows);
  args.dim = static_cast<std::uint32_t>(rows.dim);
  if (args.dim == 0 || args.rows == 0) return args;
  args.vectors = rows.int8 ? ScanVectors::kInt8 : ScanVectors::kFp32;
  if (rows.int8) args.steps = step_layout(CodeKind::kInt8, args.dim, args.dim).steps;
  return args;
}

std::size_t padded_rows(const ScanTableArgs& args) { return std::size_t{args.tiles} * kTileRows; }

std::size_t tile_code_bytes(const ScanTableArgs& args) {
  return std::size_t{args.steps} * chunk_bytes(CodeKind::kInt8);
}

/// Exactly what a table of this shape allocates.
std::size_t bytes_needed(const ScanTableArgs& args) {
  const std::size_t rows = padded_rows(args);
  std::size_t bytes = rows * (3 * sizeof(std::int32_t) + sizeof(std::uint32_t));
  if (args.vectors == ScanVectors::kInt8) bytes += args.tiles * tile_code_bytes(args) + rows * sizeof(float);
  if (args.vectors == ScanVectors::kFp32) bytes += rows * args.dim * sizeof(float);
  return bytes;
}

}  // namespace

CudaScanColumn::~CudaScanColumn() {
  (void)context_->use().ok();  // what is freed is freed where it was made
}

Status CudaScanColumn::store(std::span<const float> values, std::size_t rows_padded) {
  CAIRN_RETURN_IF_ERROR(context_->use());
  std::vector<float> padded(rows_padded, 0.0F);
  std::copy(values.begin(), values.end(), padded.begin());
  return upload(padded, &values_);
}

void CudaScanColumn::set(std::span<const std::uint32_t> rows, std::span<const float> values) {
  if (rows.empty()) return;
  Status status = scatter(rows, values);
  if (status_.ok()) status_ = std::move(status);
}

Status CudaScanColumn::scatter(std::span<const std::uint32_t> rows, std::span<const float> values) {
  CAIRN_ASSIGN_OR_RETURN(WorkspaceLease workspace, WorkspaceLease::take(*context_));
  const std::size_t bytes = rows.size() * sizeof(std::uint32_t);
  CAIRN_RETURN_IF_ERROR(workspace->filter_data.reserve(2 * bytes));
  auto* device_rows = reinterpret_cast<std::uint32_t*>(workspace->filter_data.data());
  auto* device_values = reinterpret_cast<float*>(workspace->filter_data.data() + bytes);
  workspace->stream.copy_to_device(device_rows, rows.data(), bytes);
  workspace->stream.copy_to_device(device_values, values.data(), bytes);
  launch_scatter(workspace->stream, values_.data(), device_rows, device_values,
                 static_cast<std::uint32_t>(rows.size()));
  return workspace->stream.wait();
}

Result<std::unique_ptr<ScanTable>> CudaScanTable::make(std::shared_ptr<Context> context, const ScanRows& rows) {
  CAIRN_RETURN_IF_ERROR(check_scan_rows(rows));
  const std::size_t bytes = bytes_needed(args_of(rows));
  CAIRN_ASSIGN_OR_RETURN(Reservation reservation, Reservation::make(context, bytes));
  CAIRN_RETURN_IF_ERROR(context->use());
  try {
    std::unique_ptr<CudaScanTable> table(new CudaScanTable(std::move(context), rows, std::move(reservation)));
    CAIRN_RETURN_IF_ERROR(
        table->store(rows).with_context("a scan table of " + std::to_string(bytes) + " bytes on the device"));
    return std::unique_ptr<ScanTable>(std::move(table));
  } catch (const std::bad_alloc&) {
    return resource_exhausted("this machine has no memory to prepare a scan table of " + std::to_string(bytes) +
                              " bytes");
  }
}

CudaScanTable::CudaScanTable(std::shared_ptr<Context> context, const ScanRows& rows, Reservation reservation)
    : context_(std::move(context)),
      id_(context_->next_id()),
      shape_{rows.x.size(), rows.dim, rows.tag_count},
      reservation_(std::move(reservation)),
      args_(args_of(rows)) {}

CudaScanTable::~CudaScanTable() {
  (void)context_->use().ok();  // what is freed is freed where it was made
}

Status CudaScanTable::store(const ScanRows& rows) {
  if (args_.rows == 0) return ok_status();
  const std::size_t count = padded_rows(args_);
  // Rows that only fill the last tile have tag 0, which every table by tag has.
  std::vector<std::int32_t> positions(3 * count, 0);
  std::vector<std::uint32_t> tags(count, 0);
  std::copy(rows.x.begin(), rows.x.end(), positions.begin());
  std::copy(rows.y.begin(), rows.y.end(), positions.begin() + static_cast<std::ptrdiff_t>(count));
  std::copy(rows.z.begin(), rows.z.end(), positions.begin() + static_cast<std::ptrdiff_t>(2 * count));
  std::copy(rows.tags.begin(), rows.tags.end(), tags.begin());
  CAIRN_RETURN_IF_ERROR(upload(positions, &positions_));
  CAIRN_RETURN_IF_ERROR(upload(tags, &tags_));
  args_.x = positions_.data();
  args_.y = args_.x + count;
  args_.z = args_.y + count;
  args_.tags = tags_.data();
  if (args_.vectors == ScanVectors::kInt8) return store_codes(rows);
  if (args_.vectors == ScanVectors::kFp32) return store_values(rows);
  return ok_status();
}

Status CudaScanTable::store_codes(const ScanRows& rows) {
  const std::size_t tile_bytes = tile_code_bytes(args_);
  std::vector<unsigned char> codes(args_.tiles * tile_bytes, 0);
  std::vector<float> scales(padded_rows(args_), 0.0F);
  std::vector<ScanCodeError> errors(args_.tiles);
  parallel_for(0, args_.tiles, [&](std::size_t tile) {
    std::vector<std::int8_t> row_codes(shape_.dim);
    std::vector<float> decoded(shape_.dim);
    for (std::size_t r = tile * kTileRows; r < std::min(shape_.rows, (tile + 1) * kTileRows); ++r) {
      const auto vector = rows.vectors.subspan(r * shape_.dim, shape_.dim);
      const float scale = quantize_group(vector, {}, kInt8CodeMax, row_codes).scale;
      scales[r] = scale;
      for (std::uint32_t j = 0; j < args_.dim; ++j) {
        decoded[j] = scale * static_cast<float>(row_codes[j]);
        const std::size_t step = tile * tile_bytes + std::size_t{j / kStepBytes} * chunk_bytes(CodeKind::kInt8);
        const auto in_tile = static_cast<std::uint32_t>(r % kTileRows);
        codes[step + byte_offset(in_tile, j % kStepBytes)] = static_cast<unsigned char>(row_codes[j]);
      }
      errors[tile].add(vector, decoded);
    }
  });
  for (const ScanCodeError& error : errors) code_error_.add(error);
  CAIRN_RETURN_IF_ERROR(upload(codes, &codes_));
  CAIRN_RETURN_IF_ERROR(upload(scales, &scales_));
  args_.codes = codes_.data();
  args_.scales = scales_.data();
  return ok_status();
}

Status CudaScanTable::store_values(const ScanRows& rows) {
  std::vector<float> values(padded_rows(args_) * shape_.dim, 0.0F);
  parallel_for(0, args_.tiles, [&](std::size_t tile) {
    float* to = values.data() + tile * shape_.dim * kTileRows;
    for (std::size_t r = tile * kTileRows; r < std::min(shape_.rows, (tile + 1) * kTileRows); ++r) {
      for (std::size_t j = 0; j < shape_.dim; ++j) {
        to[j * kTileRows + r % kTileRows] = rows.vectors[r * shape_.dim + j];
      }
    }
  });
  CAIRN_RETURN_IF_ERROR(upload(values, &values_));
  args_.values = values_.data();
  return ok_status();
}

Result<std::unique_ptr<ScanColumn>> CudaScanTable::make_column(std::span<const float> values) const {
  if (values.size() != shape_.rows) {
    return invalid_argument("a column has " + std::to_string(values.size()) + " values for " +
                            std::to_string(shape_.rows) + " rows");
  }
  const std::size_t rows = padded_rows(args_);
  CAIRN_ASSIGN_OR_RETURN(Reservation reservation, Reservation::make(context_, rows * sizeof(float)));
  auto column = std::make_unique<CudaScanColumn>(context_, id_, std::move(reservation));
  CAIRN_RETURN_IF_ERROR(
      column->store(values, rows).with_context("a column of " + std::to_string(rows) + " values on the device"));
  return std::unique_ptr<ScanColumn>(std::move(column));
}

float CudaScanTable::vector_error(std::span<const float> vector) const {
  if (args_.vectors != ScanVectors::kInt8 || vector.size() != shape_.dim) return 0.0F;
  // A query with such a vector is refused.
  if (!all_finite(vector)) return std::numeric_limits<float>::infinity();
  return code_error_.bound(vector);
}

Status CudaScanTable::check_column(const char* name, const ScanColumn* column) const {
  if (column == nullptr) return ok_status();
  const auto* mine = dynamic_cast<const CudaScanColumn*>(column);
  if (mine == nullptr || mine->table() != id_) {
    return invalid_argument(std::string(name) + " is a column of another table");
  }
  return Status(mine->status()).with_context(std::string(name) + " could not be set on the device");
}

Status CudaScanTable::check(const ScanQuery& query) const {
  CAIRN_RETURN_IF_ERROR(check_column("prior", query.prior));
  CAIRN_RETURN_IF_ERROR(check_column("logs", query.logs));
  return check_scan_query(query, shape_);
}

Status CudaScanTable::scan(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const {
  for (std::size_t i = 0; i < queries.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(check(queries[i]).with_context("query " + std::to_string(i)));
  }
  return answer_scan(*this, queries, answers);
}

}  // namespace cairn::gpu::cuda
