#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "gpu/cpu/aligned.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kRows = 32;   ///< that one thread works on at a time
constexpr std::size_t kStrip = 32;  ///< columns that stay in a cache while all rotations are applied to them
constexpr std::size_t kLanes = 8;

/// Eight sums that are added at the end, so that they do not wait for one another.
double dot(const double* a, const double* b, std::size_t count) {
  double sums[kLanes] = {};
  for (; count >= kLanes; count -= kLanes, a += kLanes, b += kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) sums[i] += a[i] * b[i];
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  for (const double part : sums) sum += part;
  return sum;
}

/// values -= factor · others.
void subtract_scaled(double factor, const double* __restrict others, std::size_t count, double* __restrict values) {
  for (; count >= kLanes; count -= kLanes, others += kLanes, values += kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) values[i] -= factor * others[i];
  }
  for (std::size_t i = 0; i < count; ++i) values[i] -= factor * others[i];
}

void for_rows(std::size_t begin, std::size_t end, std::size_t threads, const std::function<void(std::size_t)>& work) {
  parallel_for(threads, (end - begin + kRows - 1) / kRows, [&](std::size_t part) {
    const std::size_t first = begin + part * kRows;
    for (std::size_t r = first; r < std::min(end, first + kRows); ++r) work(r);
  });
}

/// H = I - v vᵀ / half; v is zero before `first`. Empty: H = I.
struct Reflection {
  std::vector<double> v;
  double half = 0.0;
};

/// QᵀAQ = T with `diagonal` and `beside` (beside[i] between i and i + 1); `rows` is Qᵀ.
struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> beside;
  std::vector<double> rows;
};

/// The reflection that takes the column below the diagonal of column k to a multiple of its first element.
Reflection reflection_of(std::size_t n, std::size_t k, const std::vector<double>& a, double* beside) {
  const std::size_t first = k + 1;
  *beside = a[first * n + k];
  Reflection reflection;
  std::vector<double> v(n, 0.0);
  for (std::size_t r = first; r < n; ++r) v[r] = a[r * n + k];
  const double square = dot(v.data() + first, v.data() + first, n - first);
  const double length = std::copysign(std::sqrt(square), -v[first]);
  const double half = square - length * v[first];  // vᵀv / 2 for the v to come
  if (first + 1 == n || !(half > 0.0)) return reflection;
  *beside = length;
  v[first] -= length;
  return {std::move(v), half};
}

/// A = H A H on the square behind `first`, as A - v wᵀ - w vᵀ.
void reflect_both_sides(std::size_t n, std::size_t first, const Reflection& h, std::size_t threads,
                        std::vector<double>* a) {
  std::vector<double> w(n, 0.0);
  for_rows(first, n, threads,
           [&](std::size_t r) { w[r] = dot(a->data() + r * n + first, h.v.data() + first, n - first) / h.half; });
  const double product = dot(w.data() + first, h.v.data() + first, n - first);
  subtract_scaled(product / (2.0 * h.half), h.v.data() + first, n - first, w.data() + first);
  for_rows(first, n, threads, [&](std::size_t r) {
    double* row = a->data() + r * n + first;
    subtract_scaled(h.v[r], w.data() + first, n - first, row);
    subtract_scaled(w[r], h.v.data() + first, n - first, row);
  });
}

/// Householder's reduction: reflection k clears column k below the place beside the diagonal.
Tridiagonal tridiagonal_of(std::size_t n, std::vector<double> a, std::size_t threads) {
  Tridiagonal result{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n * n)};
  std::vector<Reflection> reflections;
  for (std::size_t k = 0; k + 1 < n; ++k) {
    reflections.push_back(reflection_of(n, k, a, &result.beside[k]));
    if (!reflections[k].v.empty()) reflect_both_sides(n, k + 1, reflections[k], threads, &a);
  }
  for (std::size_t i = 0; i < n; ++i) result.diagonal[i] = a[i * n + i];
  // Row r of Qᵀ = H_last … H_0, as row r of I times one after the other; those that are zero there change nothing.
  for_rows(0, n, threads, [&](std::size_t r) {
    double* row = result.rows.data() + r * n;
    row[r] = 1.0;
    for (std::size_t k = std::min(r, reflections.size()); k-- > 0;) {
      const Reflection& h = reflections[k];
      if (h.v.empty()) continue;
      const double product = dot(row + k + 1, h.v.data() + k + 1, n - k - 1) / h.half;
      subtract_scaled(product, h.v.data() + k + 1, n - k - 1, row + k + 1);
    }
  });
  return result;
}

