#include "gpu/train/k_means.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "gpu/dot_products.h"
#include "gpu/parallel.h"
#include "gpu/random.h"

namespace cairn::gpu {
namespace {

constexpr std::size_t kSlice = 1024;  ///< rows that one thread takes at once; sums depend on it, and on no thread

/// A number from 0 to 1, 1 excluded.
double draw(std::uint64_t* state) { return static_cast<double>(next_bits(state) >> 11) * 0x1p-53; }

class Grouping {
 public:
  Grouping(MatrixView rows, const KMeansOptions& options) : rows_(rows), options_(options), squares_(rows.rows) {
    result_.dim = rows.dim;
    for (std::size_t r = 0; r < rows.rows; ++r) squares_[r] = square_of(rows.row(r));
  }

  [[nodiscard]] bool finite() const {
    return std::all_of(squares_.begin(), squares_.end(), [](double square) { return std::isfinite(square); });
  }

  /// Each next center is a row, drawn with a probability that grows with the square of its distance from those there
  /// are. Rows that stand on one are not drawn.
  Status draw_centers(const Progress& progress) {
    std::uint64_t state = options_.seed;
    std::vector<double> apart(rows_.rows, std::numeric_limits<double>::infinity());
    add_center(static_cast<std::size_t>(draw(&state) * static_cast<double>(rows_.rows)), &apart);
    while (clusters() < options_.clusters) {
      CAIRN_RETURN_IF_ERROR(report_progress(progress, part(clusters())));
      double all = 0.0;
      for (const double one : apart) all += one;
      if (!(all > 0.0)) break;  // every row stands on a center
      double left = draw(&state) * all;
      std::size_t next = rows_.rows;
      for (std::size_t r = 0; r < rows_.rows && (next == rows_.rows || left >= 0.0); ++r) {
        if (apart[r] == 0.0) continue;
        next = r;  // the last that has a distance, where rounding leaves some over
        left -= apart[r];
      }
      add_center(next, &apart);
    }
    return ok_status();
  }

  Status iterate(const Progress& progress) {
    assign();
    for (; result_.iterations < options_.iterations_max; ++result_.iterations) {
      CAIRN_RETURN_IF_ERROR(report_progress(progress, part(options_.clusters + result_.iterations)));
      move_centers();
      if (!assign()) break;
    }
    return report_progress(progress, 1.0);
  }

  [[nodiscard]] KMeans take() { return std::move(result_); }

 private:
  static double square_of(std::span<const float> vector) {
    double sum = 0.0;
    for (const float value : vector) sum += static_cast<double>(value) * static_cast<double>(value);
    return sum;
  }
  [[nodiscard]] std::size_t clusters() const { return result_.centers.size() / rows_.dim; }
  [[nodiscard]] double part(std::size_t steps) const {
    return static_cast<double>(steps) / static_cast<double>(options_.clusters + options_.iterations_max + 1);
  }
  [[nodiscard]] std::size_t slices() const { return (rows_.rows + kSlice - 1) / kSlice; }
  [[nodiscard]] std::span<const float> center(std::size_t c) const {
    return std::span(result_.centers).subspan(c * rows_.dim, rows_.dim);
  }

  void add_center(std::size_t row, std::vector<double>* apart) {
    const std::span<const float> values = rows_.row(row);
    result_.centers.insert(result_.centers.end(), values.begin(), values.end());
    parallel_for(options_.threads, slices(), [&](std::size_t slice) {
      for (std::size_t r = slice * kSlice; r < std::min(rows_.rows, (slice + 1) * kSlice); ++r) {
        double sum = 0.0;
        for (std::size_t j = 0; j < rows_.dim; ++j) {
          const double off = static_cast<double>(rows_.row(r)[j]) - static_cast<double>(values[j]);
          sum += off * off;
        }
        (*apart)[r] = std::min((*apart)[r], sum);
      }
    });
  }

  /// Returns: whether any row has another center than before. Of two distances the smaller is that with the smaller
  /// ‖c‖² - 2 x·c, since ‖x‖² is in both.
  bool assign() {
    std::vector<double> squares;
    for (std::size_t c = 0; c < clusters(); ++c) squares.push_back(square_of(center(c)));
    const bool first = result_.of_row.empty();
    result_.of_row.resize(rows_.rows);
    std::vector<char> moved(slices(), 0);
    const MatrixView centers{result_.centers, clusters(), rows_.dim};
    parallel_for(options_.threads, slices(), [&](std::size_t slice) {
      const std::size_t begin = slice * kSlice;
      const std::size_t count = std::min(rows_.rows - begin, kSlice);
      std::vector<float> products(count * clusters());
      dot_products({rows_.values.subspan(begin * rows_.dim, count * rows_.dim), count, rows_.dim}, centers, 1,
                   products);
      for (std::size_t r = 0; r < count; ++r) {
        std::uint32_t best = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::uint32_t c = 0; c < clusters(); ++c) {
          const double distance = squares[c] - 2.0 * static_cast<double>(products[r * clusters() + c]);
          if (distance < least) {
            least = distance;
            best = c;
          }
        }
        if (result_.of_row[begin + r] != best) moved[slice] = 1;
        result_.of_row[begin + r] = best;
      }
    });
    return first || std::any_of(moved.begin(), moved.end(), [](char one) { return one != 0; });
  }

  /// Each to the mean of its rows. One thread, so that sums have one order; it costs a share of 1 in `clusters`.
  void move_centers() {
    std::vector<double> sums(result_.centers.size(), 0.0);
    std::vector<std::size_t> counts(clusters(), 0);
    for (std::size_t r = 0; r < rows_.rows; ++r) {
      const std::uint32_t c = result_.of_row[r];
      ++counts[c];
      const std::span<const float> row = rows_.row(r);
      for (std::size_t j = 0; j < row.size(); ++j) sums[c * rows_.dim + j] += static_cast<double>(row[j]);
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::size_t count = counts[i / rows_.dim];
      if (count > 0) result_.centers[i] = static_cast<float>(sums[i] / static_cast<double>(count));
    }
  }

  const MatrixView rows_;
  const KMeansOptions options_;
  std::vector<double> squares_;
  KMeans result_;
};

}  // namespace

Result<KMeans> k_means(MatrixView rows, const KMeansOptions& options, const Progress& progress) {
  if (rows.rows == 0 || rows.dim == 0 || rows.values.size() != rows.rows * rows.dim) {
    return invalid_argument("there are " + std::to_string(rows.values.size()) + " values for " +
                            std::to_string(rows.rows) + " x " + std::to_string(rows.dim) + " rows");
  }
  if (rows.rows > std::numeric_limits<std::uint32_t>::max()) return invalid_argument("there are too many rows");
  if (options.clusters == 0) return invalid_argument("clusters must be at least 1");
  Grouping grouping(rows, options);
  if (!grouping.finite()) return invalid_argument("a row has a value that is not finite");
  CAIRN_RETURN_IF_ERROR(grouping.draw_centers(progress));
  CAIRN_RETURN_IF_ERROR(grouping.iterate(progress));
  return grouping.take();
}

}  // namespace cairn::gpu
