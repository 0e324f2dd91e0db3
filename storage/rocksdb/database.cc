#include "storage/rocksdb/database.h"

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/utilities/debug.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/format_version.h"
#include "storage/rocksdb/dry_recovery.h"
#include "storage/rocksdb/file_names.h"
#include "storage/rocksdb/log_records.h"
#include "storage/rocksdb/manifest_loss.h"
#include "storage/rocksdb/merge_operator.h"
#include "storage/rocksdb/status_translation.h"
#include "storage/stored_key.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

enum class Content { kNothing, kDatabase };

// RocksDB takes a directory without CURRENT for an empty one, makes a new database in it and deletes the files of the
// old one.
Result<Content> inspect(const std::string& path) {
  std::error_code error;
  if (fs::exists(path + "/CURRENT", error)) return Content::kDatabase;
  if (error) return unavailable("cannot look into " + path + ": " + error.message());
  CAIRN_ASSIGN_OR_RETURN(const auto data, some_data_file(path));
  if (!data) return Content::kNothing;
  return data_loss("the state in " + path + " is damaged: " + path + "/CURRENT is missing but " + *data +
                   " is there; restore a checkpoint, or move the directory away and let the events be read again "
                   "from the start");
}

Status not_ours(const std::string& path) {
  return failed_precondition(path +
                             " holds data without a format version, so it is not Cairn's; choose another state.dir");
}

std::optional<int> parse_version(const std::string& text) {
  int version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return version;
}

Status check_version(const std::string& text, const std::string& path) {
  const std::optional<int> version = parse_version(text);
  if (!version) return data_loss("the state in " + path + " is damaged: its format version reads '" + text + "'");
  if (*version == kFormatVersion) return ok_status();
  return failed_precondition("the state in " + path + " has format version " + text +
                             " and this version of Cairn reads " + std::to_string(kFormatVersion) +
                             "; use the version that wrote it, or let the events be read again into another state.dir");
}

// Format version 1 had a column family for each of ours, and the format version in one of them.
Status check_families(const DatabaseOptions& options) {
  std::vector<std::string> found;
  const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(options.db, options.path, &found);
  if (!listed.ok()) return open_failure(listed, options.path);
  for (const std::string& name : found) {
    if (name == rocksdb::kDefaultColumnFamilyName) continue;
    if (name == "state" || name == "meta") return check_version("1", options.path);
    return failed_precondition(options.path + " has a family '" + name +
                               "' that this version does not know; use the version of Cairn that made it, or choose "
                               "another state.dir");
  }
  return ok_status();
}

bool mentions_our_merge(const fs::path& file) {
  std::ifstream in(file);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return text.find(kMergeOperatorPrefix) != std::string::npos;
}

// Asked before the database is opened, because opening changes it and judges its log by our rules. RocksDB writes the
// name of the merge operator into the file OPTIONS-* at every opening; a crash in the first one may leave no such file.
Status check_owner(const std::string& path) {
  bool described = false;
  std::error_code error;
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error)) {
    if (!file->path().filename().string().starts_with("OPTIONS-")) continue;
    described = true;
    if (mentions_our_merge(file->path())) return ok_status();
  }
  if (error) return unavailable("cannot look into " + path + ": " + error.message());
  return described ? not_ours(path) : ok_status();
}

/// What is known of the last flush. A mark that cannot be read guards nothing, and is no loss itself: the next one is
/// written over it.
std::optional<LastFlush> last_flush(const DatabaseOptions& options) {
  auto read = LastFlushMark::read(options.path);
  if (read.ok()) return *read;
  options.log.warning("storage.mark_unreadable", read.status().message());
  return std::nullopt;
}

// To RocksDB a MANIFEST with a damaged length is one that ends there, as is one that was cut: it would open the store
// of an earlier moment and delete the files of later ones.
Status check_manifest(const DatabaseOptions& options, const LastFlush& flush) {
  const std::string what = "the state in " + options.path + " is damaged: ";
  if (const auto damage = find_damaged_record(current_manifest(options.path))) {
    return data_loss(
        what + *damage +
        "; restore a checkpoint, or move the directory away and let the events be read again from the start");
  }
  const auto loss = find_manifest_loss(options.path, flush);
  if (!loss) return ok_status();
  if (options.accept_loss) {
    options.log.error("storage.loss_accepted", what + *loss);
    return ok_status();
  }
  return data_loss(what + *loss +
                   "; restore the file from a backup or restore a checkpoint, or start once with --accept-log-loss to "
                   "go on as it was at that moment, without what was written since");
}

