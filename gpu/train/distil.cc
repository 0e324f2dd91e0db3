#include "gpu/train/distil.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <utility>

#include "gpu/backend.h"
#include "gpu/cpu/dense.h"
#include "gpu/cpu/panels.h"
#include "gpu/dense_algebra.h"
#include "gpu/parallel.h"
#include "gpu/train/interactions.h"

namespace cairn::gpu {
namespace {

/// Eigenvalues of Gram matrices below this part of the largest are rounding.
constexpr double kSquareMin = 1e-6;
/// Rows that one thread solves one after the other.
constexpr std::size_t kRowsPerChunk = 64;

/// Row-major.
struct Square {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> values = {};

  Square(std::size_t r, std::size_t c) : rows(r), columns(c), values(r * c) {}
  [[nodiscard]] double& at(std::size_t r, std::size_t c) { return values[r * columns + c]; }
  [[nodiscard]] double at(std::size_t r, std::size_t c) const { return values[r * columns + c]; }
};

/// a · bᵀ.
Square product_with_transposed(const Square& a, const Square& b) {
  Square result(a.rows, b.rows);
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c < b.rows; ++c) {
      for (std::size_t k = 0; k < a.columns; ++k) result.at(r, c) += a.at(r, k) * b.at(c, k);
    }
  }
  return result;
}

Square transposed(const Square& a) {
  Square result(a.columns, a.rows);
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c < a.columns; ++c) result.at(c, r) = a.at(r, c);
  }
  return result;
}

Square gram_of(const MatrixView& rows, std::size_t threads) {
  std::vector<float> gram(rows.dim * rows.dim);
  gram_matrix(rows, gram, threads);
  Square result(rows.dim, rows.dim);
  std::copy(gram.begin(), gram.end(), result.values.begin());
  return result;
}

/// With rows = Q R and orthonormal columns of Q: R, and R⁺ such that Q = rows · R⁺. Directions that the rows do not
/// have are zero in both.
struct Factor {
  Square r;
  Square inverse;
};

Factor factor_of(const MatrixView& rows, std::size_t threads) {
  const std::size_t n = rows.dim;
  const SymmetricEigen eigen = symmetric_eigen(n, gram_of(rows, threads).values, threads);
  Factor factor{Square(n, n), Square(n, n)};
  for (std::size_t k = 0; k < n && eigen.values[k] > kSquareMin * eigen.values[0]; ++k) {
    const double root = std::sqrt(eigen.values[k]);
    for (std::size_t i = 0; i < n; ++i) {
      factor.r.at(k, i) = root * eigen.vectors[k * n + i];
      factor.inverse.at(i, k) = eigen.vectors[k * n + i] / root;
    }
  }
  return factor;
}

/// rows · square.
std::vector<float> times(const MatrixView& rows, const Square& square, std::size_t threads) {
  const std::vector<float> right(square.values.begin(), square.values.end());
  std::vector<float> result(rows.rows * square.columns);
  gemm({.rows = rows.rows,
        .columns = square.columns,
        .inner = rows.dim,
        .a = {rows.values.data(), rows.dim, false},
        .b = {right.data(), square.columns, false},
        .beta = 0.0F,
        .c = result.data(),
        .c_stride = square.columns},
       threads);
  return result;
}

/// What projects the teacher's vectors.
struct Maps {
  Square users;  ///< teacher dim × student dim
  Square items;
};

/// With users = Q_u A and items = Q_v B, the score matrix is Q_u A Bᵀ Q_vᵀ, and its right singular vectors are Q_v Y
/// for those Y of A Bᵀ, its singular values Σ are the same. Items become Q_v Y √Σ, users their scores · Q_v Y / √Σ.
Maps maps_of(const Teacher& teacher, std::size_t dim, std::size_t threads) {
  const Factor users = factor_of(teacher.users, threads);
  const Factor items = factor_of(teacher.items, threads);
  const Square middle = transposed(product_with_transposed(users.r, items.r));  // B Aᵀ
  const std::size_t n = middle.rows;
  const SymmetricEigen eigen = symmetric_eigen(n, product_with_transposed(middle, middle).values, threads);
  Square to_users(dim, n);  // rows of Yᵀ / √Σ and Yᵀ √Σ
  Square to_items(dim, n);
  for (std::size_t k = 0; k < dim && eigen.values[k] > kSquareMin * kSquareMin * eigen.values[0]; ++k) {
    const double root = std::sqrt(std::sqrt(eigen.values[k]));
    for (std::size_t i = 0; i < n; ++i) {
      to_users.at(k, i) = eigen.vectors[k * n + i] / root;
      to_items.at(k, i) = eigen.vectors[k * n + i] * root;
    }
  }
  return {product_with_transposed(transposed(items.r), to_users), product_with_transposed(items.inverse, to_items)};
}

