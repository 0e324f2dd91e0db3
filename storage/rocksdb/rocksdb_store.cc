#include "storage/rocksdb/rocksdb_store.h"

#include <fcntl.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "cairn/byte_text.h"
#include "cairn/kill_point.h"
#include "cairn/mutex.h"
#include "storage/directory_owner.h"
#include "storage/in_flight.h"
#include "storage/last_flush_mark.h"
#include "storage/last_write_mark.h"
#include "storage/merger.h"
#include "storage/owner_remark.h"
#include "storage/prefix.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/health_listener.h"
#include "storage/rocksdb/log_continuity.h"
#include "storage/rocksdb/merge_operator.h"
#include "storage/rocksdb/row_reads.h"
#include "storage/rocksdb/snapshots.h"
#include "storage/rocksdb/status_translation.h"
#include "storage/rocksdb/trim_filter.h"
#include "storage/rocksdb/tuning.h"
#include "storage/stored_key.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

/// What a record costs in the log beyond its bytes, generously.
constexpr std::size_t kRecordOverheadBytes = 32;

Status closed() { return unavailable("the state store is closed; open it again"); }

std::size_t wal_bytes(const WriteBatch& batch) { return batch.bytes().size() + batch.count() * kRecordOverheadBytes; }

std::uint64_t directory_bytes(const std::string& path) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error)) {
    std::error_code gone;  // files come and go while we look
    const std::uintmax_t size = file->file_size(gone);
    if (!gone) sum += size;
  }
  return sum;
}

bool on_same_disk(const std::string& a, const std::string& b) {
  struct stat sa {};
  struct stat sb {};
  return ::stat(a.c_str(), &sa) == 0 && ::stat(b.c_str(), &sb) == 0 && sa.st_dev == sb.st_dev;
}

Status sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return ok_status();
  return unavailable("cannot sync " + path + ": " + std::generic_category().message(error));
}

/// Open to its owner and readable for his group, whatever the umask allows more. The name is on the disk then: without
/// it a power failure takes everything that was synced below.
Status make_directory(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return ok_status();
  const fs::path above = fs::path(path).parent_path();
  if (!above.empty() && above != fs::path(path)) CAIRN_RETURN_IF_ERROR(make_directory(above.string()));
  if (::mkdir(path.c_str(), 0750) == 0 || errno == EEXIST) return sync_directory(above.empty() ? "." : above.string());
  return failed_precondition("cannot create " + path + ": " + std::generic_category().message(errno) +
                             owner_remark(path));
}

/// Threads: reads and writes from any thread; RocksDB orders the writes, and joins the log syncs of those that come
/// together. `calls_` keeps the database alive while they run. What the database borrows stands before it.
class RocksDbStore final : public StateStore {
 public:
  RocksDbStore(StateStoreOptions options, RocksDbWorld world, DirectoryOwner owner)
      : options_(std::move(options)),
        world_(std::move(world)),
        owner_(std::move(owner)),
        gate_({.path = options_.path,
               .free_bytes_min = options_.free_bytes_min,
               .probe = world_.free_space,
               .probe_interval = world_.probe_interval}),
        merger_(options_.merge, &quarantine_),
        trim_(options_.trim ? std::make_unique<TrimFilter>(options_.trim) : nullptr),
        health_(std::make_shared<HealthListener>(&gate_, options_.log)) {}

  ~RocksDbStore() override {
    if (const Status status = close(); !status.ok()) {
      options_.log.error("storage.close", "closing the state store failed", {{"error", status.to_string()}});
    }
  }

  Status open() {
    CAIRN_RETURN_IF_ERROR(check_room_to_open());
    std::uint64_t only_here = 0;
    {
      const MutexLock lock(only_here_mutex_);
      CAIRN_ASSIGN_OR_RETURN(only_here_, LastWriteMark::open(options_.path));
      only_here = only_here_->number();
    }
    CAIRN_RETURN_IF_ERROR(open_database(only_here));
    snapshots_ = std::make_shared<Snapshots>(&database_->db());
    return ok_status();
  }

  Status open_database(std::uint64_t only_here) {
    CAIRN_ASSIGN_OR_RETURN(LastFlushMark last_flush, LastFlushMark::open(options_.path));
    const auto recorder = std::make_shared<FlushRecorder>(std::move(last_flush), flushed_);
    auto merge = std::make_shared<MergerOperator>(&merger_);
    const auto check = [this](std::uint64_t last_write, const std::string& end) {
      return check_recovered(last_write, end);
    };
    CAIRN_ASSIGN_OR_RETURN(database_, Database::open({.path = options_.path,
                                                      .db = database_options({health_, flushed_, recorder}, world_.env),
                                                      .family = family_options(options_, std::move(merge), trim_.get()),
                                                      .flushed = flushed_,
                                                      .recorder = recorder,
                                                      .only_here = only_here,
                                                      .accept_loss = options_.accept_loss,
                                                      .check_recovered = check,
                                                      .log = options_.log}));
    return ok_status();
  }

