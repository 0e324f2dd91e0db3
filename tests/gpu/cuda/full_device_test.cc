#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "gpu/cuda/cuda_backend.h"
#include "gpu/cuda/emulator.h"

namespace {

using namespace cairn::gpu;
using cairn::StatusCode;

/// Lets the emulated device have arrays of so many bytes at most, while it lives.
class SmallDevice {
 public:
  explicit SmallDevice(std::size_t bytes) : before_(std::exchange(cuda::emulated_memory_bytes, bytes)) {}
  ~SmallDevice() { cuda::emulated_memory_bytes = before_; }
  SmallDevice(const SmallDevice&) = delete;
  SmallDevice& operator=(const SmallDevice&) = delete;

 private:
  std::size_t before_;
};

TEST_CASE("a device that is full says so of a matrix, and what was reserved is released") {
  const SmallDevice device(100'000);
  const auto backend = cuda::make_cuda_backend(0, kNoLimit).value();
  const std::vector<float> items(64 * 1024, 0.0F);
  const auto matrix = backend->make_matrix({items, 1024, 64}, {.scan = Precision::kFp32});
  CHECK(matrix.status().code() == StatusCode::kResourceExhausted);
  CHECK(backend->resident_bytes() == 0);
}

TEST_CASE(
    "a device that is full says so of a scan table, of a column and of a scan, and what was reserved is released") {
  const auto backend = cuda::make_cuda_backend(0, kNoLimit).value();
  const std::vector<std::int32_t> coordinates(20'000);
  const std::vector<std::uint32_t> tags(coordinates.size());
  const ScanRows rows{.x = coordinates, .y = coordinates, .z = coordinates, .tags = tags, .tag_count = 1};
  const auto refused = [](const cairn::Status& status, const std::string& what) {
    INFO(status.message());
    CHECK(status.code() == StatusCode::kResourceExhausted);
    CHECK(status.message().find(what) != std::string::npos);
  };
  {
    const SmallDevice device(100'000);
    refused(backend->make_scan_table(rows).status(), "a scan table of 320000 bytes");
    CHECK(backend->resident_bytes() == 0);
  }
  const auto table = backend->make_scan_table(rows).value();
  std::vector<float> values(coordinates.size());
  std::iota(values.begin(), values.end(), 0.0F);
  {
    const SmallDevice device(50'000);
    refused(table->make_column(values).status(), "a column of 20000 values");
    CHECK(backend->resident_bytes() == table->resident_bytes());
  }
  const auto prior = table->make_column(values).value();
  std::vector<ScanAnswer> answers;
  const ScanQuery queries[] = {{.prior = prior.get(), .k = 10}, {.prior = prior.get(), .k = 10}};
  {
    const SmallDevice device(10'000);
    refused(table->scan(queries, &answers), "memory for a scan");
  }
  {
    // Room for the candidates of one query, not for those of two: they are answered one after the other.
    const SmallDevice device(70'000);
    REQUIRE(table->scan(queries, &answers).ok());
    CHECK(answers[1].rows.size() == 10);
  }
}

}  // namespace
