#include "gpu/train/ease.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "gpu/cpu/buffer.h"
#include "gpu/cpu/sparse_product.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"
#include "gpu/train/interactions.h"
#include "gpu/train/kept_rows.h"

namespace cairn::gpu {
namespace {

/// Rows of weights that are made at a time.
constexpr std::size_t kRows = 256;
/// What 1 - W_jj counts as at least: below this it is rounding.
constexpr double kRestMin = 1e-6;
/// Where inverting ends, as a part of the whole work.
constexpr double kInverted = 0.8;

Status check_options(const EaseOptions& options) {
  for (const float value : {options.user_exponent, options.item_offset, options.item_slope, options.item_exponent,
                            options.diagonal_exponent, options.output_exponent}) {
    if (!std::isfinite(value)) return invalid_argument("exponents, item_offset and item_slope have to be finite");
  }
  if (!(options.regularization > 0.0F) || !std::isfinite(options.regularization)) {
    return invalid_argument("regularization has to be finite and positive");
  }
  if (options.item_offset < 0.0F || options.item_slope < 0.0F || options.item_offset + options.item_slope <= 0.0F) {
    return invalid_argument("item_offset and item_slope have to be 0 or more, one of them positive");
  }
  if (options.keep == 0) return invalid_argument("keep has to be at least 1");
  return ok_status();
}

std::vector<float> scales(std::span<const std::uint32_t> degrees, float offset, float slope, float exponent) {
  std::vector<float> result(degrees.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double degree = std::max(1.0, static_cast<double>(degrees[i]));
    const double base = static_cast<double>(offset) + static_cast<double>(slope) * degree;
    result[i] = static_cast<float>(std::pow(base, static_cast<double>(exponent)));
  }
  return result;
}

/// The interactions as they are learned from.
struct Problem {
  SparseMatrix by_user;           ///< R
  SparseMatrix by_item;           ///< Rᵀ
  std::vector<float> item_scale;  ///< g
  std::vector<float> output;      ///< d^output_exponent

  [[nodiscard]] std::size_t users() const { return by_item.width; }
  [[nodiscard]] std::size_t items() const { return by_user.width; }
};

Problem problem_of(const SparseView& interactions, const EaseOptions& options) {
  const std::vector<std::uint32_t> degrees = column_degrees(interactions);
  Problem problem;
  problem.item_scale = scales(degrees, options.item_offset, options.item_slope, -options.item_exponent);
  problem.output = scales(degrees, 0.0F, 1.0F, options.output_exponent);
  problem.by_user =
      scaled(interactions, scales(row_degrees(interactions), 0.0F, 1.0F, -options.user_exponent), problem.item_scale);
  problem.by_item = transposed(problem.by_user.view());
  return problem;
}

/// matrix = rows · rowsᵀ + ridge · I, where `turned` is rowsᵀ.
void add_products(const SparseView& rows, const SparseView& turned, float ridge, float* matrix, std::size_t threads) {
  const std::size_t n = rows.rows();
  parallel_for(threads, n, [&](std::size_t r) {
    float* sums = matrix + r * n;
    std::fill_n(sums, n, 0.0F);
    for (std::size_t entry = rows.offsets[r]; entry < rows.offsets[r + 1]; ++entry) {
      const std::size_t column = rows.columns[entry];
      for (std::size_t other = turned.offsets[column]; other < turned.offsets[column + 1]; ++other) {
        sums[turned.columns[other]] += rows.value(entry) * turned.value(other);
      }
    }
    sums[r] += ridge;
  });
}

/// W, some rows at a time, from an inverse.
class Weights {
 public:
  virtual ~Weights() = default;

  /// Side of the matrix to invert.
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// Floats that `rows` needs beside the matrix and what it writes.
  [[nodiscard]] virtual std::size_t scratch() const = 0;
  virtual void fill(float* matrix) const = 0;
  /// 1 - W_jj of every item.
  [[nodiscard]] virtual std::vector<double> rests(const float* inverse) const = 0;
  /// The rows [first, first + rows.size() / items) of W, but for what is on its diagonal.
  virtual void rows(const float* inverse, std::size_t first, std::span<float> rows) = 0;

