#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "gpu/dense_algebra.h"

namespace cairn::gpu {
namespace {

/// QᵀAQ = T with `diagonal` and `beside` (beside[i] between i and i + 1); `rows` is Qᵀ.
struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> beside;
  std::vector<double> rows;
};

/// A -= v wᵀ + w vᵀ with w so chosen that H A H comes out, H = I - v vᵀ / half, on the square behind `first`.
void reflect_both_sides(std::size_t n, std::size_t first, const std::vector<double>& v, double half,
                        std::vector<double>* a) {
  std::vector<double> w(n, 0.0);
  double product = 0.0;
  for (std::size_t r = first; r < n; ++r) {
    for (std::size_t c = first; c < n; ++c) w[r] += (*a)[r * n + c] * v[c];
    w[r] /= half;
    product += w[r] * v[r];
  }
  for (std::size_t r = first; r < n; ++r) w[r] -= product / (2.0 * half) * v[r];
  for (std::size_t r = first; r < n; ++r) {
    for (std::size_t c = first; c < n; ++c) (*a)[r * n + c] -= v[r] * w[c] + w[r] * v[c];
  }
}

/// rows = rows · H; the rows before `first` are those of I and stay.
void reflect_rows(std::size_t n, std::size_t first, const std::vector<double>& v, double half,
                  std::vector<double>* rows) {
  for (std::size_t r = first; r < n; ++r) {
    double* row = rows->data() + r * n;
    double product = 0.0;
    for (std::size_t c = first; c < n; ++c) product += row[c] * v[c];
    product /= half;
    for (std::size_t c = first; c < n; ++c) row[c] -= product * v[c];
  }
}

/// Householder's reduction: reflection k clears column k below the place beside the diagonal.
Tridiagonal tridiagonal_of(std::size_t n, std::vector<double> a) {
  Tridiagonal result{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n * n)};
  std::vector<std::pair<std::vector<double>, double>> reflections;
  for (std::size_t k = 0; k + 1 < n; ++k) {
    std::vector<double> v(n, 0.0);
    double square = 0.0;
    for (std::size_t r = k + 1; r < n; ++r) {
      v[r] = a[r * n + k];
      square += v[r] * v[r];
    }
    const double length = std::copysign(std::sqrt(square), -v[k + 1]);
    result.beside[k] = length;
    v[k + 1] -= length;
    const double half = square - length * a[(k + 1) * n + k];  // vᵀv / 2
    if (k + 2 < n && half > 0.0) {
      reflect_both_sides(n, k + 1, v, half, &a);
      reflections.emplace_back(std::move(v), half);
    } else {
      result.beside[k] = a[(k + 1) * n + k];
      reflections.emplace_back();
    }
  }
  for (std::size_t i = 0; i < n; ++i) result.diagonal[i] = a[i * n + i];
  for (std::size_t i = 0; i < n; ++i) result.rows[i * n + i] = 1.0;
  for (std::size_t k = reflections.size(); k-- > 0;) {
    const auto& [v, half] = reflections[k];
    if (!v.empty()) reflect_rows(n, k + 1, v, half, &result.rows);
  }
  return result;
}

void rotate(std::size_t n, double cosine, double sine, double* first, double* second) {
  for (std::size_t i = 0; i < n; ++i) {
    const double before = second[i];
    second[i] = sine * first[i] + cosine * before;
    first[i] = cosine * first[i] - sine * before;
  }
}

/// One implicitly shifted QL step (Bowdler, Martin, Reinsch and Wilkinson, Numerische Mathematik 11, 1968) on the rows
/// [first, last] of T.
void ql_step(std::size_t n, std::size_t first, std::size_t last, Tridiagonal* t) {
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
    rotate(n, cosine, sine, t->rows.data() + i * n, t->rows.data() + (i + 1) * n);
  }
  d[first] -= shift;
  e[first] = bulge;
  e[last] = 0.0;
}

/// The last row of the part of T that begins at `first` and has nothing negligible beside its diagonal.
std::size_t end_of_part(std::size_t n, std::size_t first, const Tridiagonal& t) {
  std::size_t last = first;
  while (last + 1 < n &&
         std::fabs(t.beside[last]) >
             std::numeric_limits<double>::epsilon() * (std::fabs(t.diagonal[last]) + std::fabs(t.diagonal[last + 1]))) {
    ++last;
  }
  return last;
}

}  // namespace

SymmetricEigen symmetric_eigen(std::size_t n, std::span<const double> matrix) {
  CAIRN_CHECK(matrix.size() == n * n);
  constexpr int kStepsMax = 100;  // for one value; a few are enough
  Tridiagonal t = tridiagonal_of(n, {matrix.begin(), matrix.end()});
  for (std::size_t first = 0; first < n; ++first) {
    std::size_t last = end_of_part(n, first, t);
    for (int step = 0; last != first && step < kStepsMax; ++step, last = end_of_part(n, first, t)) {
      ql_step(n, first, last, &t);
    }
  }
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
