#include "features/dictionary.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

using cairn::features::Dictionary;
using Pairs = std::vector<std::pair<std::string, std::uint64_t>>;

TEST_CASE("ids are dense, given once, and found again") {
  Dictionary dictionary;
  CHECK(dictionary.intern("cafe") == 0);
  CHECK(dictionary.intern("park") == 1);
  CHECK(dictionary.intern("cafe") == 0);
  CHECK(dictionary.find("park") == 1u);
  CHECK_FALSE(dictionary.find("museum").has_value());
  CHECK(dictionary.name(1) == "park");
  CHECK(dictionary.size() == 2);
}

TEST_CASE("pairs stay pending until they are confirmed") {
  Dictionary dictionary;
  dictionary.intern("a");
  dictionary.intern("b");
  CHECK(dictionary.pending() == Pairs{{"a", 0}, {"b", 1}});
  dictionary.intern("c");
  dictionary.confirm_pending(1);
  CHECK(dictionary.pending() == Pairs{{"c", 2}});
  dictionary.confirm_pending(0);  // an older confirmation takes nothing back
  CHECK(dictionary.pending() == Pairs{{"c", 2}});
  dictionary.confirm_pending(2);
  CHECK(dictionary.pending().empty());
}

TEST_CASE("pairs are restored in the order of their ids, and new ids go on behind them") {
  Dictionary dictionary;
  CHECK(dictionary.restore("a", 0));
  CHECK_FALSE(dictionary.restore("c", 2));  // one is missing
  CHECK_FALSE(dictionary.restore("a", 1));  // has an id already
  CHECK(dictionary.restore("b", 1));
  CHECK(dictionary.restore("c", 2));
  CHECK(dictionary.pending().empty());
  CHECK(dictionary.find("c") == 2u);
  CHECK(dictionary.intern("b") == 1);
  CHECK(dictionary.intern("d") == 3);
  CHECK(dictionary.name(2) == "c");
  CHECK(dictionary.pending() == Pairs{{"d", 3}});
}

TEST_CASE("threads that intern the same names agree on their ids") {
  constexpr std::size_t kThreads = 4;
  constexpr int kNames = 500;
  Dictionary dictionary;
  std::array<std::vector<std::uint64_t>, kThreads> ids;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kNames; ++i) {
        const std::string name = "place-" + std::to_string((i * 7 + static_cast<int>(t) * 131) % kNames);
        const std::uint64_t id = dictionary.intern(name);
        if (dictionary.find(name) != id || dictionary.name(id) != name) return;  // shows as a missing id below
        if (i % 50 == 0 && !dictionary.pending().empty()) dictionary.confirm_pending(id);
      }
      for (int i = 0; i < kNames; ++i) ids[t].push_back(*dictionary.find("place-" + std::to_string(i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(dictionary.size() == kNames);
  REQUIRE(ids[0].size() == kNames);
  for (const auto& other : ids) CHECK(other == ids[0]);
}
