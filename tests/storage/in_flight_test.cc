#include "storage/in_flight.h"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

namespace cairn::storage {
namespace {

TEST_CASE("a closed object takes no entries and closing twice is fine") {
  InFlight calls;
  CHECK(calls.enter());
  calls.close();
  CHECK(!calls.enter());
  calls.close();
  CHECK(!calls.enter());
}

TEST_CASE("a call that is inside is refused a second entry after closing began, and closing waits for it alone") {
  InFlight calls;
  std::optional<InFlight::Entry> outer(calls.enter());
  REQUIRE(*outer);
  std::atomic<bool> closed = false;
  std::thread closer([&] {
    calls.close();
    closed = true;
  });
  while (calls.enter()) std::this_thread::yield();
  CHECK(!closed);
  outer.reset();
  closer.join();
  CHECK(closed);
}

TEST_CASE("entries of many threads are all counted out") {
  InFlight calls;
  std::atomic<int> inside = 0;
  std::atomic<int> entered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (const InFlight::Entry call = calls.enter()) {
        ++inside;
        ++entered;
        --inside;
      }
    });
  }
  while (entered < 1000) std::this_thread::yield();
  calls.close();
  CHECK(inside == 0);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace cairn::storage
