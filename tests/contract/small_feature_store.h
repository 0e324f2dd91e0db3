#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "features/row.h"
#include "storage/state_store.h"

namespace cairn::test {

/// A real store of features that takes little memory and any disk.
inline std::unique_ptr<storage::StateStore> open_small_feature_store(const std::string& path) {
  storage::StateStoreOptions options;
  options.path = path;
  options.merge = features::merge_encoded_rows;
  options.block_cache_bytes = 1 << 20;
  options.memtable_bytes = 1 << 20;
  options.free_bytes_min = 0;
  auto opened = storage::open_rocksdb_store(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
  return *std::move(opened);
}

}  // namespace cairn::test
