#pragma once

#include <string>
#include <vector>

namespace cairn::test {

/// Watches fsync(2) and fdatasync(2) of this process, RocksDB's too: disk_syncs.cc takes their place in a test program
/// that is linked with it.
class DiskSyncs {
 public:
  /// Forgets what was synced, and fails nothing any more.
  DiskSyncs();
  ~DiskSyncs();
  DiskSyncs(const DiskSyncs&) = delete;
  DiskSyncs& operator=(const DiskSyncs&) = delete;

  /// The paths synced so far, files and folders, in their order.
  [[nodiscard]] std::vector<std::string> synced() const;
  /// How many of them contain `part`.
  [[nodiscard]] int count(const std::string& part) const;
  /// The next sync of a path that contains `part` fails once with EIO, without a sync.
  void fail_next(const std::string& part);
  /// The next sync of a path that contains `part` waits for let_go(), and then fails likewise.
  void hold_next(const std::string& part);
  void wait_until_held();
  void let_go();
};

}  // namespace cairn::test
