#include "gpu/train/ials.h"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "tests/gpu/random_interactions.h"
#include "tests/gpu/ridge_oracle.h"

namespace cairn::gpu {
namespace {

std::unique_ptr<IalsTrainer> trainer_of(const SparseMatrix& interactions, const IalsOptions& options) {
  auto trainer = IalsTrainer::create(interactions.view(), options);
  INFO(trainer.status().to_string());
  REQUIRE(trainer.ok());
  return *std::move(trainer);
}

/// The exact vectors of all rows against fixed ones, by Gaussian elimination.
std::vector<float> exact_rows(const SparseView& rows, const std::vector<float>& fixed, const IalsOptions& options) {
  const MatrixView items{fixed, fixed.size() / options.dim, options.dim};
  std::vector<float> vectors;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    RidgeOracle oracle(items, options.objective);
    for (std::size_t e = rows.offsets[r]; e < rows.offsets[r + 1]; ++e) {
      oracle.add(items.row(rows.columns[e]), rows.value(e));
    }
    oracle.add_penalty(rows.columns_of(r).size());
    for (const double value : oracle.vector()) vectors.push_back(static_cast<float>(value));
  }
  return vectors;
}

/// All scores, users × items.
std::vector<double> scores_of(const std::vector<float>& users, const std::vector<float>& items, std::size_t dim) {
  std::vector<double> scores;
  for (std::size_t u = 0; u < users.size(); u += dim) {
    for (std::size_t i = 0; i < items.size(); i += dim) {
      double score = 0.0;
      for (std::size_t j = 0; j < dim; ++j) {
        score += static_cast<double>(users[u + j]) * static_cast<double>(items[i + j]);
      }
      scores.push_back(score);
    }
  }
  return scores;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

constexpr FoldInOptions kObjective{.unobserved_weight = 0.1F, .regularization = 0.05F, .frequency_exponent = 0.8F};

TEST_CASE("an epoch is the exact solution of the users, then of the items") {
  for (const FoldInOptions::Target target : {FoldInOptions::Target::kOne, FoldInOptions::Target::kHuKorenVolinsky}) {
    for (const bool weighted : {false, true}) {
      const SparseMatrix interactions = random_interactions(40, 25, 0.3, 1, weighted);
      IalsOptions options{.dim = 12, .objective = kObjective};
      options.objective.target = target;
      const auto trainer = trainer_of(interactions, options);
      for (int epoch = 0; epoch < 3; ++epoch) {
        const std::vector<float> users = exact_rows(interactions.view(), trainer->factors().items, options);
        const std::vector<float> items = exact_rows(transposed(interactions.view()).view(), users, options);
        REQUIRE(trainer->epoch().ok());
        const IalsFactors& factors = trainer->factors();
        CHECK(largest_difference(scores_of(factors.users, factors.items, 12), scores_of(users, items, 12)) < 2e-4);
      }
      CHECK(trainer->epochs_done() == 3);
    }
  }
}

TEST_CASE("block steps lower the loss") {
  const SparseMatrix interactions = random_interactions(50, 60, 0.3, 2, true);
  for (const std::size_t block : {1U, 7U, 16U, 19U}) {
    INFO("block ", block);
    const auto trainer = trainer_of(interactions, {.dim = 20, .block = block, .objective = kObjective});
    double before = trainer->loss();
    for (int epoch = 0; epoch < 5; ++epoch) {
      REQUIRE(trainer->epoch().ok());
      const double after = trainer->loss();
      CHECK(after < before);
      before = after;
    }
  }
}

TEST_CASE("block steps lead to where whole rows lead") {
  const SparseMatrix interactions = random_interactions(30, 24, 0.3, 3);
  const auto loss_after = [&](std::size_t block, int epochs) {
    const auto trainer = trainer_of(interactions, {.dim = 6, .block = block, .objective = kObjective});
    for (int epoch = 0; epoch < epochs; ++epoch) REQUIRE(trainer->epoch().ok());
    return trainer->loss();
  };
  const double exact = loss_after(0, 300);
  CHECK(loss_after(2, 300) == doctest::Approx(exact).epsilon(2e-3));
  CHECK(loss_after(4, 300) == doctest::Approx(exact).epsilon(2e-3));
}

TEST_CASE("loss is the sum over all pairs") {
  const SparseMatrix interactions = random_interactions(20, 15, 0.3, 4, true);
  for (const FoldInOptions::Target target : {FoldInOptions::Target::kOne, FoldInOptions::Target::kHuKorenVolinsky}) {
    IalsOptions options{.dim = 5, .objective = kObjective};
    options.objective.target = target;
    const auto trainer = trainer_of(interactions, options);
    REQUIRE(trainer->epoch().ok());
    const Dense weights = dense_of(interactions.view());
    const auto degree_penalty = [](double degree, double others) {
      return static_cast<double>(kObjective.regularization) *
             std::pow(degree + static_cast<double>(kObjective.unobserved_weight) * others,
                      static_cast<double>(kObjective.frequency_exponent));
    };
    const std::vector<double> scores = scores_of(trainer->factors().users, trainer->factors().items, 5);
    std::vector<double> user_degree(20);
    std::vector<double> item_degree(15);
    double expected = 0.0;
    const double alpha = static_cast<double>(kObjective.unobserved_weight);
    for (std::size_t u = 0; u < 20; ++u) {
      for (std::size_t i = 0; i < 15; ++i) {
        const double score = scores[u * 15 + i];
        expected += alpha * score * score;
        if (weights[u][i] == 0.0) continue;
        const double wanted = target == FoldInOptions::Target::kOne ? 1.0 : 1.0 + alpha / weights[u][i];
        expected += weights[u][i] * (score - wanted) * (score - wanted);
        user_degree[u] += 1.0;
        item_degree[i] += 1.0;
      }
    }
    const auto square = [](const std::vector<float>& vectors, std::size_t row) {
      double sum = 0.0;
      for (std::size_t j = 0; j < 5; ++j) sum += std::pow(static_cast<double>(vectors[row * 5 + j]), 2.0);
      return sum;
    };
    for (std::size_t u = 0; u < 20; ++u) {
      expected += degree_penalty(user_degree[u], 15.0) * square(trainer->factors().users, u);
    }
    for (std::size_t i = 0; i < 15; ++i) {
      expected += degree_penalty(item_degree[i], 20.0) * square(trainer->factors().items, i);
    }
    CHECK(trainer->loss() == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("training goes on bit for bit from factors that were saved, with any number of threads") {
  const SparseMatrix interactions = random_interactions(300, 200, 0.1, 5);
  for (const std::size_t block : {0U, 16U}) {
    INFO("block ", block);
    IalsOptions options{.dim = 40, .block = block, .objective = kObjective, .threads = 1};
    const auto whole = trainer_of(interactions, options);
    for (int epoch = 0; epoch < 3; ++epoch) REQUIRE(whole->epoch().ok());

    const auto first = trainer_of(interactions, options);
    REQUIRE(first->epoch().ok());
    const IalsFactors saved = first->factors();
    options.threads = 2;
    options.seed = 77;
    const auto second = trainer_of(interactions, options);
    REQUIRE(second->restore(saved, first->epochs_done()).ok());
    for (int epoch = 0; epoch < 2; ++epoch) REQUIRE(second->epoch().ok());
    CHECK(second->epochs_done() == 3);
    CHECK(second->factors().users == whole->factors().users);
    CHECK(second->factors().items == whole->factors().items);
  }
}

TEST_CASE("seeds differ, and the same seed is the same start") {
  const SparseMatrix interactions = random_interactions(20, 20, 0.3, 6);
  const auto start = [&](std::uint64_t seed) {
    return trainer_of(interactions, {.dim = 64, .init_stddev = 0.8F, .seed = seed})->factors();
  };
  CHECK(start(1).items == start(1).items);
  CHECK(start(1).items != start(2).items);
  CHECK(start(1).items != start(1).users);
  double square = 0.0;
  for (const float value : start(3).items) square += static_cast<double>(value) * static_cast<double>(value);
  CHECK(square / 20.0 == doctest::Approx(0.64).epsilon(0.15));  // of 64 values of variance 0.01
}

TEST_CASE("users and items without interactions have no direction") {
  SparseMatrix interactions = random_interactions(20, 15, 0.3, 7);
  interactions.offsets.push_back(interactions.offsets.back());
  interactions.width = 17;
  for (const std::size_t block : {0U, 4U}) {
    const auto trainer = trainer_of(interactions, {.dim = 8, .block = block, .objective = kObjective});
    REQUIRE(trainer->epoch().ok());
    for (std::size_t j = 0; j < 8; ++j) {
      CHECK(trainer->factors().users[20 * 8 + j] == 0.0F);
      CHECK(trainer->factors().items[16 * 8 + j] == 0.0F);
    }
  }
}

TEST_CASE("a backend solves whole rows") {
  const SparseMatrix interactions = random_interactions(60, 40, 0.2, 8);
  const auto backend = make_cpu_backend({.instruction_set = InstructionSet::kScalar});
  REQUIRE(backend.ok());
  const auto ours = trainer_of(interactions, {.dim = 16, .objective = kObjective});
  const auto theirs = trainer_of(interactions, {.dim = 16, .objective = kObjective, .backend = backend->get()});
  REQUIRE(ours->epoch().ok());
  REQUIRE(theirs->epoch().ok());
  CHECK(largest_difference(scores_of(ours->factors().users, ours->factors().items, 16),
                           scores_of(theirs->factors().users, theirs->factors().items, 16)) < 1e-4);
}

TEST_CASE("a cancelled epoch leaves the half epoch before it, and can be repeated") {
  const SparseMatrix interactions = random_interactions(60, 40, 0.2, 9);
  for (const std::size_t block : {0U, 8U}) {
    const IalsOptions options{.dim = 16, .block = block, .objective = kObjective};
    const auto trainer = trainer_of(interactions, options);
    const auto other = trainer_of(interactions, options);
    const auto stop_at_once = [](double) { return false; };
    CHECK(trainer->epoch(stop_at_once).code() == StatusCode::kCancelled);
    CHECK(trainer->factors().users == other->factors().users);
    CHECK(trainer->factors().items == other->factors().items);
    CHECK(trainer->epochs_done() == 0);
    REQUIRE(trainer->epoch().ok());
    REQUIRE(other->epoch().ok());
    CHECK(trainer->factors().items == other->factors().items);
  }
}

TEST_CASE("what makes no sense is refused") {
  const SparseMatrix interactions = random_interactions(10, 10, 0.3, 10);
  const auto code = [&](const IalsOptions& options) {
    return IalsTrainer::create(interactions.view(), options).status().code();
  };
  CHECK(code({.dim = 0}) == StatusCode::kInvalidArgument);
  CHECK(code({.init_stddev = 0.0F}) == StatusCode::kInvalidArgument);
  CHECK(code({.objective = {.unobserved_weight = -1.0F}}) == StatusCode::kInvalidArgument);
  const auto trainer = trainer_of(interactions, {.dim = 4});
  CHECK(trainer->restore({.dim = 5}, 1).code() == StatusCode::kInvalidArgument);
  SparseMatrix twice = interactions;
  twice.columns[1] = twice.columns[0];
  CHECK(IalsTrainer::create(twice.view(), {}).status().code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::gpu
