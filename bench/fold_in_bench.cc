// Query vectors from interactions: rows of normal equations set up and solved, one thread.
//
// The peer is what one would write first, and what the `implicit` library does for each row: the Gram matrix copied,
// one outer product added for every interaction, a Cholesky factor, two triangular solves; compiled as this project
// is. Both are checked against each other.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "bench/plain_cholesky.h"
#include "bench/report.h"
#include "gpu/backend.h"
#include "gpu/cpu/fold_in.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

struct Data {
  std::size_t items = 0;
  std::size_t dim = 0;
  std::vector<float> vectors;
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::uint32_t> columns;
  std::vector<float> weights;

  [[nodiscard]] MatrixView view() const { return {vectors, items, dim}; }
  [[nodiscard]] SparseView rows() const { return {offsets, columns, weights, items}; }
};

Data make_data(std::size_t items, std::size_t dim, std::size_t rows, std::size_t interactions) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0F, 0.1F);
  Data data{.items = items, .dim = dim};
  for (std::size_t i = 0; i < items * dim; ++i) data.vectors.push_back(normal(random));
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t step = items / interactions;
    for (std::size_t i = 0; i < interactions; ++i) {
      data.columns.push_back(static_cast<std::uint32_t>(i * step + random() % step));
      data.weights.push_back(1.0F + static_cast<float>(random() % 4));
    }
    data.offsets.push_back(data.columns.size());
  }
  return data;
}

/// Row by row, in full square matrices.
class Peer {
 public:
  Peer(const Data& data, const FoldInOptions& options)
      : data_(data), options_(options), gram_(data.dim * data.dim), matrix_(data.dim * data.dim), right_(data.dim) {
    for (std::size_t item = 0; item < data.items; ++item) add_outer_product(item, options.unobserved_weight, &gram_);
  }

  void solve(std::size_t rows, std::vector<float>* vectors) {
    for (std::size_t r = 0; r < rows; ++r) {
      set_up(r);
      bench::plain_cholesky(data_.dim, &matrix_);
      bench::plain_solve(data_.dim, matrix_, right_.data(), vectors->data() + r * data_.dim);
    }
  }

 private:
  void add_outer_product(std::size_t item, float weight, std::vector<float>* matrix) const {
    const std::size_t dim = data_.dim;
    const float* x = data_.vectors.data() + item * dim;
    for (std::size_t i = 0; i < dim; ++i) {
      const float scaled = weight * x[i];
      float* row = matrix->data() + i * dim;
      for (std::size_t j = 0; j <= i; ++j) row[j] += scaled * x[j];
    }
  }

  void set_up(std::size_t r) {
    const std::size_t dim = data_.dim;
    const std::size_t count = data_.offsets[r + 1] - data_.offsets[r];
    const double size =
        static_cast<double>(count) + static_cast<double>(options_.unobserved_weight) * static_cast<double>(data_.items);
    const auto penalty = static_cast<float>(static_cast<double>(options_.regularization) *
                                            std::pow(size, static_cast<double>(options_.frequency_exponent)));
    matrix_ = gram_;
    right_.assign(dim, 0.0F);
    for (std::size_t i = 0; i < dim; ++i) matrix_[i * dim + i] += penalty;
    for (std::uint64_t entry = data_.offsets[r]; entry < data_.offsets[r + 1]; ++entry) {
      const float* x = data_.vectors.data() + data_.columns[entry] * dim;
      add_outer_product(data_.columns[entry], data_.weights[entry], &matrix_);
      for (std::size_t i = 0; i < dim; ++i) right_[i] += data_.weights[entry] * x[i];
    }
  }

  const Data& data_;
  FoldInOptions options_;
  std::vector<float> gram_;  ///< unobserved_weight · Gram, the lower triangle of it
  std::vector<float> matrix_;
  std::vector<float> right_;
};

/// Compares the rows that the peer has solved.
void check_same(const std::vector<float>& ours, const std::vector<float>& peers) {
  double difference = 0.0;
  double length = 0.0;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    difference += std::pow(static_cast<double>(ours[i]) - static_cast<double>(peers[i]), 2.0);
    length += std::pow(static_cast<double>(peers[i]), 2.0);
  }
  CAIRN_CHECK_MSG(difference <= 1e-6 * length, "the answers differ: " + std::to_string(difference / length));
}

void measure(const bench::Report& report, std::size_t dim, std::size_t interactions) {
  const std::size_t items = report.quick() ? 2'000 : 20'000;
  const std::size_t rows = (report.quick() ? 64 : 256) * 256 / dim;
  const std::size_t peer_rows = rows / 16;  // runs of a like length, so that the machine disturbs both alike
  const Data data = make_data(items, dim, rows, interactions);
  const FoldInOptions options;
  const auto fold_in = make_cpu_fold_in(data.view(), options, best_instruction_set(), 1);
  CAIRN_CHECK_MSG(fold_in.ok(), fold_in.status().to_string());
  Peer peer(data, options);
  std::vector<float> ours(rows * dim);
  std::vector<float> peers(peer_rows * dim);
  double our_time = std::numeric_limits<double>::infinity();
  double peer_time = our_time;
  for (std::size_t run = 0; run < (report.quick() ? 3 : 20); ++run) {
    our_time = std::min(our_time, bench::best_seconds(1, [&] {
                          const Status status = (*fold_in)->solve(data.rows(), ours);
                          CAIRN_CHECK_MSG(status.ok(), status.to_string());
                        }));
    peer_time = std::min(peer_time, bench::best_seconds(1, [&] { peer.solve(peer_rows, &peers); }));
  }
  check_same(ours, peers);
  report.add({.name = "fold-in, one thread, items=" + std::to_string(items) + " d=" + std::to_string(dim) +
                      " interactions=" + std::to_string(interactions),
              .unit = "rows/s",
              .value = static_cast<double>(rows) / our_time,
              .peer = bench::Peer{"Cholesky of each row, plain loops", static_cast<double>(peer_rows) / peer_time}});
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("fold_in", argc, argv);
  for (const std::size_t dim : {64, 128, 256}) {
    for (const std::size_t interactions : {10, 50, 200}) measure(report, dim, interactions);
  }
  return 0;
}