/// Of the rows `row` and `row` + 1.
struct Rotation {
  std::size_t row;
  double cosine;
  double sine;
};

/// One implicitly shifted QL step (Bowdler, Martin, Reinsch and Wilkinson, Numerische Mathematik 11, 1968) on the rows
/// [first, last] of T.
void ql_step(std::size_t first, std::size_t last, Tridiagonal* t, std::vector<Rotation>* rotations) {
  std::vector<double>& d = t->diagonal;
  std::vector<double>& e = t->beside;
  const double slope = (d[first + 1] - d[first]) / (2.0 * e[first]);
  double bulge = d[last] - d[first] + e[first] / (slope + std::copysign(std::hypot(slope, 1.0), slope));
  double cosine = 1.0;
  double sine = 1.0;
  double shift = 0.0;
  for (std::size_t i = last; i-- > first;) {
    const double out = sine * e[i];
    const double in = cosine * e[i];
    const double length = std::hypot(out, bulge);
    e[i + 1] = length;
    if (length == 0.0) {  // T has come apart here
      d[i + 1] -= shift;
      e[last] = 0.0;
      return;
    }
    sine = out / length;
    cosine = bulge / length;
    const double kept = d[i + 1] - shift;
    const double turned = (d[i] - kept) * sine + 2.0 * cosine * in;
    shift = sine * turned;
    d[i + 1] = kept + shift;
    bulge = cosine * turned - in;
    rotations->push_back({i, cosine, sine});
  }
  d[first] -= shift;
  e[first] = bulge;
  e[last] = 0.0;
}

/// The last row of the part of T that begins at `first` and has nothing negligible beside its diagonal.
std::size_t end_of_part(std::size_t first, const Tridiagonal& t) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const std::vector<double>& d = t.diagonal;
  std::size_t last = first;
  while (last + 1 < d.size() && std::fabs(t.beside[last]) > kEpsilon * (std::fabs(d[last]) + std::fabs(d[last + 1]))) {
    ++last;
  }
  return last;
}

/// Makes T diagonal. What that does to the rows is only written down.
std::vector<Rotation> diagonalize(Tridiagonal* t) {
  constexpr int kStepsMax = 100;  // for one value; a few are enough
  std::vector<Rotation> rotations;
  for (std::size_t first = 0; first < t->diagonal.size(); ++first) {
    std::size_t last = end_of_part(first, *t);
    for (int step = 0; last != first && step < kStepsMax; ++step, last = end_of_part(first, *t)) {
      ql_step(first, last, t, &rotations);
    }
  }
  return rotations;
}

void rotate(const Rotation& rotation, double* rows) {
  double* __restrict first = rows + rotation.row * kStrip;
  double* __restrict second = first + kStrip;
  for (std::size_t i = 0; i < kStrip; ++i) {
    const double before = second[i];
    second[i] = rotation.sine * first[i] + rotation.cosine * before;
    first[i] = rotation.cosine * first[i] - rotation.sine * before;
  }
}

void rotate_rows(std::size_t n, const std::vector<Rotation>& rotations, std::size_t threads,
                 std::vector<double>* rows) {
  parallel_for(threads, (n + kStrip - 1) / kStrip, [&](std::size_t part) {
    const std::size_t begin = part * kStrip;
    const std::size_t count = std::min(kStrip, n - begin);
    AlignedVector<double> strip(n * kStrip);
    for (std::size_t r = 0; r < n; ++r) std::copy_n(rows->data() + r * n + begin, count, strip.data() + r * kStrip);
    for (const Rotation& rotation : rotations) rotate(rotation, strip.data());
    for (std::size_t r = 0; r < n; ++r) std::copy_n(strip.data() + r * kStrip, count, rows->data() + r * n + begin);
  });
}

}  // namespace

SymmetricEigen symmetric_eigen(std::size_t n, std::span<const double> matrix, std::size_t threads) {
  CAIRN_CHECK(matrix.size() == n * n);
  Tridiagonal t = tridiagonal_of(n, {matrix.begin(), matrix.end()}, threads);
  const std::vector<Rotation> rotations = diagonalize(&t);
  rotate_rows(n, rotations, threads, &t.rows);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return t.diagonal[a] > t.diagonal[b]; });
  SymmetricEigen result;
  for (const std::size_t i : order) {
    result.values.push_back(t.diagonal[i]);
    result.vectors.insert(result.vectors.end(), t.rows.begin() + static_cast<std::ptrdiff_t>(i * n),
                          t.rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
  }
  return result;
}

}  // namespace cairn::gpu