/// One side of the student, while the other is fixed.
struct Step {
  MatrixView teacher_rows;   ///< of the side that is solved for
  MatrixView teacher_fixed;  ///< of the other side
  MatrixView fixed;          ///< the student's vectors of the other side
  SparseView interactions;   ///< by row of the side that is solved for
};

Square cross_gram(const MatrixView& a, const MatrixView& b, std::size_t threads) {
  std::vector<float> product(a.dim * b.dim);
  gemm({.rows = a.dim,
        .columns = b.dim,
        .inner = a.rows,
        .a = {a.values.data(), a.dim, true},
        .b = {b.values.data(), b.dim, false},
        .beta = 0.0F,
        .c = product.data(),
        .c_stride = b.dim},
       threads);
  Square result(a.dim, b.dim);
  std::copy(product.begin(), product.end(), result.values.begin());
  return result;
}

Panels panels_of(const Square& symmetric, double ridge) {
  Panels panels(symmetric.rows);
  for (std::size_t i = 0; i < panels.padded_dim(); ++i) {
    for (std::size_t j = i / kTile * kTile; j < panels.padded_dim(); ++j) {
      const bool inside = i < symmetric.rows && j < symmetric.rows;
      const double value = inside ? symmetric.at(i, j) + (i == j ? ridge : 0.0) : (i == j ? 1.0 : 0.0);
      panels.tile(i / kTile, j / kTile)[i % kTile * kTile + j % kTile] = static_cast<float>(value);
    }
  }
  return panels;
}

/// The normal equations of one row after the other. Kept by a thread.
class RowSolver {
 public:
  RowSolver(const Step& step, const Panels& base, float interaction_weight)
      : step_(step),
        base_(base),
        root_(std::sqrt(interaction_weight)),
        kernels_(dense_kernels(best_instruction_set())) {}

  /// `vector` holds the fixed side's pull on the way in, and the solution on the way out.
  [[nodiscard]] bool solve(std::size_t row, std::span<float> vector) {
    matrix_ = base_;
    right_side_.assign(base_.padded_dim(), 0.0F);
    std::copy(vector.begin(), vector.end(), right_side_.begin());
    if (root_ > 0.0F) add_interactions(step_.interactions.columns_of(row));
    if (!factor(kernels_, &matrix_)) return false;
    solve_transposed(kernels_, matrix_, right_side_.data());
    gpu::solve(kernels_, matrix_, right_side_.data());
    std::copy_n(right_side_.begin(), vector.size(), vector.begin());
    return true;
  }

 private:
  void add_interactions(std::span<const std::uint32_t> columns) {
    const std::size_t dim = step_.fixed.dim;
    const std::size_t stride = columns.size() * kTile;
    packed_.assign(base_.tiles() * stride, 0.0F);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::span<const float> other = step_.fixed.row(columns[i]);
      for (std::size_t j = 0; j < dim; ++j) packed_[j / kTile * stride + i * kTile + j % kTile] = root_ * other[j];
    }
    add_gram(kernels_, packed_.data(), stride, columns.size(), &matrix_);
    const std::vector<float> pulls(columns.size(), -root_);
    for (std::size_t j = 0; j < base_.tiles(); ++j) {
      kernels_.subtract_combination(pulls.data(), packed_.data() + j * stride, columns.size(),
                                    right_side_.data() + j * kTile);
    }
  }

  const Step& step_;
  const Panels& base_;
  const float root_;
  const DenseKernels& kernels_;
  Panels matrix_;
  AlignedVector<float> right_side_;
  AlignedVector<float> packed_;
};

/// (Xᵀ X + λ I + c Σ x xᵀ) w = Xᵀ T t + c Σ x, with X and T the student's and the teacher's vectors of the fixed side
/// and t the teacher's of the row; sums run over the row's interactions.
Result<std::vector<float>> solve_side(const Step& step, const DistilOptions& options) {
  const Square pull = cross_gram(step.teacher_fixed, step.fixed, options.threads);
  std::vector<float> vectors = times(step.teacher_rows, pull, options.threads);
  const Panels base = panels_of(gram_of(step.fixed, options.threads), static_cast<double>(options.regularization));
  const std::size_t rows = step.teacher_rows.rows;
  std::atomic<bool> failed{false};
  parallel_for(options.threads, (rows + kRowsPerChunk - 1) / kRowsPerChunk, [&](std::size_t chunk) {
    RowSolver solver(step, base, options.interaction_weight);
    for (std::size_t r = chunk * kRowsPerChunk; r < std::min(rows, (chunk + 1) * kRowsPerChunk); ++r) {
      if (!solver.solve(r, std::span(vectors).subspan(r * options.dim, options.dim))) failed = true;
    }
  });
  if (failed) {
    return failed_precondition("the student's vectors span less than its dimensions: dim or regularization is wrong");
  }
  return vectors;
}

