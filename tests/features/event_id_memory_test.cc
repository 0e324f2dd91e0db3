#include "features/event_id_memory.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

using cairn::features::EventFingerprint;
using cairn::features::EventIdMemory;
using cairn::features::fingerprint;

TEST_CASE("a fingerprint is FNV-1a of 128 bits, as the RFC gives it") {
  // RFC 9923, test vectors of FNV-1a 128.
  CHECK(fingerprint("") == EventFingerprint{0x6c62272e07bb0142, 0x62b821756295c58d});
  CHECK(fingerprint("a") == EventFingerprint{0xd228cb696f1a8caf, 0x78912b704e4a8964});
  CHECK(fingerprint("foobar") == EventFingerprint{0x343e1662793c64bf, 0x6f0d3597ba446f18});
}

TEST_CASE("an id is new once, and remembered whatever comes between while that is less than a generation") {
  EventIdMemory memory(100);
  CHECK(memory.add(fingerprint("mine")) == 0u);
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(memory.add(fingerprint("mine")));
    CHECK(memory.add(fingerprint(std::to_string(i))));
  }
  CHECK_FALSE(memory.add(fingerprint("mine")));
}

TEST_CASE("an id is forgotten when the generation after its own is full") {
  constexpr std::uint64_t kGeneration = 50;
  EventIdMemory memory(kGeneration);
  std::vector<std::uint64_t> generations;
  for (std::uint64_t i = 0; i < 10 * kGeneration; ++i) {
    generations.push_back(*memory.add(fingerprint(std::to_string(i))));
    CHECK(generations.back() == i / kGeneration);
    const std::uint64_t oldest = i / kGeneration == 0 ? 0 : i / kGeneration - 1;
    CHECK(memory.oldest_generation() == oldest);
  }
  // Those of the last two generations are there, the one before them is not.
  CHECK_FALSE(memory.add(fingerprint(std::to_string(8 * kGeneration))));
  CHECK(memory.add(fingerprint(std::to_string(8 * kGeneration - 1))));
}

TEST_CASE("the ids that are remembered are those of a plain list, through restarts") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::uint64_t generation = 1 + random() % 40;
    EventIdMemory memory(generation);
    std::deque<std::pair<std::uint64_t, std::string>> list;  // of the last two generations
    std::uint64_t count = 0;
    for (int i = 0; i < 2'000; ++i) {
      const std::string id = std::to_string(random() % (4 * generation));
      bool there = false;
      for (const auto& [when, other] : list) there |= other == id;
      const auto added = memory.add(fingerprint(id));
      REQUIRE(added.has_value() == !there);
      if (there) continue;
      const std::uint64_t mine = count++ / generation;
      CHECK(added == mine);
      list.emplace_back(mine, id);
      while (list.front().first + 1 < mine) list.pop_front();
      if (random() % 100 != 0) continue;
      memory = EventIdMemory(generation);
      for (const auto& [when, other] : list) memory.restore(when, fingerprint(other));
    }
  }
}

TEST_CASE(
    "a memory that is told only of the ids that come, and where the order stands, decides like one that knows all") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const std::uint64_t generation_ids = 1 + random() % 40;
    EventIdMemory whole(generation_ids);
    std::map<std::string, std::uint64_t> kept;  // by id: its generation
    EventIdMemory::Newest newest;
    for (int batch = 0; batch < 300; ++batch) {
      std::vector<std::string> ids(1 + random() % 30);
      for (std::string& id : ids) id = std::to_string(random() % (4 * generation_ids));
      EventIdMemory part(generation_ids);
      const std::uint64_t oldest = newest.generation == 0 ? 0 : newest.generation - 1;
      for (std::uint64_t generation = oldest; generation <= newest.generation; ++generation) {
        for (const std::string& id : ids) {
          if (kept.contains(id) && kept[id] == generation) part.restore(generation, fingerprint(id));
        }
      }
      part.resume(newest);
      CHECK(part.newest() == newest);
      for (const std::string& id : ids) {
        const auto added = part.add(fingerprint(id));
        REQUIRE(added == whole.add(fingerprint(id)));
        if (added) kept[id] = *added;
      }
      newest = part.newest();
      CHECK(newest == whole.newest());
    }
    CHECK(newest.generation > 10);
  }
}

TEST_CASE("two generations hold no more than was asked for, and at least one id each") {
  CHECK(EventIdMemory::generation_size(4'000'000) == 2'000'000);
  CHECK(EventIdMemory::generation_size(7) == 3);
  CHECK(EventIdMemory::generation_size(1) == 1);
  CHECK(EventIdMemory::generation_size(0) == 1);
}
