#include "gpu/cuda/matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "gpu/half.h"
#include "gpu/parallel.h"
#include "gpu/quantize.h"

namespace cairn::gpu::cuda {
namespace {

/// Covers the roundings of norms that are summed in double and kept in float.
constexpr double kNormRoundUp = 1.0 + 1e-6;

CodeKind kind_of(Precision scan) {
  if (scan == Precision::kInt4) return CodeKind::kInt4;
  return scan == Precision::kFp16 ? CodeKind::kFp16 : CodeKind::kInt8;
}

ValueKind values_of(Precision storage, Precision scan) {
  if (storage == Precision::kFp32) return ValueKind::kFloatRows;
  if (storage == Precision::kInt8) return ValueKind::kInt8Tiles;
  if (storage == Precision::kInt4) return ValueKind::kInt4Tiles;
  return scan == Precision::kFp16 ? ValueKind::kHalfTiles : ValueKind::kHalfRows;
}

std::size_t code_bytes_of(const MatrixArgs& shape) {
  return std::size_t{shape.tiles} * shape.layout.steps * chunk_bytes(shape.code_kind);
}
std::size_t scale_count(const MatrixArgs& shape) {
  return shape.code_kind == CodeKind::kFp16 ? 0 : std::size_t{shape.tiles} * shape.layout.groups * kTileRows;
}

/// ‖x'‖ and ‖x - x'‖ of a row, while its groups are added.
struct RowNorms {
  double code_squares = 0.0;
  double error_squares = 0.0;

  void add(const GroupCode& code) {
    const double scale = code.scale;
    code_squares += std::pow(scale * static_cast<double>(code.code_norm), 2);
    error_squares += std::pow(scale * static_cast<double>(code.error_norm), 2);
  }
};

/// Fills an image, tile by tile.
class Painter {
 public:
  Painter(MatrixView items, const MatrixOptions& options)
      : items_(items),
        shape_(matrix_shape(items.rows, items.dim, options)),
        coded_(scan_of(options) != Precision::kFp32),
        codes_are_values_(options.storage == scan_of(options)),
        importance_(importance_of(options.calibration)) {
    if (shape_.values == ValueKind::kFloatRows) image_.floats.assign(items.values.begin(), items.values.end());
    if (shape_.values == ValueKind::kHalfRows) image_.halves.resize(items.values.size());
    if (!coded_) return;
    image_.codes.resize(code_bytes_of(shape_));
    image_.scales.resize(scale_count(shape_));
    image_.norms.resize(std::size_t{shape_.tiles} * kTileRows);
    image_.tile_norms.resize(std::size_t{shape_.tiles} * 2);
  }

  MatrixImage paint() && {
    constexpr std::size_t kTilesAtOnce = 64;
    const std::size_t chunks = coded_ ? (shape_.tiles + kTilesAtOnce - 1) / kTilesAtOnce : 0;
    parallel_for(0, chunks, [this](std::size_t chunk) {
      Scratch scratch;
      scratch.values.resize(items_.dim);
      scratch.decoded.resize(items_.dim);
      scratch.codes.resize(items_.dim);
      // Whole tiles, so that no two threads write to the same tile's codes or norms.
      const std::size_t end = std::min<std::size_t>(items_.rows, (chunk + 1) * kTilesAtOnce * kTileRows);
      for (std::size_t row = chunk * kTilesAtOnce * kTileRows; row < end; ++row) paint_row(row, scratch);
    });
    return std::move(image_);
  }

 private:
  struct Scratch {
    std::vector<float> values;
    std::vector<float> decoded;
    std::vector<std::int8_t> codes;
  };

  void paint_row(std::size_t row, Scratch& scratch) {
    std::copy_n(items_.row(row).begin(), items_.dim, scratch.values.begin());
    if (shape_.values == ValueKind::kHalfRows || shape_.values == ValueKind::kHalfTiles) round_to_halves(row, scratch);
    const bool finite =
        std::all_of(scratch.values.begin(), scratch.values.end(), [](float value) { return std::isfinite(value); });
    RowNorms norms;
    if (shape_.code_kind == CodeKind::kFp16) {
      // Scores are defined over the halves themselves, so these codes have no error.
      for (const float value : scratch.values)
        norms.code_squares += static_cast<double>(value) * static_cast<double>(value);
    } else if (finite) {
      for (std::uint32_t group = 0; group < shape_.layout.groups; ++group) norms.add(paint_group(row, group, scratch));
    }
    keep_norms(row, norms, finite);
  }

