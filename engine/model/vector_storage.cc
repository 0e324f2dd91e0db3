#include "engine/model/vector_storage.h"

#include <algorithm>
#include <cmath>

#include "gpu/half.h"
#include "gpu/quantize.h"

namespace cairn::model {
namespace {

constexpr const char* kScale = ".scale";

std::size_t groups_of(std::size_t dim) { return (dim + kInt4Group - 1) / kInt4Group; }

/// Two's complement of four bits.
float nibble_value(unsigned nibble) {
  return static_cast<float>(nibble < 8 ? static_cast<int>(nibble) : static_cast<int>(nibble) - 16);
}

std::string rows_text(std::size_t rows) { return std::to_string(rows) + " rows"; }

/// The second size of a rows × size tensor.
Result<std::size_t> columns_of(const TensorFile& file, const TensorView& tensor, std::size_t rows) {
  if (tensor.shape.size() != 2 || tensor.shape[0] != rows) {
    return file.fault(tensor.name, "does not have " + rows_text(rows) + " of two dimensions, one for each item");
  }
  return tensor.shape[1];
}

Status decode_int8(const TensorFile& file, const std::string& name, std::size_t rows, LoadedVectors* loaded) {
  std::vector<std::size_t> shape;
  CAIRN_ASSIGN_OR_RETURN(const auto codes, file.values<std::int8_t>(name, 2));
  CAIRN_ASSIGN_OR_RETURN(const auto scales, file.values<float>(name + kScale, 1, &shape));
  if (shape[0] != rows) return file.fault(name + kScale, "does not have " + rows_text(rows));
  for (std::size_t i = 0; i < loaded->values.size(); ++i) {
    loaded->values[i] = scales[i / loaded->dim] * static_cast<float>(codes[i]);
  }
  return ok_status();
}

Status decode_int4(const TensorFile& file, const std::string& name, std::size_t rows, LoadedVectors* loaded) {
  const std::size_t groups = groups_of(loaded->dim);
  const std::size_t row_bytes = (loaded->dim + 1) / 2;
  std::vector<std::size_t> shape;
  CAIRN_ASSIGN_OR_RETURN(const auto nibbles, file.values<std::uint8_t>(name, 2));
  CAIRN_ASSIGN_OR_RETURN(const auto scales, file.values<float>(name + kScale, 2, &shape));
  if (shape != std::vector{rows, groups}) {
    return file.fault(name + kScale, "is not " + std::to_string(rows) + " x " + std::to_string(groups));
  }
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t j = 0; j < loaded->dim; ++j) {
      const unsigned pair = nibbles[row * row_bytes + j / 2];
      loaded->values[row * loaded->dim + j] =
          scales[row * groups + j / kInt4Group] * nibble_value(j % 2 == 0 ? pair & 15U : pair >> 4);
    }
  }
  return ok_status();
}

Status decode(const TensorFile& file, const std::string& name, std::size_t rows, LoadedVectors* loaded) {
  switch (loaded->precision) {
    case gpu::Precision::kInt8:
      return decode_int8(file, name, rows, loaded);
    case gpu::Precision::kInt4:
      return decode_int4(file, name, rows, loaded);
    case gpu::Precision::kFp16: {
      CAIRN_ASSIGN_OR_RETURN(const auto halves, file.values<Half>(name, 2));
      std::transform(halves.begin(), halves.end(), loaded->values.begin(),
                     [](Half half) { return gpu::float_of_half(half.bits); });
      return ok_status();
    }
    case gpu::Precision::kFp32: {
      CAIRN_ASSIGN_OR_RETURN(const auto floats, file.values<float>(name, 2));
      std::copy(floats.begin(), floats.end(), loaded->values.begin());
      return ok_status();
    }
  }
  return ok_status();
}

}  // namespace

