#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/state_store.h"
#include "tests/contract/toy_merge.h"
#include "tests/support/temporary_folder.h"

namespace cairn::storage {

using TempDir = test::TemporaryFolder;

inline std::unique_ptr<StateStore> open_small(const std::string& path) {
  auto store = open_rocksdb_store(small_options(path));
  REQUIRE_MESSAGE(store.ok(), store.status().to_string());
  return std::move(store).value();
}

inline void must(const Status& status) { REQUIRE_MESSAGE(status.ok(), status.to_string()); }

inline std::optional<std::string> must_get(const StateStore& store, Family family, std::string_view key) {
  auto value = store.get(family, key);
  REQUIRE_MESSAGE(value.ok(), value.status().to_string());
  return std::move(value).value();
}

/// The counter of a key in kState; nullopt when absent.
inline std::optional<std::uint64_t> must_count(const StateStore& store, std::string_view key) {
  const std::optional<std::string> value = must_get(store, Family::kState, key);
  if (!value) return std::nullopt;
  REQUIRE(value->size() == 8);
  return read_counter(*value);
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline Pairs must_scan(const StateStore& store, Family family, std::string_view prefix = {}) {
  Pairs rows;
  must(store.scan(family, prefix, [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return true;
  }));
  return rows;
}

/// Everything in a store but its own keys.
inline std::vector<Pairs> must_dump(const StateStore& store) {
  std::vector<Pairs> dump;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    dump.push_back(must_scan(store, static_cast<Family>(i)));
    std::erase_if(dump.back(), [](const auto& row) { return row.first.starts_with("storage."); });
  }
  return dump;
}

/// The two stores that the contract is checked on.
struct MemoryTwin {
  TempDir dir;
  std::unique_ptr<StateStore> store = open_memory_store(add_counters);
};

struct RocksDbTwin {
  TempDir dir;
  std::unique_ptr<StateStore> store = open_small(dir / "state");
};

}  // namespace cairn::storage