  Status write(WriteBatch batch, Durability durability) override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    CAIRN_RETURN_IF_ERROR(batch.check_key_sizes());
    std::uint64_t number = 0;
    CAIRN_RETURN_IF_ERROR(commit(std::move(batch), durability, &number));
    return durability == Durability::kOnlyHere ? keep_only_here(number) : ok_status();
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    return noted(read_row(database_->db(), {}, family, key));
  }

  Status multi_get(Family family, std::span<const std::string> keys,
                   std::vector<std::optional<std::string>>* values) const override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    return health_->note_read(read_rows(database_->db(), {}, family, keys, values));
  }

  std::shared_ptr<const Snapshot> snapshot() const override {
    const InFlight::Entry call = calls_.enter();
    return call ? snapshots_->take() : nullptr;
  }

  Result<std::optional<std::string>> get_at(const Snapshot& snapshot, Family family,
                                            std::string_view key) const override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    return noted(read_row(database_->db(), reading_at(snapshot), family, key));
  }

  Status multi_get_at(const Snapshot& snapshot, Family family, std::span<const std::string> keys,
                      std::vector<std::optional<std::string>>* values) const override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    return health_->note_read(read_rows(database_->db(), reading_at(snapshot), family, keys, values));
  }

  Status scan(Family family, std::string_view prefix,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    const std::string first = stored_key(family, prefix);
    const std::string end = prefix_end(first).value();  // the family's byte is not 0xff
    const rocksdb::Slice upper = end;
    rocksdb::ReadOptions options;
    options.fill_cache = false;  // a scan must not push out the rows that are read by key
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> rows(database_->db().NewIterator(options));
    for (rows->Seek(first); rows->Valid(); rows->Next()) {
      if (!visit(without_family(rows->key().ToStringView()), rows->value().ToStringView())) return ok_status();
    }
    return health_->note_read(from_rocksdb(rows->status()));
  }

  Status flush() override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    if (const std::optional<std::string> failure = health_->failure()) return unavailable(*failure);
    if (gate_.held()) return gate_.read().status;  // background work waits for space: so would we
    return database_->flush();
  }

  Status purge(Family family, std::span<const std::string> keys) override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    purged_.store(true);
    const std::uint64_t written = database_->last_write();
    CAIRN_RETURN_IF_ERROR(flush());  // which says so when the disk has no room for compactions either
    for (const std::string& key : keys) CAIRN_RETURN_IF_ERROR(purge_one(stored_key(family, key), written));
    return ok_status();
  }

  std::uint64_t last_write() const noexcept override {
    const InFlight::Entry call = calls_.enter();
    return call ? database_->last_write() : last_write_at_close_.load(std::memory_order_acquire);
  }

  std::uint64_t last_write_in_files() const noexcept override { return flushed_->sequence(); }

  Status checkpoint(const std::string& path) override {
    const InFlight::Entry call = calls_.enter();
    if (!call) return closed();
    const MutexLock lock(checkpoint_mutex_);  // two of the same path must not clear away each other's
    std::error_code error;
    const fs::path target = fs::absolute(path, error);
    if (!error && fs::exists(target, error)) {
      return {StatusCode::kAlreadyExists, path + " exists already; name a directory that does not"};
    }
    const std::string parent = target.parent_path().string();
    CAIRN_RETURN_IF_ERROR(make_directory(parent));
    CAIRN_RETURN_IF_ERROR(check_room_for_copy(parent));
    write_quarantine();
    if (Status made = database_->checkpoint(target.string()); !made.ok()) {
      fs::remove_all(target, error);
      return std::move(made).with_context("cannot make a checkpoint in " + path);
    }
    return sync_directory(parent);
  }

  StateStoreStats stats() const override;
  Status close() override;

 private:
  rocksdb::ReadOptions reading_at(const Snapshot& snapshot) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshots_->native(snapshot);
    return options;
  }
  Result<std::optional<std::string>> noted(Result<std::optional<std::string>> read) const {
    if (!read.ok()) static_cast<void>(health_->note_read(read.status()));
    return read;
  }
  Status purge_one(const std::string& key, std::uint64_t written) const;
  void renew_manifest() CAIRN_REQUIRES(close_mutex_);
  Status check_room_to_open() const;
  Status check_recovered(std::uint64_t last_write, const std::string& end) CAIRN_EXCLUDES(only_here_mutex_);
  Status check_room_for_copy(const std::string& parent) const;
  /// Says in `*number`, when it is given, which number the batch's last operation has.
  Status commit(WriteBatch batch, Durability durability, std::uint64_t* number = nullptr) const;
  Status keep_only_here(std::uint64_t number) CAIRN_EXCLUDES(only_here_mutex_);
  Status admit(std::size_t bytes) const;
  void write_quarantine() const;
  Status judge_write(const rocksdb::Status& written) const;
  Status finish() const;

  // Fixed after construction.
  const StateStoreOptions options_;
  const RocksDbWorld world_;

  // The database in the directory goes before its lock does, so the owner stands before everything that writes there.
  Mutex close_mutex_;
  std::optional<DirectoryOwner> owner_ CAIRN_GUARDED_BY(close_mutex_);

  // Synchronise themselves. Mutable where reading the store has a part in it: merging, counting calls, asking the disk.
  mutable DiskGate gate_;
  mutable Quarantine quarantine_;
  const Merger merger_;
  const std::unique_ptr<const TrimFilter> trim_;  ///< null: rows are not trimmed
  const std::shared_ptr<HealthListener> health_;
  mutable InFlight calls_;
  const std::shared_ptr<FlushedMark> flushed_ = std::make_shared<FlushedMark>();
  std::atomic<std::uint64_t> last_write_at_close_{0};
  std::atomic<bool> purged_{false};  ///< the MANIFEST may name keys that are gone from the tables

  Mutex only_here_mutex_;
  std::optional<LastWriteMark> only_here_ CAIRN_GUARDED_BY(only_here_mutex_);  ///< set by open()

  Mutex checkpoint_mutex_;                ///< held for a whole checkpoint
  std::unique_ptr<Database> database_;    ///< set by open(); reset under close_mutex_ when no call is under way
  std::shared_ptr<Snapshots> snapshots_;  ///< of database_; shared with the snapshots, which may outlive the store
};

