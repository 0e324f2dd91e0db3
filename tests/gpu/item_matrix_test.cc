#include "gpu/item_matrix.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/gpu/backends.h"
#include "tests/support/skip.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::gpu::testing;

std::vector<float> decoded(const ItemMatrix& matrix) {
  std::vector<float> values(matrix.rows() * matrix.dim());
  REQUIRE(matrix.decode(0, values).ok());
  return values;
}

TEST_CASE("fp32 keeps values as they are, fp16 rounds them to the nearest half") {
  // 2049 lies between the halves 2048 and 2050 and goes to the even one; 1e-8 is below half of the smallest half,
  // 2^-24.
  const std::vector<float> values = {1.0F, -2049.0F, 65519.0F, 65520.0F, 1e-8F, 6e-8F, 0.1F, -0.0F};
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    CHECK(decoded(*backend->make_matrix({values, 2, 4}, {}).value()) == values);
    const auto halves = decoded(*backend->make_matrix({values, 2, 4}, {.storage = Precision::kFp16}).value());
    CHECK(halves == std::vector<float>{1.0F, -2048.0F, 65504.0F, infinity, 0.0F, std::ldexp(1.0F, -24),
                                       std::ldexp(1638.0F, -14), 0.0F});
  }
}

TEST_CASE("int8 maps the largest magnitude of each row to 127") {
  const std::vector<float> values = {127.0F, 1.4F, -2.6F, 0.0F, 0.5F, -1.27F, 0.004F, 1.0F};
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    const auto kept = decoded(*backend->make_matrix({values, 2, 4}, {.storage = Precision::kInt8}).value());
    CHECK(kept[0] == 127.0F);
    CHECK(kept[1] == 1.0F);
    CHECK(kept[2] == -3.0F);
    CHECK(kept[3] == 0.0F);
    CHECK(kept[4] == doctest::Approx(0.5));
    CHECK(kept[5] == doctest::Approx(-1.27));
    CHECK(kept[6] == 0.0F);
    CHECK(kept[7] == doctest::Approx(1.0));
  }
}

double mean_square_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return sum / static_cast<double>(a.size());
}

TEST_CASE("fewer bits cost more error, and smaller groups less") {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(500 * 64);
  for (float& value : values) value = normal(random);
  const auto error = [&](const Backend&, Backend& backend, const MatrixOptions& options) {
    return mean_square_error(values, decoded(*backend.make_matrix({values, 500, 64}, options).value()));
  };
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    const double int8 = error(*backend, *backend, {.storage = Precision::kInt8});
    const double group8 = error(*backend, *backend, {.storage = Precision::kInt4, .int4_group = 8});
    const double group32 = error(*backend, *backend, {.storage = Precision::kInt4, .int4_group = 32});
    // Uniform rounding errors have a twelfth of the squared step: the largest of 64 normal values is about 2.4.
    CHECK(int8 == doctest::Approx(std::pow(2.4 / 127, 2) / 12).epsilon(0.2));
    CHECK(group8 < group32);
    CHECK(group32 < std::pow(2.1 / 7, 2) / 12 * 1.2);
  }
}

TEST_CASE("calibration makes int4 err less where queries are large") {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> values(400 * 32);
  std::vector<float> queries(100 * 32);
  for (float& value : values) value = normal(random);
  for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = normal(random) * (i % 32 < 4 ? 10.0F : 0.1F);
  const auto score_error = [&](const std::vector<float>& kept) {
    double sum = 0.0;
    for (std::size_t q = 0; q < 100; ++q) {
      for (std::size_t r = 0; r < 400; ++r) {
        double error = 0.0;
        for (std::size_t j = 0; j < 32; ++j) {
          error += static_cast<double>(queries[q * 32 + j]) *
                   (static_cast<double>(kept[r * 32 + j]) - static_cast<double>(values[r * 32 + j]));
        }
        sum += error * error;
      }
    }
    return sum;
  };
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    const MatrixView items{values, 400, 32};
    const auto plain = decoded(*backend->make_matrix(items, {.storage = Precision::kInt4}).value());
    const auto calibrated =
        decoded(*backend->make_matrix(items, {.storage = Precision::kInt4, .calibration = {queries, 100, 32}}).value());
    CHECK(score_error(calibrated) < 0.9 * score_error(plain));
  }
}

TEST_CASE("a matrix says what it holds, and less where fewer bits are kept") {
  const std::vector<float> values(1024 * 64, 1.0F);
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    const auto bytes = [&](const MatrixOptions& options) {
      const auto matrix = backend->make_matrix({values, 1024, 64}, options).value();
      CHECK(backend->resident_bytes() == matrix->resident_bytes());
      return static_cast<double>(matrix->resident_bytes()) / (1024 * 64);
    };
    CHECK(bytes({.scan = Precision::kFp32}) == doctest::Approx(4.0).epsilon(0.05));
    CHECK(bytes({}) == doctest::Approx(5.06).epsilon(0.05));
    CHECK(bytes({.storage = Precision::kInt8}) == doctest::Approx(1.06).epsilon(0.05));
    CHECK(bytes({.storage = Precision::kInt4}) == doctest::Approx(0.63).epsilon(0.1));
    CHECK(backend->resident_bytes() == 0);
  }
}

TEST_CASE("the memory cap holds, and a freed matrix makes room") {
  const std::vector<float> values(1000 * 16, 1.0F);
  const auto backend = make_cpu_backend({.memory_max_bytes = 150'000}).value();
  auto first = backend->make_matrix({values, 1000, 16}, {}).value();
  CHECK(first->resident_bytes() > 80'000);
  const auto second = backend->make_matrix({values, 1000, 16}, {});
  CHECK(second.status().code() == cairn::StatusCode::kResourceExhausted);
  CHECK(second.status().message().find("150000") != std::string::npos);
  first.reset();
  CHECK(backend->make_matrix({values, 1000, 16}, {}).ok());
}

TEST_CASE("what a matrix may not be is said") {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {1.0F, 2.0F, infinity, 4.0F};
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    const auto message = [&](const MatrixView& items, const MatrixOptions& options) {
      const auto matrix = backend->make_matrix(items, options);
      CHECK(matrix.status().code() == cairn::StatusCode::kInvalidArgument);
      return matrix.status().message();
    };
    CHECK(message({values, 2, 3}, {}) == "4 values are not 2 rows of 3");
    CHECK(message({{}, 2, 0}, {}) == "items have 0 dimensions; 1 to 4096 are possible");
    CHECK(message({values, 2, 2}, {.storage = Precision::kInt8}) ==
          "row 1 holds a value that is not finite: int8 cannot keep it, fp32 and fp16 can");
    CHECK(message({values, 2, 2}, {.scan = Precision::kFp16}) == "values kept in fp32 cannot be scanned in fp16");
    CHECK(message({values, 2, 2}, {.storage = Precision::kInt4, .scan = Precision::kInt8}) ==
          "values kept in int4 are scanned as they are");
    CHECK(message({values, 2, 2}, {.int4_group = 12}) == "int4_group is 12, not a multiple of 8");
    const auto matrix = backend->make_matrix({values, 2, 2}, {}).value();
    std::vector<float> out(6);
    CHECK(matrix->decode(1, out).code() == cairn::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a machine without an instruction set says which it has") {
  if (best_instruction_set() == InstructionSet::kAvx512)
    return cairn::test::skip_part("this machine has every instruction set");
  const auto backend = make_cpu_backend({.instruction_set = InstructionSet::kAvx512});
  CHECK(backend.status().code() == cairn::StatusCode::kFailedPrecondition);
}

}  // namespace