 protected:
  Weights(const Problem& problem, const EaseOptions& options)
      : problem_(problem), regularization_(options.regularization), threads_(options.threads) {}
  Weights(const Weights&) = default;
  Weights& operator=(const Weights&) = delete;

  const Problem& problem_;
  const float regularization_;
  const std::size_t threads_;
};

/// W = I - λ (RᵀR + λ I)⁻¹.
class PrimalWeights final : public Weights {
 public:
  PrimalWeights(const Problem& problem, const EaseOptions& options) : Weights(problem, options) {}

  [[nodiscard]] std::size_t size() const override { return problem_.items(); }
  [[nodiscard]] std::size_t scratch() const override { return 0; }
  void fill(float* matrix) const override {
    add_products(problem_.by_item.view(), problem_.by_user.view(), regularization_, matrix, threads_);
  }

  [[nodiscard]] std::vector<double> rests(const float* inverse) const override {
    std::vector<double> result(size());
    for (std::size_t j = 0; j < result.size(); ++j) {
      result[j] = static_cast<double>(regularization_) * static_cast<double>(inverse[j * size() + j]);
    }
    return result;
  }

  void rows(const float* inverse, std::size_t first, std::span<float> rows) override {
    const float* from = inverse + first * size();
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = -regularization_ * from[i];
  }
};

/// W = Rᵀ (R Rᵀ + λ I)⁻¹ R.
class DualWeights final : public Weights {
 public:
  DualWeights(const Problem& problem, const EaseOptions& options) : Weights(problem, options) {}

  [[nodiscard]] std::size_t size() const override { return problem_.users(); }
  [[nodiscard]] std::size_t scratch() const override { return kRows * (2 * problem_.users() + problem_.items()); }
  void fill(float* matrix) const override {
    add_products(problem_.by_user.view(), problem_.by_item.view(), regularization_, matrix, threads_);
  }

  [[nodiscard]] std::vector<double> rests(const float* inverse) const override {
    const SparseView items = problem_.by_item.view();
    std::vector<double> result(items.rows());
    parallel_for(threads_, result.size(), [&](std::size_t j) {
      double sum = 0.0;
      for (std::size_t a = items.offsets[j]; a < items.offsets[j + 1]; ++a) {
        const float* row = inverse + items.columns[a] * size();
        double part = 0.0;
        for (std::size_t b = items.offsets[j]; b < items.offsets[j + 1]; ++b) {
          part += static_cast<double>(items.value(b)) * static_cast<double>(row[items.columns[b]]);
        }
        sum += part * static_cast<double>(items.value(a));
      }
      result[j] = 1.0 - sum;
    });
    return result;
  }

  void rows(const float* inverse, std::size_t first, std::span<float> rows) override {
    const SparseView items = problem_.by_item.view();
    const std::size_t count = rows.size() / items.rows();
    by_user_.resize(count * size());
    turned_.resize(count * size());
    columns_.resize(count * items.rows());
    const SparseView block{items.offsets.subspan(first, count + 1), items.columns, items.values, items.width};
    multiply_sparse(block, inverse, size(), by_user_.data(), threads_);
    transpose_dense(by_user_.data(), count, size(), turned_.data(), threads_);
    multiply_sparse(items, turned_.data(), count, columns_.data(), threads_);
    transpose_dense(columns_.data(), items.rows(), count, rows.data(), threads_);
  }