/// (Xᵀ X)⁻¹ Xᵀ T, transposed, for student items X and teacher items T.
Result<std::vector<float>> user_map_of(const Teacher& teacher, const MatrixView& items, std::size_t threads) {
  std::vector<float> gram(items.dim * items.dim);
  gram_matrix(items, gram, threads);
  CAIRN_RETURN_IF_ERROR(invert_positive_definite(items.dim, gram, threads));
  Square inverse(items.dim, items.dim);
  std::copy(gram.begin(), gram.end(), inverse.values.begin());
  const Square cross = cross_gram(teacher.items, items, threads);
  const Square map = product_with_transposed(cross, inverse);
  return std::vector<float>(map.values.begin(), map.values.end());
}

Status check_matrix(const MatrixView& matrix, const char* name) {
  if (matrix.rows == 0 || matrix.dim == 0 || matrix.values.size() != matrix.rows * matrix.dim) {
    return invalid_argument(std::string("the teacher's ") + name + " are not rows x dim values");
  }
  if (!std::all_of(matrix.values.begin(), matrix.values.end(), [](float value) { return std::isfinite(value); })) {
    return invalid_argument(std::string("the teacher's ") + name + " have values that are not finite");
  }
  return ok_status();
}

Status check(const Teacher& teacher, const SparseView& interactions, const DistilOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_matrix(teacher.users, "users"));
  CAIRN_RETURN_IF_ERROR(check_matrix(teacher.items, "items"));
  if (teacher.users.dim != teacher.items.dim) return invalid_argument("the teacher's users and items differ in dim");
  if (options.dim == 0 || options.dim > teacher.items.dim) {
    return invalid_argument("dim has to be between 1 and the teacher's, " + std::to_string(teacher.items.dim));
  }
  for (const float value : {options.interaction_weight, options.regularization}) {
    if (!std::isfinite(value) || value < 0.0F) {
      return invalid_argument("interaction_weight and regularization have to be finite, 0 or more");
    }
  }
  if (options.interaction_weight == 0.0F) return ok_status();
  CAIRN_RETURN_IF_ERROR(check_interactions(interactions));
  if (interactions.rows() != teacher.users.rows || interactions.width != teacher.items.rows) {
    return invalid_argument("interactions are not the teacher's users x items");
  }
  return ok_status();
}

}  // namespace

Result<Student> distil(const Teacher& teacher, const SparseView& interactions, const DistilOptions& options,
                       const Progress& progress) {
  CAIRN_RETURN_IF_ERROR(check(teacher, interactions, options));
  const std::size_t steps = 2 * options.epochs + 1;
  const auto report = [&](std::size_t done) {
    return report_progress(progress, static_cast<double>(done) / static_cast<double>(steps));
  };
  CAIRN_RETURN_IF_ERROR(report(0));
  const Maps maps = maps_of(teacher, options.dim, options.threads);
  Student student{.dim = options.dim,
                  .users = times(teacher.users, maps.users, options.threads),
                  .items = times(teacher.items, maps.items, options.threads),
                  .user_map = {maps.users.values.begin(), maps.users.values.end()}};
  CAIRN_RETURN_IF_ERROR(report(1));

  const auto view = [&](const std::vector<float>& vectors) {
    return MatrixView{vectors, vectors.size() / options.dim, options.dim};
  };
  const SparseMatrix by_item = options.interaction_weight > 0.0F ? transposed(interactions) : SparseMatrix{};
  for (std::size_t epoch = 0; epoch < options.epochs; ++epoch) {
    CAIRN_ASSIGN_OR_RETURN(student.users,
                           solve_side({teacher.users, teacher.items, view(student.items), interactions}, options));
    CAIRN_RETURN_IF_ERROR(report(2 * epoch + 2));
    CAIRN_ASSIGN_OR_RETURN(student.items,
                           solve_side({teacher.items, teacher.users, view(student.users), by_item.view()}, options));
    CAIRN_RETURN_IF_ERROR(report(2 * epoch + 3));
  }
  if (options.epochs > 0) {
    CAIRN_ASSIGN_OR_RETURN(student.user_map, user_map_of(teacher, view(student.items), options.threads));
  }
  return student;
}

}  // namespace cairn::gpu
