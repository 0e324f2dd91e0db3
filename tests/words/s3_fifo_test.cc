#include "cairn/s3_fifo.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using cairn::S3Fifo;

TEST_CASE("what was put is found until it leaves, and never more than the room is held") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    S3Fifo<int> cache(1000);
    std::map<std::string, std::pair<int, std::size_t>> latest;  // what the cache may say of a key
    for (int i = 0; i < 5000; ++i) {
      const std::string key = "k" + std::to_string(random() % 300);
      switch (random() % 4) {
        case 0:
        case 1: {
          const std::size_t bytes = 1 + random() % 40;
          cache.put(key, i, bytes);
          latest[key] = {i, bytes};
          break;
        }
        case 2: {
          const int* found = cache.find(key);
          if (found != nullptr) CHECK(*found == latest.at(key).first);
          break;
        }
        default:
          if (cache.erase(key)) CHECK(latest.contains(key));
          CHECK(cache.find(key) == nullptr);
      }
      CHECK(cache.bytes() <= 1000);
    }
    std::size_t bytes = 0;
    std::size_t count = 0;
    for (const auto& [key, value] : latest) {
      const int* found = cache.find(key);
      if (found == nullptr) continue;
      CHECK(*found == value.first);
      bytes += value.second;
      ++count;
    }
    CHECK(bytes == cache.bytes());
    CHECK(count == cache.size());
  }
}

TEST_CASE("what is used outlives a scan of what is not") {
  S3Fifo<int> cache(100);
  for (int i = 0; i < 20; ++i) {
    cache.put("hot" + std::to_string(i), i, 1);
    CHECK(cache.find("hot" + std::to_string(i)) != nullptr);
  }
  for (int i = 0; i < 10'000; ++i) cache.put("once" + std::to_string(i), i, 1);
  for (int i = 0; i < 20; ++i) CHECK(cache.find("hot" + std::to_string(i)) != nullptr);
}

TEST_CASE("what comes back soon after it left is kept in the main queue") {
  S3Fifo<int> cache(100);
  for (int i = 0; i < 100; ++i) cache.put("a" + std::to_string(i), i, 1);
  cache.put("b", 0, 1);  // pushes a0 out, which is remembered
  CHECK(cache.find("a0") == nullptr);
  cache.put("a0", 0, 1);
  for (int i = 0; i < 50; ++i) cache.put("c" + std::to_string(i), i, 1);
  CHECK(cache.find("a0") != nullptr);
}

TEST_CASE("what is larger than a quarter of the room is not kept, and a value that grows makes room") {
  S3Fifo<int> cache(100);
  cache.put("large", 1, 26);
  CHECK(cache.find("large") == nullptr);
  cache.put("a", 1, 10);
  cache.put("b", 2, 10);
  cache.put("a", 3, 95);
  CHECK(cache.bytes() <= 100);
}

}  // namespace
