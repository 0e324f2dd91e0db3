#include "gpu/live_matrix.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/gpu/backends.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::gpu::testing;

constexpr std::size_t kRows = 200;

/// Every value of row r is `version` × r: the best row for a query of ones is the last, with a score that names the
/// version.
std::unique_ptr<ItemMatrix> matrix_of(Backend& backend, std::uint64_t version) {
  std::vector<float> values(kRows * 4);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(version * (i / 4));
  return backend.make_matrix({values, kRows, 4}, {}).value();
}

TEST_CASE("before the first matrix there is none") {
  const LiveMatrix live;
  CHECK(live.current().matrix == nullptr);
  CHECK(live.current().number == 0);
}

TEST_CASE("queries run through a swap, each on one version, and old versions are freed with their last query") {
  const std::vector<float> ones(4, 1.0F);
  for (const auto& backend : all_backends()) {
    INFO(backend->name());
    LiveMatrix live;
    REQUIRE(live.publish(matrix_of(*backend, 1)) == 1);
    const std::size_t bytes_of_one = backend->resident_bytes();
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        TopKAnswers answers;
        std::uint64_t seen = 0;
        while (!done) {
          const LiveMatrix::Version now = live.current();
          const bool ok = now.matrix->top_k({.queries = {ones, 1, 4}, .k = 1}, &answers).ok();
          const float expected = static_cast<float>(now.number * (kRows - 1)) * 4.0F;
          if (!ok || now.number < seen || answers.rows[0] != kRows - 1 || answers.scores[0] != expected) ++wrong;
          seen = now.number;
        }
      });
    }
    for (std::uint64_t version = 2; version <= 50; ++version)
      CHECK(live.publish(matrix_of(*backend, version)) == version);
    done = true;
    readers.clear();
    CHECK(wrong == 0);
    CHECK(backend->resident_bytes() == bytes_of_one);
  }
}

}  // namespace
