#include "features/name_table.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using cairn::features::NameTable;

namespace {

std::string name_of(std::uint32_t number) { return "name " + std::to_string(number * 2654435761u); }

std::uint32_t add(NameTable& table, const std::string& name) { return table.add(name, NameTable::hash(name)); }
std::optional<std::uint32_t> find(const NameTable& table, const std::string& name) {
  return table.find(name, NameTable::hash(name));
}

}  // namespace

TEST_CASE("names get the numbers 0, 1, 2 and are found by both") {
  NameTable table;
  constexpr std::uint32_t kNames = 20'000;
  for (std::uint32_t i = 0; i < kNames; ++i) CHECK(add(table, name_of(i)) == i);
  CHECK(table.size() == kNames);
  for (std::uint32_t i = 0; i < kNames; ++i) {
    CHECK(find(table, name_of(i)) == i);
    CHECK(table.name(i) == name_of(i));
  }
  CHECK_FALSE(find(table, "stranger"));
}

TEST_CASE("names of any bytes and of any length up to 64 KiB are told apart") {
  NameTable table;
  const std::vector<std::string> names{"", std::string(1, '\0'), std::string(2, '\0'), std::string(0xFFFF, 'x'),
                                       std::string(0xFFFE, 'x')};
  for (std::uint32_t i = 0; i < names.size(); ++i) CHECK(add(table, names[i]) == i);
  for (std::uint32_t i = 0; i < names.size(); ++i) CHECK(table.name(*find(table, names[i])) == names[i]);
}

TEST_CASE("names of one hash are told apart") {
  NameTable table;
  for (std::uint32_t i = 0; i < 30; ++i) table.add(name_of(i), 42);
  for (std::uint32_t i = 0; i < 30; ++i) CHECK(table.find(name_of(i), 42) == i);
  CHECK_FALSE(table.find("stranger", 42));
}

TEST_CASE("readers find every name that was there when they began, while names are added") {
  NameTable table;
  constexpr std::uint32_t kNames = 50'000;
  std::atomic<std::uint32_t> added{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (std::uint32_t reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      for (std::uint32_t i = reader; added < kNames; i = i * 1664525u + 1013904223u) {
        const std::uint32_t there = added;
        if (there == 0) continue;
        const std::uint32_t number = i % there;
        if (find(table, name_of(number)) != number || table.name(number) != name_of(number)) ++wrong;
      }
    });
  }
  for (std::uint32_t i = 0; i < kNames; ++i) {
    add(table, name_of(i));
    added = i + 1;
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}