  void round_to_halves(std::size_t row, Scratch& scratch) {
    for (std::size_t column = 0; column < items_.dim; ++column) {
      const std::uint16_t half = half_of_float(scratch.values[column]);
      scratch.values[column] = float_of_half(half);
      if (shape_.values == ValueKind::kHalfRows) {
        image_.halves[row * items_.dim + column] = half;
        continue;
      }
      const StepByte at = step_byte(shape_.layout, shape_.code_kind, static_cast<std::uint32_t>(column));
      std::memcpy(chunk(row, at) + byte_offset(row % kTileRows, at.byte), &half, sizeof(half));
    }
  }

  GroupCode paint_group(std::size_t row, std::uint32_t group, Scratch& scratch) {
    const std::size_t begin = std::size_t{group} * shape_.layout.group_columns;
    const std::size_t count = std::min<std::size_t>(shape_.layout.group_columns, items_.dim - begin);
    const std::span<const float> values = std::span(scratch.values).subspan(begin, count);
    const std::span<std::int8_t> codes = std::span(scratch.codes).subspan(begin, count);
    const std::span<const float> importance =
        importance_.empty() ? std::span<const float>{} : std::span(importance_).subspan(begin, count);
    const bool int4 = shape_.code_kind == CodeKind::kInt4;
    GroupCode code = quantize_group(values, importance, int4 ? kInt4CodeMax : kInt8CodeMax, codes);
    image_.scales[(row / kTileRows * shape_.layout.groups + group) * kTileRows + row % kTileRows] = code.scale;
    for (std::size_t i = 0; i < count; ++i) place_code(row, begin + i, codes[i]);
    if (!codes_are_values_) return code;
    const std::span<float> decoded = std::span(scratch.decoded).subspan(begin, count);
    for (std::size_t i = 0; i < count; ++i) decoded[i] = code.scale * static_cast<float>(codes[i]);
    return bounds_of(decoded, codes, code.scale);
  }

  void place_code(std::size_t row, std::size_t column, std::int8_t code) {
    const StepByte at = step_byte(shape_.layout, shape_.code_kind, static_cast<std::uint32_t>(column));
    const auto in_tile = static_cast<std::uint32_t>(row % kTileRows);
    unsigned char* to = chunk(row, at);
    if (shape_.code_kind == CodeKind::kInt8) {
      to[byte_offset(in_tile, at.byte)] = static_cast<unsigned char>(code);
    } else {
      const NibblePlace place = nibble_place(in_tile, at.byte);
      to[place.offset] = static_cast<unsigned char>(to[place.offset] | (code & 0xF) << place.shift);
    }
  }

  unsigned char* chunk(std::size_t row, const StepByte& at) {
    return image_.codes.data() + (row / kTileRows * shape_.layout.steps + at.step) * chunk_bytes(shape_.code_kind);
  }

  void keep_norms(std::size_t row, const RowNorms& norms, bool finite) {
    const double code_norm = std::sqrt(norms.code_squares) * kNormRoundUp;
    const double error_norm = std::sqrt(norms.error_squares) * kNormRoundUp;
    // The packed norms are rounded up a second time. An infinite error norm tells the scan that no bound holds.
    const bool bounded = finite && code_norm + error_norm <= static_cast<double>(kRowNormMax);
    const std::uint32_t packed = bounded ? pack_norms(static_cast<float>(code_norm), static_cast<float>(error_norm))
                                         : pack_norms(0.0F, kInfinity);
    image_.norms[row] = packed;
    float* largest = image_.tile_norms.data() + row / kTileRows * 2;
    largest[0] = std::max(largest[0], code_norm_of(packed));
    largest[1] = std::max(largest[1], error_norm_of(packed));
  }

