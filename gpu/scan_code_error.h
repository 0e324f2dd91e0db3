#pragma once

#include <span>

namespace cairn::gpu {

/// How far products of codes can be from those of the vectors that they were made of, over the rows of a table.
class ScanCodeError {
 public:
  /// A row, and what its codes stand for.
  void add(std::span<const float> vector, std::span<const float> decoded);
  void add(const ScanCodeError& others);

  /// As ScanTable::vector_error() of these rows, if the query is finite and is coded by quantize_group().
  [[nodiscard]] float bound(std::span<const float> query) const;

 private:
  // The largest norms among the rows: of the vector as coded, and of what its codes miss.
  double coded_norm_ = 0.0;
  double missed_norm_ = 0.0;
};

}  // namespace cairn::gpu