// Asked before the database is opened, because opening writes into tables what is left of the log, and deletes it. Only
// a crash shortly after such a write leaves it in the log alone.
Status check_log(const DatabaseOptions& options, const LastFlush& flush) {
  if (options.only_here <= flush.last_write) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(const Recovered recovered,
                         recover_to_read(options.path, rocksdb::Options(options.db, options.family)));
  return options.check_recovered(recovered.last_write, recovered.end);
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const DatabaseOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const Content content, inspect(options.path));
  if (content == Content::kDatabase) {
    CAIRN_RETURN_IF_ERROR(check_families(options));
    CAIRN_RETURN_IF_ERROR(check_owner(options.path));
    const LastFlush flush = last_flush(options).value_or(LastFlush{});
    CAIRN_RETURN_IF_ERROR(check_manifest(options, flush));
    CAIRN_RETURN_IF_ERROR(check_log(options, flush));
  }
  std::unique_ptr<Database> database(new Database(options));
  rocksdb::Options open_options(options.db, options.family);
  open_options.create_if_missing = content == Content::kNothing;
  open_options.wal_filter = &database->continuity_;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(open_options, options.path, &db);
  if (!opened.ok()) return open_failure(opened, options.path);
  database->db_.reset(db);
  // Opening writes what it reads from the log into table files (avoid_flush_during_recovery is false). Seen rather than
  // taken on trust: where a memtable holds a row, nothing is claimed.
  if (database->memtables_are_empty()) options.flushed->advance(database->last_write());
  CAIRN_RETURN_IF_ERROR(database->settle_format_version());
  CAIRN_RETURN_IF_ERROR(options.check_recovered(database->last_write(), ""));
  CAIRN_RETURN_IF_ERROR(database->mark_beginning());
  options.recorder->record(*db);
  return database;
}

Database::Database(DatabaseOptions options) : options_(std::move(options)), continuity_(options_.log) {}

Database::~Database() {
  if (db_ != nullptr) db_->Close().PermitUncheckedError();
}

Status Database::settle_format_version() const {
  std::string text;
  const rocksdb::Status found = db_->Get({}, stored_key(Family::kMeta, kFormatVersionKey), &text);
  if (found.ok()) return check_version(text, options_.path);
  if (!found.IsNotFound()) return open_failure(found, options_.path);
  if (is_empty()) return ok_status();
  return not_ours(options_.path);
}

// In a new store this is what makes it ours. In every store it is the first record of the log, by which LogContinuity
// knows later that no log stood before it.
Status Database::mark_beginning() const {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return from_rocksdb(db_->Put(synced, stored_key(Family::kMeta, kFormatVersionKey), std::to_string(kFormatVersion)));
}

bool Database::is_empty() const {
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator({}));
  rows->SeekToFirst();
  return !rows->Valid() && rows->status().ok();
}

Status Database::flush() {
  // Flush() waits for what stood in the memtables when it was called, so the number is taken before.
  const std::uint64_t written = last_write();
  CAIRN_RETURN_IF_ERROR(from_rocksdb(db_->Flush({})));
  options_.flushed->advance(written);
  return ok_status();
}

namespace {

/// RocksDB's own log tells of manual compactions with their keys, which are what is to leave the files.
class QuietLog {
 public:
  explicit QuietLog(std::shared_ptr<rocksdb::Logger> log) : log_(std::move(log)) {
    if (!log_) return;
    level_ = log_->GetInfoLogLevel();
    log_->SetInfoLogLevel(rocksdb::WARN_LEVEL);
  }
  ~QuietLog() {
    if (log_) log_->SetInfoLogLevel(level_);
  }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;

 private:
  const std::shared_ptr<rocksdb::Logger> log_;
  rocksdb::InfoLogLevel level_ = rocksdb::INFO_LEVEL;
};

}  // namespace

Status Database::compact(const std::string& key) const {
  const QuietLog quiet(db_->GetDBOptions().info_log);
  rocksdb::CompactRangeOptions options;
  // Also where the file is at the bottom already: a value that was overwritten there is still in it.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Slice only = key;
  return from_rocksdb(db_->CompactRange(options, &only, &only));
}

Result<bool> Database::has_remains(const std::string& key, std::uint64_t up_to) const {
  constexpr std::size_t kVersionsMax = 1024;
  constexpr int kPlainValue = 1;  // rocksdb::kTypeValue, which is not in a header that is installed
  std::vector<rocksdb::KeyVersion> versions;
  CAIRN_RETURN_IF_ERROR(from_rocksdb(rocksdb::GetAllKeyVersions(db_.get(), key, key, kVersionsMax, &versions)));
  if (versions.size() == kVersionsMax) return true;
  std::erase_if(versions, [&](const rocksdb::KeyVersion& one) { return one.sequence > up_to; });
  return versions.size() > 1 || (versions.size() == 1 && versions.front().type != kPlainValue);
}

void Database::stop_background_work() const { rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/true); }

std::uint64_t Database::memtable_bytes() const {
  std::uint64_t bytes = 0;
  return db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes) ? bytes : 0;
}

std::uint64_t Database::last_write() const noexcept { return db_->GetLatestSequenceNumber(); }

bool Database::memtables_are_empty() const {
  std::uint64_t active = 0;
  std::uint64_t waiting = 0;
  return db_->GetIntProperty(rocksdb::DB::Properties::kNumEntriesActiveMemTable, &active) && active == 0 &&
         db_->GetIntProperty(rocksdb::DB::Properties::kNumImmutableMemTable, &waiting) && waiting == 0;
}

Status Database::checkpoint(const std::string& path) const {
  rocksdb::Checkpoint* raw = nullptr;
  CAIRN_RETURN_IF_ERROR(from_rocksdb(rocksdb::Checkpoint::Create(db_.get(), &raw)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  // Zero: flush first, because the copied log is not fully synced (rocksdb #12882).
  CAIRN_RETURN_IF_ERROR(from_rocksdb(checkpoint->CreateCheckpoint(path, 0)));
  return verify_copy(path);
}

Status Database::verify_copy(const std::string& path) const {
  return recover_to_read(path, rocksdb::Options(options_.db, options_.family)).status();
}

}  // namespace cairn::storage
