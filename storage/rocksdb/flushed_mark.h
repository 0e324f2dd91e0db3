#pragma once

#include <rocksdb/listener.h>

#include <atomic>
#include <cstdint>

namespace cairn::storage {

/// The newest write that is in table files together with all before it, as a RocksDB sequence number. There is one
/// column family: RocksDB fills its memtables in the order of the numbers and tells of their files in the same order,
/// after it has synced them and the MANIFEST.
///
/// Threads: any.
class FlushedMark final : public rocksdb::EventListener {
 public:
  /// Everything up to `sequence` is in table files. A smaller number than before changes nothing.
  void advance(std::uint64_t sequence) noexcept {
    std::uint64_t now = sequence_.load(std::memory_order_relaxed);
    while (now < sequence && !sequence_.compare_exchange_weak(now, sequence, std::memory_order_release)) {
    }
  }

  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_.load(std::memory_order_acquire); }

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& flush) override { advance(flush.largest_seqno); }

 private:
  std::atomic<std::uint64_t> sequence_{0};
};

}  // namespace cairn::storage
