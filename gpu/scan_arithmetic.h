#pragma once

// The arithmetic of the scan's terms, written once for all instruction sets and for CUDA devices. `L` has some numbers
// in a register and the operations on them, each rounded once, as IEEE 754 says: the same operations in the same order
// give the same bits on all. What includes this is compiled so that no product and sum become one operation.

#include <cstddef>

#include "gpu/scan_numbers.h"

// How functions are declared; device code has a word of its own for it.
#if !defined(CAIRN_SCAN_INLINE)
#define CAIRN_SCAN_INLINE static inline __attribute__((always_inline))
#endif

namespace cairn::gpu {

/// `Tables` has the arrays that are looked up, as L::lookup() takes them.
template <class L, class Tables>
struct ScanArithmetic {
  using Floats = typename L::Floats;
  using Ints = typename L::Ints;
  using Mask = typename L::Mask;

  /// c[kFrom] + c[kFrom + 1] x + …
  template <const auto& kCoefficients, std::size_t kFrom = 0>
  CAIRN_SCAN_INLINE Floats polynomial(Floats x) {
    // A constant of its own, because device code has numbers but not the arrays of the host.
    constexpr float kFirst = kCoefficients[kFrom];
    if constexpr ((kFrom + 1) * sizeof(float) == sizeof(kCoefficients)) {
      return L::fill(kFirst);
    } else {
      return L::fma(polynomial<kCoefficients, kFrom + 1>(x), x, L::fill(kFirst));
    }
  }

  /// How far some rows are from the query, in units of kScanUnitKm, given the differences of their coordinates.
  ///
  /// With h = sin²(half the angle) = chord² / 4, the angle is 2 asin(√h). Beyond a quarter of the Earth's circumference
  /// it is π - 2 asin(√(1 - h)), so that one polynomial, for up to 1/2, serves all distances. Most rows are near, and a
  /// shorter one serves them; the longer is left out where no row of a register needs it.
  CAIRN_SCAN_INLINE Floats distance(Ints difference_x, Ints difference_y, Ints difference_z) {
    // Integers of 2^30 a radius. A difference of 2^31 wraps to -2^31, whose square is the same.
    const Floats x = L::to_floats(difference_x);
    const Floats y = L::to_floats(difference_y);
    const Floats z = L::to_floats(difference_z);
    const Floats chord_squared = L::fma(x, x, L::fma(y, y, L::multiply(z, z)));
    // The root is √h times 2^31: so the result has its unit, and h itself is not needed.
    const Floats near = L::multiply(L::root(chord_squared), polynomial<kShortArcs>(chord_squared));
    const Mask beyond = L::greater(chord_squared, L::fill(kShortArcsUpTo));
    if (L::bits(beyond) == 0) [[likely]]
      return near;
    const Floats h = L::multiply(chord_squared, L::fill(0x1p-62F));
    // 1 - h may come out a little below 0 at the antipode.
    const Floats other = L::maximum(L::subtract(L::fill(1.0F), h), L::fill(0.0F));
    const Floats g = L::minimum(h, other);
    const Floats arc = L::multiply(L::multiply(L::root(g), polynomial<kArcs>(g)), L::fill(1.0F / kScanUnitKm));
    const Floats half_turn = L::fill(kHalfTurnKm / kScanUnitKm);
    const Floats far = L::choose(L::greater(h, L::fill(0.5F)), L::subtract(half_turn, arc), arc);
    return L::choose(beyond, far, near);
  }

  /// ln(x) of positive normal numbers.
  CAIRN_SCAN_INLINE Floats ln(const Tables& tables, Floats x) {
    const Ints interval = L::template shift_right<19>(L::bits(x));
    const Floats f = L::fma(L::mantissa(x), L::lookup(tables.ln_inverse, interval), L::fill(-1.0F));
    const Floats whole = L::fma(L::exponent(x), L::fill(kLn2), L::lookup(tables.ln_middle, interval));
    const Floats rest = L::fma(f, L::fill(kLnB), L::fill(kLnA));
    return L::fma(f, L::fma(f, rest, L::fill(1.0F)), whole);
  }

  /// exp(-per_unit · distance), given -per_unit / ln 2 and the distance beyond which it does not change any more.
  CAIRN_SCAN_INLINE Floats decay(const Tables& tables, float per_unit, float units_max, Floats distance) {
    const Floats near = L::minimum(distance, L::fill(units_max));
    const Floats factor = L::fill(per_unit);
    const Floats shifted = L::fma(near, factor, L::fill(kSixteenths));
    const Floats f = L::fma(near, factor, L::subtract(L::fill(kSixteenths), shifted));
    const Ints sixteenths = L::bits(shifted);
    const Floats power =
        L::floats_of(L::add(L::template shift_left<19>(sixteenths), L::bits(L::lookup(tables.exp_bits, sixteenths))));
    const Floats rest = L::fma(L::fma(f, L::fill(kExpC), L::fill(kExpB)), f, L::fill(kExpA));
    return L::fma(L::multiply(f, power), rest, power);
  }
};

}  // namespace cairn::gpu
