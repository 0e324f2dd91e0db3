#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/place.h"
#include "features/condition.h"

namespace cairn::ranking {

/// One bit a row: bit r % 64 of word r / 64, and none behind the last row.
using RowBits = std::vector<std::uint64_t>;

[[nodiscard]] inline bool has_row(const RowBits& bits, std::uint32_t row) noexcept {
  return (bits[row / 64] >> (row % 64) & 1U) != 0;
}
inline void set_row(std::uint32_t row, RowBits* bits) noexcept { (*bits)[row / 64] |= std::uint64_t{1} << (row % 64); }
[[nodiscard]] inline RowBits no_rows(std::size_t rows) { return RowBits((rows + 63) / 64); }
[[nodiscard]] RowBits all_rows(std::size_t rows);
/// The rows that are in each of them; null: there is none of them. Shares what is one alone.
[[nodiscard]] std::shared_ptr<const RowBits> all_of(std::span<const std::shared_ptr<const RowBits>> sets);

/// Which rows have which value of which attribute. The category of places is one of them, "category". Every distinct
/// value stands once, with its rows, so that a test costs as much as it finds. Immutable. Threads: any.
class AttributeIndex {
 public:
  /// Rows are indices of `places`.
  explicit AttributeIndex(std::span<const Place> places);

  /// The rows of each value of one attribute.
  struct Column {
    std::vector<AttributeScalar> values = {};  ///< ascending: booleans, numbers, texts
    std::vector<std::uint32_t> begins = {};    ///< of a value's rows in `rows`, and their end: one more than values
    std::vector<std::uint32_t> rows = {};      ///< ascending for each value

    [[nodiscard]] std::span<const std::uint32_t> rows_of(std::size_t value) const {
      return std::span(rows).subspan(begins[value], begins[value + 1] - begins[value]);
    }
    /// Whether some value is of the kind (index of AttributeScalar).
    [[nodiscard]] bool has_kind(std::size_t kind) const noexcept;
    /// Sets the bits of rows that pass.
    void find(const features::AttributeTest& test, RowBits* bits) const;
  };
  /// Null: no place has such an attribute.
  [[nodiscard]] const Column* find(std::string_view name) const;
  /// Of attributes that some place has, ascending.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_bytes_; }

 private:
  std::size_t rows_;
  std::size_t memory_bytes_ = 0;
  std::unordered_map<std::string, Column> columns_;
};

}  // namespace cairn::ranking