 private:
  std::vector<float> by_user_;  ///< rows × users: rows of RᵀK
  std::vector<float> turned_;   ///< users × rows
  std::vector<float> columns_;  ///< items × rows
};

std::size_t bytes_needed(const Problem& problem, const Weights& weights, std::size_t keep) {
  constexpr std::size_t kBlockColumns = 2 * 1024;  // of the inverse's blocks
  const std::size_t n = weights.size();
  return sizeof(float) * (n * (n + kBlockColumns) + weights.scratch() + kRows * problem.items() +
                          2 * problem.items() * std::min(keep, problem.items()));
}

std::unique_ptr<Weights> choose(const Problem& problem, const EaseOptions& options) {
  const bool dual = options.form == EaseOptions::Form::kAuto ? problem.users() < problem.items()
                                                             : options.form == EaseOptions::Form::kDual;
  if (dual) return std::make_unique<DualWeights>(problem, options);
  return std::make_unique<PrimalWeights>(problem, options);
}

Result<Buffer> room_for(const Problem& problem, const Weights& weights, const EaseOptions& options) {
  const std::size_t needed = bytes_needed(problem, weights, options.keep);
  const std::string shape = std::to_string(problem.users()) + " users and " + std::to_string(problem.items()) +
                            " items need " + std::to_string((needed >> 20) + 1) + " MiB";
  if (needed > options.memory_max_bytes) {
    return resource_exhausted(shape + ", more than the " + std::to_string(options.memory_max_bytes >> 20) +
                              " MiB allowed");
  }
  try {
    return Buffer(weights.size() * weights.size() * sizeof(float));
  } catch (const std::bad_alloc&) {
    return resource_exhausted(shape + ", more than this machine gives");
  }
}

/// g_i · W_ij · factor_j for the rows of W from `first` on.
void scale_rows(const Problem& problem, std::span<const float> factors, std::size_t first, std::span<float> rows,
                std::size_t threads) {
  const std::size_t items = problem.items();
  parallel_for(threads, rows.size() / items, [&](std::size_t r) {
    const float scale = problem.item_scale[first + r];
    for (std::size_t j = 0; j < items; ++j) rows[r * items + j] *= scale * factors[j];
  });
}

/// What the diagonal and the degree of an item make of its column.
std::vector<float> column_factors(const Problem& problem, const std::vector<double>& rests, float exponent) {
  std::vector<float> factors(rests.size());
  for (std::size_t j = 0; j < factors.size(); ++j) {
    const double rest = std::pow(std::max(kRestMin, rests[j]), -static_cast<double>(exponent));
    factors[j] = static_cast<float>(rest * static_cast<double>(problem.output[j]));
  }
  return factors;
}

}  // namespace

Result<SparseWeights> train_ease(const SparseView& interactions, const EaseOptions& options, const Progress& progress) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  CAIRN_RETURN_IF_ERROR(check_interactions(interactions));
  const Problem problem = problem_of(interactions, options);
  const std::unique_ptr<Weights> weights = choose(problem, options);
  CAIRN_ASSIGN_OR_RETURN(Buffer matrix, room_for(problem, *weights, options));
  float* const inverse = matrix.as<float>();
  const std::size_t n = weights->size();
  weights->fill(inverse);
  CAIRN_RETURN_IF_ERROR(
      invert_positive_definite(n, {inverse, n * n}, options.threads, part_of(progress, 0.0, kInverted))
          .with_context("regularization may be too small"));

  const std::size_t items = problem.items();
  const std::vector<float> factors = column_factors(problem, weights->rests(inverse), options.diagonal_exponent);
  KeptRows kept(items, options.keep, options.kept_by);
  std::vector<float> block(std::min(kRows, items) * items);
  const Progress rest = part_of(progress, kInverted, 1.0);
  for (std::size_t first = 0; first < items; first += kRows) {
    CAIRN_RETURN_IF_ERROR(report_progress(rest, static_cast<double>(first) / static_cast<double>(items)));
    const std::span<float> rows = std::span(block).first(std::min(kRows, items - first) * items);
    weights->rows(inverse, first, rows);
    scale_rows(problem, factors, first, rows, options.threads);
    kept.put(first, rows, options.threads);
  }
  CAIRN_RETURN_IF_ERROR(report_progress(rest, 1.0));
  return std::move(kept).finish();
}

}  // namespace cairn::gpu
