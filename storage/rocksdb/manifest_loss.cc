#include "storage/rocksdb/manifest_loss.h"

#include "storage/rocksdb/file_names.h"
#include "storage/rocksdb/log_records.h"

namespace cairn::storage {

std::optional<std::string> find_manifest_loss(const std::string& directory, const LastFlush& flush) {
  const std::string manifest = current_manifest(directory);
  const auto number = manifest_number(manifest);
  // A number that grew: the store was opened since. What cannot be read at all RocksDB says itself.
  if (!number || *number > flush.manifest) return std::nullopt;
  if (*number < flush.manifest) {
    return directory + "/CURRENT names " + manifest_name(*number) + ", and " + manifest_name(flush.manifest) +
           " was in use since (" + LastFlushMark::path(directory) + ")";
  }
  const auto extent = read_log_extent(manifest);
  // One with a damaged record is told of by whoever looks for those.
  if (!extent || extent->damaged || extent->whole_bytes >= flush.manifest_bytes) return std::nullopt;
  return manifest + " ends at byte " + std::to_string(extent->whole_bytes) + " and had " +
         std::to_string(flush.manifest_bytes) + " bytes (" + LastFlushMark::path(directory) + "): it was cut";
}

}  // namespace cairn::storage
