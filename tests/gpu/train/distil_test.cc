#include "gpu/train/distil.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "gpu/dense_algebra.h"
#include "tests/gpu/random_interactions.h"

namespace cairn::gpu {
namespace {

/// Random vectors whose later columns matter less, as those of trained factors do.
std::vector<float> random_vectors(std::size_t rows, std::size_t dim, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> vectors(rows * dim);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    vectors[i] =
        static_cast<float>((static_cast<double>(random()) / 2147483648.0 - 1.0) / static_cast<double>(1 + i % dim));
  }
  return vectors;
}

Dense scores_of(const std::vector<float>& users, const std::vector<float>& items, std::size_t dim) {
  Dense scores = zeros(users.size() / dim, items.size() / dim);
  for (std::size_t u = 0; u < scores.size(); ++u) {
    for (std::size_t i = 0; i < scores[u].size(); ++i) {
      for (std::size_t j = 0; j < dim; ++j) {
        scores[u][i] += static_cast<double>(users[u * dim + j]) * static_cast<double>(items[i * dim + j]);
      }
    }
  }
  return scores;
}

double squared_error(const Dense& a, const Dense& b) {
  double sum = 0.0;
  for (std::size_t r = 0; r < a.size(); ++r) {
    for (std::size_t c = 0; c < a[r].size(); ++c) sum += (a[r][c] - b[r][c]) * (a[r][c] - b[r][c]);
  }
  return sum;
}

struct Setup {
  std::size_t dim;
  std::vector<float> users;
  std::vector<float> items;
  Setup(std::size_t d, std::uint32_t seed)
      : dim(d), users(random_vectors(60, d, seed)), items(random_vectors(45, d, seed + 1)) {}
  [[nodiscard]] Teacher teacher() const { return {{users, 60, dim}, {items, 45, dim}}; }
  [[nodiscard]] Dense scores() const { return scores_of(users, items, dim); }
};

Student distilled(const Setup& setup, const DistilOptions& options, const SparseView& interactions = {}) {
  auto student = distil(setup.teacher(), interactions, options);
  INFO(student.status().to_string());
  REQUIRE(student.ok());
  return *std::move(student);
}

TEST_CASE("the student is the best approximation of its rank") {
  const Setup setup(20, 1);
  const Dense scores = setup.scores();
  const Dense gram = product(transpose(scores), scores);
  std::vector<double> flat;
  for (const auto& row : gram) flat.insert(flat.end(), row.begin(), row.end());
  const SymmetricEigen eigen = symmetric_eigen(45, flat);
  for (const std::size_t dim : {1U, 5U, 17U, 20U}) {
    INFO("dim ", dim);
    const Student student = distilled(setup, {.dim = dim, .threads = 2});
    double rest = 0.0;  // Eckart and Young: the squares of the singular values that are left out
    for (std::size_t k = dim; k < 20; ++k) rest += eigen.values[k];
    const double error = squared_error(scores_of(student.users, student.items, dim), scores);
    CHECK(error == doctest::Approx(rest).epsilon(1e-3).scale(1e-3 * eigen.values[0]));
  }
}

TEST_CASE("a teacher of lower rank than the student is taken over as it is") {
  Setup setup(12, 3);
  for (std::size_t i = 0; i < setup.items.size(); ++i) {
    if (i % 12 >= 4) setup.items[i] = 0.0F;  // rank 4
  }
  const Student student = distilled(setup, {.dim = 8});
  CHECK(squared_error(scores_of(student.users, student.items, 8), setup.scores()) < 1e-6);
}

TEST_CASE("a user of the teacher is mapped to the student's best answer over all items") {
  const Setup setup(16, 5);
  for (const std::size_t epochs : {0U, 2U}) {
    INFO("epochs ", epochs);
    const Student student = distilled(setup, {.dim = 6, .epochs = epochs, .regularization = 0.01F});
    const std::vector<float> query = random_vectors(1, 16, 9);
    const Dense wanted = scores_of(query, setup.items, 16);
    // The normal equations of min over w of the distance between items · w and what is wanted.
    Dense gram = zeros(6, 6);
    std::vector<double> right(6);
    for (std::size_t i = 0; i < 45; ++i) {
      for (std::size_t a = 0; a < 6; ++a) {
        const auto x = [&](std::size_t j) { return static_cast<double>(student.items[i * 6 + j]); };
        right[a] += x(a) * wanted[0][i];
        for (std::size_t b = 0; b < 6; ++b) gram[a][b] += x(a) * x(b);
      }
    }
    const Dense solver = inverse(gram);
    for (std::size_t a = 0; a < 6; ++a) {
      double expected = 0.0;
      for (std::size_t b = 0; b < 6; ++b) expected += solver[a][b] * right[b];
      double actual = 0.0;
      for (std::size_t j = 0; j < 16; ++j) {
        actual += static_cast<double>(query[j]) * static_cast<double>(student.user_map[j * 6 + a]);
      }
      CHECK(actual == doctest::Approx(expected).epsilon(1e-3).scale(1e-1));
    }
  }
}

/// What the epochs minimise.
double objective(const Setup& setup, const Student& student, const SparseMatrix& interactions,
                 const DistilOptions& options) {
  const Dense scores = scores_of(student.users, student.items, student.dim);
  double sum = squared_error(scores, setup.scores());
  for (std::size_t u = 0; u < 60; ++u) {
    for (const std::uint32_t i : interactions.view().columns_of(u)) {
      sum += static_cast<double>(options.interaction_weight) * (scores[u][i] - 1.0) * (scores[u][i] - 1.0);
    }
  }
  for (const std::vector<float>* vectors : {&student.users, &student.items}) {
    for (const float value : *vectors) {
      sum += static_cast<double>(options.regularization) * static_cast<double>(value) * static_cast<double>(value);
    }
  }
  return sum;
}

TEST_CASE("epochs lower the error of scores and interactions, to where no step lowers it") {
  const Setup setup(16, 7);
  const SparseMatrix interactions = random_interactions(60, 45, 0.1, 8);
  DistilOptions options{.dim = 5, .interaction_weight = 2.0F, .regularization = 0.1F};
  double before = objective(setup, distilled(setup, options, interactions.view()), interactions, options);
  for (const std::size_t epochs : {1U, 2U, 4U}) {
    options.epochs = epochs;
    const double after = objective(setup, distilled(setup, options, interactions.view()), interactions, options);
    CHECK(after < before);
    before = after;
  }
  options.epochs = 200;
  Student student = distilled(setup, options, interactions.view());
  const double least = objective(setup, student, interactions, options);
  for (std::size_t i = 0; i < student.items.size(); i += 7) {
    for (const float step : {-0.01F, 0.01F}) {
      Student other = student;
      other.items[i] += step;
      CHECK(objective(setup, other, interactions, options) > least - 1e-5);
    }
  }
}

TEST_CASE("threads change nothing") {
  const Setup setup(16, 10);
  const Student one = distilled(setup, {.dim = 5, .epochs = 1, .threads = 1});
  const Student two = distilled(setup, {.dim = 5, .epochs = 1, .threads = 2});
  CHECK(one.users == two.users);
  CHECK(one.items == two.items);
}

TEST_CASE("what makes no sense is refused, and distilling can be cancelled") {
  const Setup setup(8, 11);
  const auto code = [&](const DistilOptions& options, const Progress& progress = {}) {
    return distil(setup.teacher(), {}, options, progress).status().code();
  };
  CHECK(code({.dim = 0}) == StatusCode::kInvalidArgument);
  CHECK(code({.dim = 9}) == StatusCode::kInvalidArgument);
  CHECK(code({.dim = 4, .interaction_weight = 1.0F}) == StatusCode::kInvalidArgument);
  CHECK(code({.dim = 4, .epochs = 3}, [](double fraction) { return fraction < 0.5; }) == StatusCode::kCancelled);
  const Teacher uneven{setup.teacher().users, {setup.items, 90, 4}};
  CHECK(distil(uneven, {}, {.dim = 4}).status().code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::gpu
