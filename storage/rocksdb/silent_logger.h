#pragma once

#include <rocksdb/env.h>

namespace cairn::storage {

/// RocksDB writes its diary into every directory it opens, also to read only.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace cairn::storage
