#pragma once

#include <chrono>
#include <memory>

#include "storage/disk_gate.h"
#include "storage/state_store.h"

namespace rocksdb {
class Env;
}

namespace cairn::storage {

/// The world as the store sees it. A test puts in a disk that fills up or fails.
struct RocksDbWorld {
  FreeSpaceProbe free_space = storage::free_space;
  std::chrono::milliseconds probe_interval{200};
  rocksdb::Env* env = nullptr;  ///< null: the system's. Outlives the store.
};

/// open_rocksdb_store() in a given world.
[[nodiscard]] Result<std::unique_ptr<StateStore>> open_rocksdb_store(StateStoreOptions options, RocksDbWorld world);

}  // namespace cairn::storage