// Opening replays the log into new files, which the reserve is there for; a store whose disk is nearly full can thus
// still be opened and read.
Status RocksDbStore::check_room_to_open() const {
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t free, world_.free_space(options_.path));
  const std::uint64_t needed = options_.free_bytes_min / 4;
  if (free >= needed) return ok_status();
  return resource_exhausted("the disk of " + options_.path + " has " + byte_text(free) +
                            " free and opening the state needs " + byte_text(needed) + "; free space there");
}

// Table files are linked where the copy is on the same disk; then only what is not flushed yet takes space.
Status RocksDbStore::check_room_for_copy(const std::string& parent) const {
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t free, world_.free_space(parent));
  const bool linked = on_same_disk(parent, options_.path);
  const std::uint64_t copied = linked ? 0 : directory_bytes(options_.path);
  const std::uint64_t needed = copied + database_->memtable_bytes();
  if (free >= needed && free - needed >= options_.free_bytes_min) return ok_status();
  return resource_exhausted("a checkpoint in " + parent + " needs " + byte_text(needed) + " beside a reserve of " +
                            byte_text(options_.free_bytes_min) + " and the disk has " + byte_text(free) +
                            " free; free space there or choose another disk");
}

/// Asked also before the first write of this opening, whose number could hide the loss.
Status RocksDbStore::check_recovered(std::uint64_t last_write, const std::string& end) {
  const MutexLock lock(only_here_mutex_);
  if (last_write >= only_here_->number()) return ok_status();
  const std::string what = lost_write_text(options_.path, last_write, only_here_->number(),
                                           end.empty() ? "the end of its MANIFEST or of a *.log file is lost" : end);
  if (options_.accept_loss) {
    options_.log.error("storage.loss_accepted", what);
    return only_here_->set(last_write);
  }
  return data_loss(
      what +
      "; restore the files from a backup or restore a checkpoint, or start once with --accept-log-loss to go "
      "on without it and import the places again");
}

/// Two such writes may come in any order: the mark never goes back.
Status RocksDbStore::keep_only_here(std::uint64_t number) {
  const MutexLock lock(only_here_mutex_);
  return number > only_here_->number() ? only_here_->set(number) : ok_status();
}

Status RocksDbStore::admit(std::size_t bytes) const {
  if (const std::optional<std::string> failure = health_->failure()) return unavailable(*failure);
  return gate_.admit(bytes);
}

