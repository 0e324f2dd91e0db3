#include "gpu/guarded_backend.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/told_device.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;
using test::DeviceScript;
using Act = DeviceScript::Act;

constexpr std::size_t kRows = 500;

/// A device that is told what to do, in front of the processors, and a clock that is told the time.
struct World {
  std::shared_ptr<DeviceScript> script = std::make_shared<DeviceScript>();
  std::shared_ptr<std::atomic<int>> second = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<GuardedBackend> backend;
  std::unique_ptr<ScanTable> table;
  std::unique_ptr<ScanColumn> column;
  std::vector<float> values;

  explicit World(std::chrono::milliseconds time_max = std::chrono::minutes(1)) {
    GuardOptions options{.time_max = time_max, .retry = std::chrono::seconds(1), .retry_max = std::chrono::seconds(4)};
    options.now = [second = second] { return GuardOptions::TimePoint(std::chrono::seconds(*second)); };
    backend = std::make_unique<GuardedBackend>(std::make_unique<test::ToldDevice>(script),
                                               make_cpu_backend({.threads = 1}).value(), options);
  }
  ~World() { script->tell(Act::kAnswer); }

  void make_table() {
    const std::vector<std::int32_t> coordinates(kRows, 1);
    const std::vector<std::uint32_t> tags(kRows, 0);
    table =
        backend->make_scan_table({.x = coordinates, .y = coordinates, .z = coordinates, .tags = tags, .tag_count = 1})
            .value();
    for (std::size_t i = 0; i < kRows; ++i) values.push_back(static_cast<float>(i * 37 % kRows));
    column = table->make_column(values).value();
  }
  void set(std::uint32_t row, float value) {
    values[row] = value;
    column->set({&row, 1}, {&value, 1});
  }
  /// Asks for the best row of the column, which has to be right whoever answers. Returns: whether the fallback did.
  bool ask() {
    const ScanQuery query{.prior = column.get(), .k = 1};
    std::vector<ScanAnswer> answers;
    const Status status = table->scan({&query, 1}, &answers);
    REQUIRE_MESSAGE(status.ok(), status.to_string());
    const auto best = std::max_element(values.begin(), values.end());
    REQUIRE(answers.at(0).rows == std::vector<std::uint32_t>{static_cast<std::uint32_t>(best - values.begin())});
    REQUIRE(answers[0].scores == std::vector<float>{*best});
    return answers[0].by_fallback;
  }
  /// A trial runs beside the answer: it is over when the device has been left alone again, or has been taken back.
  void await_trials(std::uint64_t count, bool open) {
    while (backend->status().trials != count || backend->status().open != open) std::this_thread::yield();
  }
  void await_failures(std::uint64_t count) {
    while (backend->status().failures != count) std::this_thread::yield();
  }
};

TEST_CASE("a device that is well answers, and sees what columns are set to") {
  World world;
  world.make_table();
  CHECK(!world.ask());
  world.set(3, 1e6F);
  CHECK(!world.ask());
  for (std::uint32_t row = 0; row < kRows; ++row) world.set(row, static_cast<float>(row));
  CHECK(!world.ask());
  const GuardStatus status = world.backend->status();
  CHECK(status.scans == 3);
  CHECK(status.fallbacks == 0);
  CHECK(!status.open);
  CHECK(world.backend->name() == "told");
}

TEST_CASE("a device that fails is answered for, left alone, tried again, and taken back when it answers") {
  World world;
  world.make_table();
  CHECK(!world.ask());
  world.script->tell(Act::kFail, Status(StatusCode::kInternal, "an illegal instruction"));
  CHECK(world.ask());
  CHECK(world.backend->status().open);
  CHECK(world.backend->status().last_failure == "an illegal instruction");
  const std::size_t asked = world.script->sizes().size();
  for (int i = 0; i < 5; ++i) CHECK(world.ask());
  CHECK(world.script->sizes().size() == asked);  // left alone
  world.set(7, 2e6F);

  *world.second = 1;
  CHECK(world.ask());  // the trial, which nobody waits for
  world.await_failures(2);
  CHECK(world.backend->status().open);
  *world.second = 2;
  CHECK(world.ask());
  CHECK(world.backend->status().trials == 1);  // the pause has doubled
  world.script->tell(Act::kAnswer);
  *world.second = 3;
  CHECK(world.ask());
  world.await_trials(2, false);
  CHECK(!world.ask());  // with what the column was set to meanwhile
  CHECK(world.backend->status().fallbacks == 9);
}

TEST_CASE("a device that hangs keeps nobody longer than it may, and is not asked while it does") {
  World world(std::chrono::milliseconds(20));
  world.make_table();
  CHECK(!world.ask());
  world.script->tell(Act::kHang);
  CHECK(world.ask());
  CHECK(world.backend->status().open);
  CHECK(world.backend->status().last_failure == "a scan took longer than 20 ms");
  *world.second = 100;
  for (int i = 0; i < 5; ++i) CHECK(world.ask());
  CHECK(world.backend->status().trials == 0);
  world.set(9, 3e6F);
  world.script->tell(Act::kAnswer);
  // It comes back from the scan that it hung in, and is tried.
  while (world.backend->status().trials == 0) CHECK(world.ask());
  world.await_trials(1, false);
  CHECK(!world.ask());
}

TEST_CASE("a device without memory for a table gets it when it has") {
  World world;
  world.script->tell(Act::kFail, resource_exhausted("out of memory"));
  world.make_table();
  CHECK(world.ask());
  CHECK(world.backend->status().open);
  world.script->tell(Act::kAnswer);
  *world.second = 1;
  CHECK(world.ask());
  world.await_trials(1, false);
  CHECK(!world.ask());
}

TEST_CASE("a query that makes no sense is the caller's fault, and the device goes on") {
  World world;
  world.make_table();
  const ScanQuery wrong{.prior = world.column.get(), .k = 1, .slack = -1.0F};
  std::vector<ScanAnswer> answers;
  CHECK(world.table->scan({&wrong, 1}, &answers).code() == StatusCode::kInvalidArgument);
  CHECK(!world.backend->status().open);
  CHECK(!world.ask());
}

TEST_CASE("a backend whose device hangs can be destroyed") {
  World world(std::chrono::milliseconds(20));
  world.make_table();
  world.script->tell(Act::kHang);
  CHECK(world.ask());
  world.column.reset();
  world.table.reset();
  world.backend.reset();
}

}  // namespace
