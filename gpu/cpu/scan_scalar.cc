#include <bit>
#include <cmath>
#include <cstring>

#include "gpu/cpu/scan_passes.h"

namespace cairn::gpu {
namespace {

/// One number at a time: the definition of what the other instruction sets compute.
struct Lanes {
  using Floats = float;
  using Ints = std::uint32_t;  // wraps, as registers do
  using Mask = bool;
  struct Codes {
    std::int32_t code[4];
  };
  static constexpr std::size_t kCount = 1;
  static constexpr std::size_t kDotQueries = 1;

  static float load(const float* from) { return *from; }
  static Ints load(const std::int32_t* from) { return static_cast<Ints>(*from); }
  static Ints load(const std::uint32_t* from) { return *from; }
  static void store(float* to, float value) { *to = value; }
  static float fill(float value) { return value; }
  static Ints fill(std::int32_t value) { return static_cast<Ints>(value); }

  static float add(float a, float b) { return a + b; }
  static Ints add(Ints a, Ints b) { return a + b; }
  static float subtract(float a, float b) { return a - b; }
  static Ints subtract(Ints a, Ints b) { return a - b; }
  static float multiply(float a, float b) { return a * b; }
  static float fma(float a, float b, float c) { return std::fma(a, b, c); }
  static float root(float a) { return std::sqrt(a); }
  static float minimum(float a, float b) { return a < b ? a : b; }
  static float maximum(float a, float b) { return a > b ? a : b; }
  static float least(float a) { return a; }
  static float largest(float a) { return a; }
  static float to_floats(Ints a) { return static_cast<float>(static_cast<std::int32_t>(a)); }

  static Ints bits(float a) { return std::bit_cast<Ints>(a); }
  static float floats_of(Ints a) { return std::bit_cast<float>(a); }
  template <int kBits>
  static Ints shift_right(Ints a) {
    return a >> kBits;
  }
  template <int kBits>
  static Ints shift_left(Ints a) {
    return a << kBits;
  }
  /// By the lowest four bits of the index.
  static float lookup(const float (&table)[16], Ints index) { return table[index & 15]; }
  static float lookup(const std::uint32_t (&table)[16], Ints index) { return floats_of(table[index & 15]); }
  static float gather(const float* table, Ints index) { return table[index]; }
  static void gather_pairs(const float* pairs, const std::uint32_t* index, float* first, float* second) {
    *first = pairs[2 * std::size_t{*index}];
    *second = pairs[2 * std::size_t{*index} + 1];
  }

  /// Of a positive normal number: within [1, 2), and the power of two that it is to be multiplied by.
  static float mantissa(float a) { return floats_of((bits(a) & 0x007FFFFFU) | 0x3F800000U); }
  static float exponent(float a) { return static_cast<float>(static_cast<std::int32_t>(bits(a) >> 23) - 127); }
  /// Zero, subnormal, negative, infinite or NaN.
  static bool has_no_ln(float a) {
    return !(a >= std::numeric_limits<float>::min() && a <= std::numeric_limits<float>::max());
  }

  static bool greater(float a, float b) { return a > b; }
  static bool at_most(float a, float b) { return a <= b; }
  static bool differs(float a, float b) { return a != b; }
  static std::uint64_t bits(bool mask) { return mask ? 1 : 0; }
  static float choose(bool mask, float if_set, float otherwise) { return mask ? if_set : otherwise; }

  static Ints first_sum(std::int32_t /*excess*/) { return 0; }
  static Codes load_codes(const std::uint8_t* from) {
    return {{from[0] - 128, from[1] - 128, from[2] - 128, from[3] - 128}};
  }
  static Ints add_products(Ints sum, const Codes& row, Ints query_codes) {
    std::int8_t query[4];
    std::memcpy(query, &query_codes, sizeof query);
    for (std::size_t c = 0; c < 4; ++c) sum += static_cast<Ints>(row.code[c] * query[c]);
    return sum;
  }

  static std::size_t list(std::uint64_t hits, const float* values, std::uint32_t first, std::uint32_t* rows,
                          float* scores) {
    std::size_t count = 0;
    for (; hits != 0; hits &= hits - 1) {
      const auto lane = static_cast<std::uint32_t>(__builtin_ctzll(hits));
      rows[count] = first + lane;
      scores[count++] = values[lane];
    }
    return count;
  }
  static std::size_t keep(std::uint64_t kept, const std::uint32_t* from_rows, const float* from_scores,
                          std::uint32_t* rows, float* scores) {
    *rows = *from_rows;
    *scores = *from_scores;
    return kept;
  }
};

}  // namespace

const ScanKernels kScanScalar = ScanPasses<Lanes>::kernels();

}  // namespace cairn::gpu
