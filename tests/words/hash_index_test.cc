#include "cairn/hash_index.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace {

using cairn::HashIndex;

/// A hash whose lower 20 bits are one and the same, as in a shard, and which many keys share.
std::size_t hash_of(int key, int distinct) { return (static_cast<std::size_t>(key % distinct) << 20) | 0x5A5A5; }

TEST_CASE("an index finds what was put into it and not erased, also where hashes and places collide") {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    // From all keys on a few places to every key on its own; wrapping round the end of the table.
    const int distinct = seed % 3 == 0 ? 3 : seed % 3 == 1 ? 40 : 1'000'000;
    HashIndex<int> index;
    std::map<int, bool> known;
    for (int i = 0; i < 4'000; ++i) {
      const int key = static_cast<int>(random() % 300) - (seed % 2 == 0 ? 0 : 1);
      const auto is = [key](int one) { return one == key; };
      const std::size_t hash = hash_of(key + 1, distinct);
      const int* found = index.find(hash, is);
      REQUIRE((found != nullptr) == known.contains(key));
      if (found != nullptr) CHECK(*found == key);
      if (found == nullptr && random() % 2 == 0) {
        index.insert(hash, key);
        known[key] = true;
      } else if (random() % 2 == 0) {
        const std::optional<int> erased = index.erase(hash, is);
        CHECK(erased.has_value() == (known.erase(key) > 0));
        if (erased) CHECK(*erased == key);
      }
      CHECK(index.size() == known.size());
    }
    for (int key = -1; key < 300; ++key) {
      CHECK((index.find(hash_of(key + 1, distinct), [key](int one) { return one == key; }) != nullptr) ==
            known.contains(key));
    }
  }
}

TEST_CASE("what is likely meant is a thing of the same hash, and nothing where there is none") {
  HashIndex<int> index;
  std::vector<int> told;
  const auto tell = [&](int one) { told.push_back(one); };
  index.likely(1, tell);
  index.insert(std::size_t{7} << 20, 7);
  index.insert(std::size_t{7 + 16} << 20, 23);  // begins at the same place of a table of 16
  index.likely(std::size_t{7 + 16} << 20, tell);
  index.likely(std::size_t{8} << 20, tell);
  CHECK(told == std::vector<int>{23});
}

TEST_CASE("asking ahead for any hash does nothing that shows") {
  HashIndex<int> index;
  index.prefetch(1);
  index.insert(1, 1);
  index.prefetch(~std::size_t{0});
  CHECK(index.size() == 1);
}

}  // namespace