StoredVectors::StoredVectors(std::string name, std::span<const float> values, std::size_t rows, std::size_t dim,
                             gpu::Precision precision)
    : name_(std::move(name)), values_(values), rows_(rows), dim_(dim), precision_(precision) {
  CAIRN_CHECK(values.size() == rows * dim);
  if (precision == gpu::Precision::kInt8) make_int8(values);
  if (precision == gpu::Precision::kInt4) make_int4(values);
  if (precision != gpu::Precision::kFp16) return;
  halves_.resize(values.size());
  std::transform(values.begin(), values.end(), halves_.begin(),
                 [](float value) { return Half{gpu::half_of_float(value)}; });
}

void StoredVectors::make_int8(std::span<const float> values) {
  codes_.resize(values.size());
  for (std::size_t row = 0; row < rows_; ++row) {
    const std::span<std::int8_t> codes = std::span(codes_).subspan(row * dim_, dim_);
    scales_.push_back(gpu::quantize_group(values.subspan(row * dim_, dim_), {}, gpu::kInt8CodeMax, codes).scale);
  }
}

void StoredVectors::make_int4(std::span<const float> values) {
  const std::size_t row_bytes = (dim_ + 1) / 2;
  nibbles_.resize(rows_ * row_bytes);
  std::vector<std::int8_t> codes(kInt4Group);
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t begin = 0; begin < dim_; begin += kInt4Group) {
      const std::size_t size = std::min(kInt4Group, dim_ - begin);
      const std::span<std::int8_t> group = std::span(codes).first(size);
      scales_.push_back(
          gpu::quantize_group(values.subspan(row * dim_ + begin, size), {}, gpu::kInt4CodeMax, group).scale);
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t j = begin + i;
        const unsigned nibble = static_cast<unsigned>(group[i]) & 15U;
        nibbles_[row * row_bytes + j / 2] |= static_cast<std::uint8_t>(j % 2 == 0 ? nibble : nibble << 4);
      }
    }
  }
}

std::vector<TensorView> StoredVectors::tensors() const {
  switch (precision_) {
    case gpu::Precision::kFp16:
      return {tensor(name_, {rows_, dim_}, std::span(halves_))};
    case gpu::Precision::kInt8:
      return {tensor(name_, {rows_, dim_}, std::span(codes_)), tensor(name_ + kScale, {rows_}, std::span(scales_))};
    case gpu::Precision::kInt4:
      return {tensor(name_, {rows_, (dim_ + 1) / 2}, std::span(nibbles_)),
              tensor(name_ + kScale, {rows_, groups_of(dim_)}, std::span(scales_))};
    default:
      return {tensor(name_, {rows_, dim_}, values_)};
  }
}

Result<LoadedVectors> load_vectors(const TensorFile& file, const std::string& name, std::size_t rows, std::size_t dim) {
  LoadedVectors loaded;
  const TensorView* tensor = file.find(name);
  if (!tensor) return file.fault(name, "is not there");
  CAIRN_ASSIGN_OR_RETURN(const std::size_t columns, columns_of(file, *tensor, rows));
  loaded.dim = dim == 0 ? columns : dim;
  if (tensor->dtype == Dtype::kF16) loaded.precision = gpu::Precision::kFp16;
  if (tensor->dtype == Dtype::kI8) loaded.precision = gpu::Precision::kInt8;
  if (tensor->dtype == Dtype::kU8) loaded.precision = gpu::Precision::kInt4;
  const bool packed = loaded.precision == gpu::Precision::kInt4;
  if (packed && dim == 0) return file.fault(name, "holds codes of four bits, but model.toml gives no dim for it");
  if (columns != (packed ? (loaded.dim + 1) / 2 : loaded.dim) || loaded.dim == 0) {
    return file.fault(
        name, "has " + std::to_string(columns) + " columns, which do not fit dim = " + std::to_string(loaded.dim));
  }
  loaded.values.resize(rows * loaded.dim);
  CAIRN_RETURN_IF_ERROR(decode(file, name, rows, &loaded));
  if (!std::all_of(loaded.values.begin(), loaded.values.end(), [](float value) { return std::isfinite(value); })) {
    return file.fault(name, "has a value that is not finite");
  }
  return loaded;
}

}  // namespace cairn::model
