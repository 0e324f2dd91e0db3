#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/damage.h"
#include "cairn/log.h"
#include "cairn/status.h"
#include "storage/write_batch.h"

namespace cairn::storage {

/// Joins operands (oldest first) to a base value, or to nothing, and writes the new value to `*merged`, which is empty
/// at first. It must be pure, associative over operands and callable from any thread, and must not throw.
///
/// It cannot fail either: an operand that makes no sense is left out, a base that makes no sense is kept as it is. When
/// nothing remains, `*merged` stays empty and is stored like any other value, so an empty base must mean the same as
/// none.
/// Returns: the number of operands left out.
using MergeFunction = std::function<std::size_t(std::optional<std::string_view> base,
                                                std::span<const std::string_view> operands, std::string* merged)>;

/// What becomes of a row when the store rewrites its files.
enum class TrimDecision : std::uint8_t {
  kKeep,
  kChange,  ///< to `*trimmed`
  kRemove
};

/// Looks at a row of Family::kState, a whole value and never an operand, and says whether it may shrink or go. It must
/// be pure and callable from any thread, and must not throw.
///
/// It is called when a row happens to be compacted: sometime, perhaps twice, perhaps never; after a merge only in the
/// compaction behind the one that merged. Operands that were written after the row are joined to what is left of it.
/// Compactions do not look at snapshots here: a reader at one may see the row before or after. So both must answer what
/// a reader asks, as far as the function's owner cares.
using TrimFunction = std::function<TrimDecision(std::string_view key, std::string_view value, std::string* trimmed)>;

/// What is known of a write when write() returns.
enum class Durability : std::uint8_t {
  kBuffered,  ///< the process may die
  kSynced,    ///< the write-ahead log has reached the disk
  kOnlyHere,  ///< the same, and no source can bring it again: a store that has lost it is not opened
};

struct StateStoreOptions {
  std::string path;  ///< directory; created when absent
  MergeFunction merge;
  TrimFunction trim;  ///< may be empty: every row stays
  std::size_t block_cache_bytes = 256u << 20;
  std::size_t memtable_bytes = 64u << 20;
  std::uint64_t free_bytes_min = 256u << 20;  ///< writes are refused while the disk has less free than this
  bool accept_loss = false;                   ///< open although writes of kOnlyHere were lost
  Logger log;
};

struct StateStoreStats {
  std::uint64_t disk_bytes = 0;
  std::uint64_t free_bytes = 0;            ///< of the disk that holds the store
  std::uint64_t quarantined_operands = 0;  ///< distinct merge operands left out since open
  bool accepting_writes = true;            ///< false: disk nearly full, or a write has failed
  std::string detail;                      ///< why not accepting, with the remedy
  /// What has failed for good until the store is opened again: a write, a background job, or a read that met damage.
  /// Names the file where RocksDB does. Empty: nothing. A full disk is no failure.
  std::string failure;
};

/// What a store held at one moment. The store keeps the old values for it, so a snapshot is held for a request or a
/// window and not for longer. It may outlive close() and the store itself; nothing can be read at it then.
///
/// Threads: any; may be released on any.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 protected:
  Snapshot() = default;
};

/// Keys and values by family, written in atomic batches. Knows bytes only.
///
/// Threads: all methods from any thread, close() as well; writes are serialised inside. Views passed to callbacks live
/// for the call.
class StateStore {
 public:
  virtual ~StateStore() = default;
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  /// Applies the batch: all of it or none of it, also across a crash. Move the batch in unless it is needed again: the
  /// real store hands its bytes to RocksDB as they are.
  /// Returns: RESOURCE_EXHAUSTED when the disk is nearly full (nothing was written; retry after space was freed),
  /// UNAVAILABLE after an I/O error (the store stays read-only until reopened), INVALID_ARGUMENT for a key longer than
  /// kKeyBytesMax (nothing was written).
  virtual Status write(WriteBatch batch, Durability durability) = 0;

  /// Returns: the value, nullopt when absent; DATA_LOSS for a damaged block, UNAVAILABLE for an I/O error.
  [[nodiscard]] virtual Result<std::optional<std::string>> get(Family family, std::string_view key) const = 0;

  /// Like get() for many keys at once; `values` has the shape of `keys`. Keys need not be distinct.
  virtual Status multi_get(Family family, std::span<const std::string> keys,
                           std::vector<std::optional<std::string>>* values) const = 0;

  /// Remembers what the store holds now: every write that has returned, and no write by half.
  /// Returns: null when the store is closed.
  [[nodiscard]] virtual std::shared_ptr<const Snapshot> snapshot() const = 0;

