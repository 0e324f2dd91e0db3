#include "gpu/scan_code_error.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu/norm.h"
#include "gpu/quantize.h"

namespace cairn::gpu {
namespace {

/// The most that one rounding to float moves a number, in parts of it.
constexpr double kUnit = 1.0 / (1 << 24);
/// Covers the roundings of sums in double.
constexpr double kALittleMore = 1.0 + 1e-9;

}  // namespace

void ScanCodeError::add(std::span<const float> vector, std::span<const float> decoded) {
  // What is decoded is a rounded product of scale and code.
  const double norm = norm_of(decoded) * (1.0 + 2.0 * kUnit);
  double squares = 0.0;
  for (std::size_t j = 0; j < vector.size(); ++j) {
    const double error = static_cast<double>(vector[j]) - static_cast<double>(decoded[j]);
    squares += error * error;
  }
  coded_norm_ = std::max(coded_norm_, norm);
  missed_norm_ = std::max(missed_norm_, std::sqrt(squares) * kALittleMore + norm * kUnit);
}

void ScanCodeError::add(const ScanCodeError& others) {
  coded_norm_ = std::max(coded_norm_, others.coded_norm_);
  missed_norm_ = std::max(missed_norm_, others.missed_norm_);
}

/// With q = q̂ + e and x = x̂ + f, codes with a hat: ⟨q, x⟩ - ⟨q̂, x̂⟩ = ⟨e, x̂⟩ + ⟨q, f⟩, and Cauchy and Schwarz bound
/// both. The sum of codes is exact in integers; its conversion, two scales and the weight round once each.
float ScanCodeError::bound(std::span<const float> query) const {
  std::vector<std::int8_t> codes(query.size());
  const GroupCode code = quantize_group(query, {}, kInt8CodeMax, codes);
  const double query_norm = norm_of(query);
  const double query_missed = static_cast<double>(code.scale) * static_cast<double>(code.error_norm) * kALittleMore;
  const double roundings = 4.0 * kUnit * (query_norm + query_missed) * coded_norm_;
  const double error = query_missed * coded_norm_ + query_norm * missed_norm_ + roundings;
  // The cast may round down by one part in 2^24.
  return static_cast<float>(error * (1.0 + 2.0 * kUnit));
}

}  // namespace cairn::gpu