  MatrixView items_;
  MatrixArgs shape_;
  bool coded_;
  bool codes_are_values_;
  std::vector<float> importance_;
  MatrixImage image_;
};

/// The value of one column of a row of a matrix that is kept in tiles, from its image's codes and scales.
float value_in_tiles(const MatrixArgs& shape, const unsigned char* tile, const float* scales, std::uint32_t in_tile,
                     std::uint32_t column) {
  const StepByte at = step_byte(shape.layout, shape.code_kind, column);
  const unsigned char* codes = tile + std::size_t{at.step} * chunk_bytes(shape.code_kind);
  if (shape.code_kind == CodeKind::kFp16) {
    std::uint16_t half = 0;
    std::memcpy(&half, codes + byte_offset(in_tile, at.byte), sizeof(half));
    return float_of_half(half);
  }
  int code = 0;
  if (shape.code_kind == CodeKind::kInt8) {
    code = static_cast<std::int8_t>(codes[byte_offset(in_tile, at.byte)]);
  } else {
    const NibblePlace place = nibble_place(in_tile, at.byte);
    code = static_cast<std::int8_t>(((codes[place.offset] >> place.shift) & 0xF) << 4) / 16;
  }
  return scales[column / shape.layout.group_columns * kTileRows + in_tile] * static_cast<float>(code);
}

}  // namespace

std::size_t MatrixImage::bytes() const noexcept {
  return floats.size() * sizeof(float) + halves.size() * sizeof(std::uint16_t) + codes.size() +
         (scales.size() + tile_norms.size()) * sizeof(float) + norms.size() * sizeof(std::uint32_t);
}

MatrixArgs matrix_shape(std::size_t rows, std::size_t dim, const MatrixOptions& options) {
  const Precision scan = scan_of(options);
  MatrixArgs shape;
  shape.rows = static_cast<std::uint32_t>(rows);
  shape.tiles = ceil_divide(shape.rows, kTileRows);
  shape.values = values_of(options.storage, scan);
  shape.layout.dim = static_cast<std::uint32_t>(dim);
  // Without codes there are no steps: every row is scored.
  if (scan == Precision::kFp32) return shape;
  shape.code_kind = kind_of(scan);
  const std::size_t group = scan == Precision::kInt4 ? options.int4_group : dim;
  shape.layout = step_layout(shape.code_kind, shape.layout.dim, static_cast<std::uint32_t>(std::min(group, dim)));
  return shape;
}

std::size_t image_bytes(const MatrixArgs& shape) {
  const std::size_t values = std::size_t{shape.rows} * shape.layout.dim;
  std::size_t bytes = 0;
  if (shape.values == ValueKind::kFloatRows) bytes += values * sizeof(float);
  if (shape.values == ValueKind::kHalfRows) bytes += values * sizeof(std::uint16_t);
  if (shape.layout.steps == 0) return bytes;
  const std::size_t norms = std::size_t{shape.tiles} * (kTileRows * sizeof(std::uint32_t) + 2 * sizeof(float));
  return bytes + code_bytes_of(shape) + scale_count(shape) * sizeof(float) + norms;
}

MatrixImage make_image(MatrixView items, const MatrixOptions& options) { return Painter(items, options).paint(); }

CudaItemMatrix::CudaItemMatrix(std::shared_ptr<Context> context, MatrixArgs args, const MatrixOptions& options,
                               Reservation reservation)
    : context_(std::move(context)),
      id_(context_->next_id()),
      storage_(options.storage),
      scan_(scan_of(options)),
      reservation_(std::move(reservation)),
      args_(args) {}

CudaItemMatrix::~CudaItemMatrix() {
  (void)context_->use().ok();  // what is freed is freed where it was made
}

Result<std::unique_ptr<ItemMatrix>> CudaItemMatrix::make(std::shared_ptr<Context> context, MatrixView items,
                                                         const MatrixOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_items(items, options));
  const MatrixArgs shape = matrix_shape(items.rows, items.dim, options);
  CAIRN_ASSIGN_OR_RETURN(Reservation reservation, Reservation::make(context, image_bytes(shape)));
  CAIRN_RETURN_IF_ERROR(context->use());
  // The reservation is made before the image, whose size the shape alone gives, so that a full device costs no work.
  const std::size_t bytes = reservation.bytes();
  std::unique_ptr<CudaItemMatrix> matrix(
      new CudaItemMatrix(std::move(context), shape, options, std::move(reservation)));
  const MatrixImage image = make_image(items, options);
  CAIRN_CHECK(image.bytes() == bytes);
  CAIRN_RETURN_IF_ERROR(
      matrix->store(image).with_context("a matrix of " + std::to_string(bytes) + " bytes on the device"));
  return std::unique_ptr<ItemMatrix>(std::move(matrix));
}