Status RocksDbStore::commit(WriteBatch batch, Durability durability, std::uint64_t* number) const {
  CAIRN_RETURN_IF_ERROR(admit(wal_bytes(batch)));
  std::vector<Quarantine::Row> parked = quarantine_.take();
  // With the caller's batch, in its atomic write: quarantine needs no writes of its own while there is traffic.
  for (const Quarantine::Row& row : parked) batch.put(Family::kQuarantine, row.key, row.value);
  rocksdb::WriteBatch native(batch.take_bytes());  // the same bytes, not parsed and not copied
  rocksdb::WriteOptions options;
  // Write-ahead log only: the tables are written later, by flushes.
  options.sync = durability != Durability::kBuffered;
  CAIRN_KILL_POINT("store.before_write");
  Status status = judge_write(database_->db().Write(options, &native));
  CAIRN_KILL_POINT("store.written");
  if (!status.ok()) quarantine_.give_back(std::move(parked));
  if (status.ok() && number != nullptr) *number = sequence_of(native) + native.Count() - 1;
  return status;
}

Status RocksDbStore::judge_write(const rocksdb::Status& written) const {
  if (written.ok()) return ok_status();
  // RocksDB refuses writes, before it tries them, while background work waits for space.
  if (written.IsNoSpace() && gate_.held() && !health_->failure()) return gate_.read().status;
  health_->fail(written.ToString());
  return unavailable(health_->failure().value());
}

// What cannot be written now waits for the next occasion.
void RocksDbStore::write_quarantine() const {
  const Status written = quarantine_.has_pending() ? commit({}, Durability::kBuffered) : ok_status();
  if (written.ok()) return;
  options_.log.warning("storage.quarantine", "operands that were left out cannot be written to quarantine yet",
                       {{"error", written.to_string()}});
}

StateStoreStats RocksDbStore::stats() const {
  StateStoreStats stats;
  stats.quarantined_operands = quarantine_.count();
  const InFlight::Entry call = calls_.enter();
  if (!call) {
    stats.accepting_writes = false;
    stats.detail = closed().message();
    return stats;
  }
  write_quarantine();
  stats.disk_bytes = directory_bytes(options_.path);
  const DiskGate::Reading disk = gate_.read();
  stats.free_bytes = disk.free_bytes;
  const std::optional<std::string> failure = health_->failure();
  stats.accepting_writes = !failure && disk.status.ok();
  stats.detail = failure.value_or(disk.status.message());
  stats.failure = failure.value_or(health_->read_failure());
  return stats;
}

Status RocksDbStore::close() {
  const MutexLock lock(close_mutex_);
  calls_.close();
  if (database_ == nullptr) return ok_status();
  Status status = finish();
  last_write_at_close_.store(database_->last_write(), std::memory_order_release);
  snapshots_->close();
  database_.reset();
  if (purged_.load() && status.ok() && !health_->failure()) renew_manifest();
  owner_.reset();
  return status;
}

/// Compactions leave a key in files where a snapshot of before its removal is held. Readers hold theirs for moments.
Status RocksDbStore::purge_one(const std::string& key, std::uint64_t written) const {
  constexpr int kTries = 20;
  constexpr std::chrono::milliseconds kWait{100};
  for (int tries = 0; tries < kTries; ++tries) {
    CAIRN_ASSIGN_OR_RETURN(const bool remains, database_->has_remains(key, written));
    if (!remains) return ok_status();
    if (tries > 0) std::this_thread::sleep_for(kWait);
    CAIRN_RETURN_IF_ERROR(database_->compact(key));
  }
  return unavailable("somebody still reads the state of before the removal; try again");
}

/// Opening a database begins a MANIFEST without the history of the one before, which is removed.
void RocksDbStore::renew_manifest() {
  const Status opened = open_database(0);
  if (!opened.ok())
    options_.log.warning("storage.manifest", "it is made anew at the next start", {{"error", opened.to_string()}});
  database_.reset();
}

// Nothing is lost when there is no flush: the log has it all. Flushes and compactions merge, so quarantine is written
// when they have ended.
Status RocksDbStore::finish() const {
  const bool can_flush = !health_->failure() && gate_.read().status.ok();
  Status flushed = can_flush ? database_->flush() : ok_status();
  CAIRN_KILL_POINT("store.flushed_at_close");
  database_->stop_background_work();
  write_quarantine();
  return std::move(flushed).with_context("cannot flush the state in " + options_.path);
}

}  // namespace

Result<std::unique_ptr<StateStore>> open_rocksdb_store(StateStoreOptions options, RocksDbWorld world) {
  CAIRN_RETURN_IF_ERROR(make_directory(options.path));
  CAIRN_ASSIGN_OR_RETURN(DirectoryOwner owner, DirectoryOwner::acquire(options.path));
  auto store = std::make_unique<RocksDbStore>(std::move(options), std::move(world), std::move(owner));
  CAIRN_RETURN_IF_ERROR(store->open());
  return std::unique_ptr<StateStore>(std::move(store));
}

Result<std::unique_ptr<StateStore>> open_rocksdb_store(StateStoreOptions options) {
  return open_rocksdb_store(std::move(options), RocksDbWorld{});
}

}  // namespace cairn::storage