  /// get() and multi_get() of what the store held at the snapshot. Requires: the snapshot is of this store.
  [[nodiscard]] virtual Result<std::optional<std::string>> get_at(const Snapshot& snapshot, Family family,
                                                                  std::string_view key) const = 0;
  virtual Status multi_get_at(const Snapshot& snapshot, Family family, std::span<const std::string> keys,
                              std::vector<std::optional<std::string>>* values) const = 0;

  /// Calls `visit` for every key with the prefix (empty: all), in byte order, over one snapshot, until it returns
  /// false. `visit` may call the store, but not close() it. kMeta also has the store's own keys, which begin with
  /// "storage.".
  virtual Status scan(Family family, std::string_view prefix,
                      const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;

  /// Puts every write that has returned into table files, synced, and waits for it. Writers go on meanwhile.
  /// Returns: RESOURCE_EXHAUSTED when the disk is full, UNAVAILABLE after an I/O error. Nothing is lost then: the log
  /// has it.
  virtual Status flush() = 0;

  /// Takes from all files what removed keys of the family have left in them: earlier values, and the marks of removal.
  /// Costs rewriting the table files that may hold the keys. What names the first and last keys of table files
  /// (RocksDB's MANIFEST) is made anew when the store is closed, and when it is opened. Requires: the removals were
  /// written. A key that was put again keeps its newest value. Returns: UNAVAILABLE while a snapshot of before a
  /// removal is held, which may be tried again, and after an I/O error; RESOURCE_EXHAUSTED.
  virtual Status purge(Family family, std::span<const std::string> keys) = 0;

  /// A number that grows with every write() of at least one operation that returned OK. It goes on where it was when
  /// the store is opened again, or lower when the end of the write-ahead log was lost with its writes. After close() it
  /// stays as it was.
  [[nodiscard]] virtual std::uint64_t last_write() const noexcept = 0;

  /// The largest last_write() such that this write and all before it are in synced table files, and so survive the loss
  /// of the write-ahead log. It may lag behind what is true, never lead. After flush() it is at least what last_write()
  /// was before, and after opening it is at least everything that was recovered.
  [[nodiscard]] virtual std::uint64_t last_write_in_files() const noexcept = 0;

  /// A consistent copy of everything written so far, in a directory that must not exist. Writers go on meanwhile.
  /// Returns: ALREADY_EXISTS, RESOURCE_EXHAUSTED, UNAVAILABLE.
  virtual Status checkpoint(const std::string& path) = 0;

  [[nodiscard]] virtual StateStoreStats stats() const = 0;

  /// Waits for the calls under way, flushes and closes; later calls are UNAVAILABLE. Idempotent. A failed flush is
  /// returned and loses nothing: the log has it. Must be over before main() returns; the destructor calls it.
  virtual Status close() = 0;

 protected:
  StateStore() = default;
};

/// The real one: RocksDB with LZ4.
/// Returns: FAILED_PRECONDITION when another process holds the directory (message names its pid where known) or the
/// format is another version's; DATA_LOSS when files are damaged (message names the file); RESOURCE_EXHAUSTED.
[[nodiscard]] Result<std::unique_ptr<StateStore>> open_rocksdb_store(StateStoreOptions options);

/// What a look at a store's files has found.
struct StoreExamination {
  std::vector<Damage> damaged;    ///< empty: nothing
  std::uint64_t rows = 0;         ///< of Family::kState
  std::uint64_t quarantined = 0;  ///< operands that made no sense, kept aside
};

/// Says of a row of Family::kState, merged, whether its value makes sense.
using RowCheck = std::function<Status(std::string_view key, std::string_view value)>;

/// Sees a row of Family::kMeta.
using MetaVisit = std::function<void(std::string_view key, std::string_view value)>;

/// Reads every file of the store in a directory, whoever has it open, and changes nothing: table files and the log by
/// their checksums, the MANIFEST, whether every file that it names is there, whether an opening would find every write
/// of kOnlyHere, and every row. The end of a log that a crash tore is no damage where nothing is known to have stood
/// there. `meta` may be empty.
[[nodiscard]] StoreExamination examine_rocksdb_store(const std::string& path, const MergeFunction& merge,
                                                     const RowCheck& check, const MetaVisit& meta = {});

/// A small working twin in memory that passes the same contract tests; `path` and the disk gate are ignored, except
/// that checkpoint() writes a directory that open_memory_store cannot read back. It trims all rows in each flush(),
/// and a snapshot keeps what it held.
[[nodiscard]] std::unique_ptr<StateStore> open_memory_store(MergeFunction merge, TrimFunction trim = nullptr);

}  // namespace cairn::storage