Status CudaItemMatrix::store(const MatrixImage& image) {
  CAIRN_RETURN_IF_ERROR(upload(image.floats, &floats_));
  CAIRN_RETURN_IF_ERROR(upload(image.halves, &halves_));
  CAIRN_RETURN_IF_ERROR(upload(image.codes, &codes_));
  CAIRN_RETURN_IF_ERROR(upload(image.scales, &scales_));
  CAIRN_RETURN_IF_ERROR(upload(image.norms, &norms_));
  CAIRN_RETURN_IF_ERROR(upload(image.tile_norms, &tile_norms_));
  if (args_.values == ValueKind::kFloatRows) args_.row_values = floats_.data();
  if (args_.values == ValueKind::kHalfRows) args_.row_values = halves_.data();
  args_.codes = codes_.data();
  args_.scales = scales_.data();
  args_.norms = norms_.data();
  args_.tile_norms = tile_norms_.data();
  return ok_status();
}

Status CudaItemMatrix::decode(std::size_t first, std::span<float> out) const {
  if (out.size() % dim() != 0 || first + out.size() / dim() > rows()) {
    return invalid_argument("rows from " + std::to_string(first) + " on, " + std::to_string(out.size()) +
                            " values: the matrix has " + std::to_string(rows()) + " rows of " + std::to_string(dim()));
  }
  if (out.empty()) return ok_status();
  CAIRN_RETURN_IF_ERROR(context_->use());
  if (args_.values == ValueKind::kFloatRows) {
    return copy_from_device(out.data(), floats_.data() + first * dim(), out.size_bytes());
  }
  if (args_.values == ValueKind::kHalfRows) {
    std::vector<std::uint16_t> halves(out.size());
    CAIRN_RETURN_IF_ERROR(
        copy_from_device(halves.data(), halves_.data() + first * dim(), halves.size() * sizeof(std::uint16_t)));
    std::transform(halves.begin(), halves.end(), out.begin(), float_of_half);
    return ok_status();
  }
  return decode_tiles(first, out);
}

Status CudaItemMatrix::decode_tiles(std::size_t first, std::span<float> out) const {
  const std::size_t rows_out = out.size() / dim();
  const std::size_t tile_begin = first / kTileRows;
  const std::size_t tile_end = (first + rows_out - 1) / kTileRows + 1;
  const std::size_t tile_bytes = std::size_t{args_.layout.steps} * chunk_bytes(args_.code_kind);
  const std::size_t tile_scales = std::size_t{args_.layout.groups} * kTileRows;
  // Whole tiles are copied, because the values of a row are spread over its tile.
  std::vector<unsigned char> codes((tile_end - tile_begin) * tile_bytes);
  std::vector<float> scales(args_.values == ValueKind::kHalfTiles ? 0 : (tile_end - tile_begin) * tile_scales);
  CAIRN_RETURN_IF_ERROR(copy_from_device(codes.data(), codes_.data() + tile_begin * tile_bytes, codes.size()));
  if (!scales.empty()) {
    CAIRN_RETURN_IF_ERROR(
        copy_from_device(scales.data(), scales_.data() + tile_begin * tile_scales, scales.size() * sizeof(float)));
  }
  for (std::size_t r = 0; r < rows_out; ++r) {
    const std::size_t tile = (first + r) / kTileRows - tile_begin;
    const auto in_tile = static_cast<std::uint32_t>((first + r) % kTileRows);
    const float* tile_scale = scales.empty() ? nullptr : scales.data() + tile * tile_scales;
    for (std::size_t column = 0; column < dim(); ++column) {
      out[r * dim() + column] = value_in_tiles(args_, codes.data() + tile * tile_bytes, tile_scale, in_tile,
                                               static_cast<std::uint32_t>(column));
    }
  }
  return ok_status();
}

}  // namespace cairn::gpu::cuda
