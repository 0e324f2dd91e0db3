// Implicit alternating least squares: interactions that an epoch takes up in a second, on one thread.
//
// The peer is the loop that one would write first, and that libraries without blocked kernels run: for each row, the
// normal equations from the Gram matrix and one outer product an interaction, then Cholesky, in plain loops, on one
// thread as well. It is timed on a sample of rows, and its solutions are those that ours are checked against.
// Interactions are synthetic: degrees of users and items follow power laws, 25 interactions a user.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/plain_cholesky.h"
#include "bench/report.h"
#include "gpu/dense_algebra.h"
#include "gpu/sparse_matrix.h"
#include "gpu/train/ials.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

void must(const Status& status) { CAIRN_CHECK_MSG(status.ok(), status.to_string()); }

SparseMatrix synthetic(std::size_t users, std::size_t items, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto below_one = [&] { return (static_cast<double>(random()) + 0.5) / 4294967296.0; };
  SparseMatrix matrix{.offsets = {0}, .width = items};
  for (std::size_t u = 0; u < users; ++u) {
    const auto degree = static_cast<std::size_t>(std::min(10.0 * std::pow(below_one(), -0.6), 1000.0));
    std::vector<std::uint32_t> row;
    for (std::size_t i = 0; i < degree; ++i) {  // the density of an item's rank falls with its 0.6th power
      row.push_back(static_cast<std::uint32_t>(static_cast<double>(items) * std::pow(below_one(), 2.5)));
    }
    std::sort(row.begin(), row.end());
    row.erase(std::unique(row.begin(), row.end()), row.end());
    matrix.columns.insert(matrix.columns.end(), row.begin(), row.end());
    matrix.offsets.push_back(matrix.columns.size());
  }
  return matrix;
}

/// One row by the normal equations, element by element.
void solve_plainly(const SparseView& rows, std::size_t r, const std::vector<float>& gram, const float* fixed,
                   const IalsOptions& options, std::vector<float>* matrix, float* vector) {
  const std::size_t dim = options.dim;
  const double alpha = static_cast<double>(options.objective.unobserved_weight);
  const auto lambda = static_cast<float>(
      static_cast<double>(options.objective.regularization) *
      std::pow(static_cast<double>(rows.columns_of(r).size()) + alpha * static_cast<double>(rows.width),
               static_cast<double>(options.objective.frequency_exponent)));
  for (std::size_t i = 0; i < dim * dim; ++i) (*matrix)[i] = options.objective.unobserved_weight * gram[i];
  for (std::size_t i = 0; i < dim; ++i) (*matrix)[i * dim + i] += lambda;
  std::fill_n(vector, dim, 0.0F);
  for (const std::uint32_t column : rows.columns_of(r)) {
    const float* x = fixed + column * dim;
    for (std::size_t i = 0; i < dim; ++i) {
      vector[i] += x[i];
      for (std::size_t j = 0; j <= i; ++j) (*matrix)[i * dim + j] += x[i] * x[j];
    }
  }
  bench::plain_cholesky(dim, matrix);
  bench::plain_solve(dim, *matrix, vector, vector);
}

struct Peer {
  double seconds = 0.0;
  std::size_t interactions = 0;
};

/// Solves every `step`-th row and compares with `ours`, if given.
Peer run_peer(const SparseView& rows, const std::vector<float>& fixed, const IalsOptions& options, std::size_t step,
              const std::vector<float>* ours) {
  const std::size_t dim = options.dim;
  std::vector<float> gram(dim * dim);
  gram_matrix({fixed, fixed.size() / dim, dim}, gram, 1);
  std::vector<float> matrix(dim * dim);
  std::vector<float> vectors(rows.rows() / step * dim + dim);
  Peer peer;
  peer.seconds = bench::best_seconds(1, [&] {
    for (std::size_t r = 0; r < rows.rows(); r += step) {
      solve_plainly(rows, r, gram, fixed.data(), options, &matrix, vectors.data() + r / step * dim);
      peer.interactions += rows.columns_of(r).size();
    }
  });
  for (std::size_t r = 0; r < rows.rows() && ours != nullptr; r += step) {
    double difference = 0.0;
    double length = 0.0;
    for (std::size_t j = 0; j < dim; ++j) {
      const double expected = static_cast<double>(vectors[r / step * dim + j]);
      difference += std::pow(expected - static_cast<double>((*ours)[r * dim + j]), 2.0);
      length += expected * expected;
    }
    CAIRN_CHECK(difference <= 1e-6 * length);
  }
  return peer;
}

struct Setting {
  std::size_t dim;
  std::size_t block;  ///< 0: whole rows
};

void measure(const bench::Report& report, const SparseMatrix& by_user, const Setting& setting) {
  const IalsOptions options{.dim = setting.dim,
                            .block = setting.block,
                            .objective = {.unobserved_weight = 0.05F, .regularization = 0.003F},
                            .threads = 1};
  const SparseMatrix by_item = transposed(by_user.view());
  auto created = IalsTrainer::create(by_user.view(), options);
  must(created.status());
  const std::unique_ptr<IalsTrainer> trainer = *std::move(created);
  const IalsFactors start = trainer->factors();
  const double seconds = bench::best_seconds(2, [&] {
    must(trainer->restore(start, 0));
    must(trainer->epoch());
  });
  // Rows of the peer that take a few seconds.
  const double work = static_cast<double>(by_user.view().rows() + by_item.view().rows()) *
                      std::pow(static_cast<double>(setting.dim), 3.0);
  const std::size_t step = static_cast<std::size_t>(work / 1e10) + 1;
  const bool comparable = setting.block == 0;
  const Peer users =
      run_peer(by_user.view(), start.items, options, step, comparable ? &trainer->factors().users : nullptr);
  const Peer items = run_peer(by_item.view(), trainer->factors().users, options, step,
                              comparable ? &trainer->factors().items : nullptr);
  const double interactions = static_cast<double>(by_user.columns.size());
  const double peer_seconds = interactions / static_cast<double>(users.interactions) * users.seconds +
                              interactions / static_cast<double>(items.interactions) * items.seconds;
  report.add({.name = "ials epoch d=" + std::to_string(setting.dim) +
                      (setting.block == 0 ? " whole rows" : " block=" + std::to_string(setting.block)) +
                      " threads=1 n=" + std::to_string(by_user.columns.size()),
              .unit = "inter/s",
              .value = interactions / seconds,
              .peer = bench::Peer{"plain loops", interactions / peer_seconds}});
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("train", argc, argv);
  const SparseMatrix by_user = report.quick() ? synthetic(3'000, 4'000, 1) : synthetic(30'000, 40'000, 1);
  for (const Setting& setting :
       {Setting{64, 0}, Setting{64, 32}, Setting{128, 0}, Setting{128, 64}, Setting{256, 0}, Setting{256, 64}}) {
    measure(report, by_user, setting);
  }
}
