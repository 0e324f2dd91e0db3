// Looking at a store's files without opening it for use.

#include <rocksdb/db.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/last_flush_mark.h"
#include "storage/last_write_mark.h"
#include "storage/merger.h"
#include "storage/quarantine.h"
#include "storage/rocksdb/dry_recovery.h"
#include "storage/rocksdb/file_names.h"
#include "storage/rocksdb/log_records.h"
#include "storage/rocksdb/manifest_loss.h"
#include "storage/rocksdb/merge_operator.h"
#include "storage/rocksdb/silent_logger.h"
#include "storage/rocksdb/status_translation.h"
#include "storage/rocksdb/tuning.h"
#include "storage/state_store.h"
#include "storage/stored_key.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> table_files(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error)) {
    if (file->path().extension() == ".sst") files.push_back(file->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string hexadecimal(std::string_view key) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : key) text.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return text;
}

constexpr const char* kRestore =
    "restore a checkpoint, or move the directory away and let the events be read again from the start";
constexpr const char* kAcceptLoss =
    "restore the file from a backup or restore a checkpoint, or start once with --accept-log-loss to go on without "
    "what is lost";
constexpr const char* kReadAgain =
    "start cairnd: what stands before it is kept, and the sources bring the rest again from the positions that are "
    "kept with it";

/// Every row, merged. Table files were read before: damage in them is known already.
Status examine_rows(rocksdb::DB& db, const std::string& path, const RowCheck& check, const MetaVisit& meta,
                    StoreExamination* found) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(options));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::string_view key = rows->key().ToStringView();
    if (key.starts_with(family_byte(Family::kQuarantine))) ++found->quarantined;
    if (meta && key.starts_with(family_byte(Family::kMeta))) meta(without_family(key), rows->value().ToStringView());
    if (!key.starts_with(family_byte(Family::kState))) continue;
    ++found->rows;
    const Status sound = check(without_family(key), rows->value().ToStringView());
    if (sound.ok()) continue;
    found->damaged.push_back({"the row with the key " + hexadecimal(without_family(key)) + " in " + path +
                                  " makes no sense: " + sound.message(),
                              "restore a checkpoint, or let the row's events be read again"});
  }
  return from_rocksdb(rows->status());
}

/// What of the log is not whole, where a start goes on all the same.
void examine_logs(const std::string& path, const Recovered& recovered, std::vector<Damage>* found) {
  for (const auto& [number, file] : log_files(path)) {
    if (auto damage = find_damaged_record(file)) found->push_back({*std::move(damage), kReadAgain});
  }
  if (!found->empty() || recovered.left_out.empty()) return;
  found->push_back(
      {recovered.end + ", and " + recovered.left_out + " does not follow it: what stood between is missing",
       kReadAgain});
}

using Tables = std::set<std::string>;

/// By their paths.
Tables tables_of(rocksdb::DB& db, const std::string& path) {
  std::vector<rocksdb::LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  Tables tables;
  for (const rocksdb::LiveFileMetaData& file : files) tables.insert(path + file.name);
  return tables;
}

/// Replays the log to read only, which reads the MANIFEST and looks for every file in it, and reads every row. `*named`
/// is set when that can be done: to the tables that belong to the database.
StoreExamination examine_database(const std::string& path, const MergeFunction& merge, const RowCheck& check,
                                  const MetaVisit& meta, std::optional<Tables>* named) {
  StoreExamination found;
  // Before the log: it names no write that was not there by then.
  const auto only_here = LastWriteMark::read(path);
  if (!only_here.ok()) found.damaged.push_back(damage_of(only_here.status(), kRestore));
  Quarantine quarantine;
  const Merger merger(merge, &quarantine);
  StateStoreOptions settings;
  settings.path = path;
  settings.block_cache_bytes = 8u << 20;
  rocksdb::Options options(database_options({}, nullptr),
                           family_options(settings, std::make_shared<MergerOperator>(&merger), nullptr));
  options.max_open_files = -1;  // every table file is opened
  const auto recovered = recover_to_read(path, std::move(options));
  if (!recovered.ok()) {
    found.damaged.push_back(damage_of(recovered.status(), kRestore));
    return found;
  }
  *named = tables_of(*recovered->db, path);
  if (only_here.ok() && recovered->last_write < *only_here) {
    found.damaged.push_back({lost_write_text(path, recovered->last_write, *only_here, recovered->end), kAcceptLoss});
  } else {
    examine_logs(path, *recovered, &found.damaged);
  }
  const Status read = examine_rows(*recovered->db, path, check, meta, &found);
  if (!read.ok()) found.damaged.push_back(damage_of(read, kRestore));
  return found;
}

void examine_table(const std::string& file, std::map<std::string, Damage>* found) {
  rocksdb::Options options;
  options.info_log = std::make_shared<SilentLogger>();
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(file);
  if (status.ok()) status = reader.VerifyChecksum();
  std::error_code error;
  // A running store removes table files that it has rewritten.
  if (!status.ok() && fs::exists(file, error)) {
    found->emplace(file, Damage{file + " is damaged: " + status.ToString(), kRestore});
  }
}

/// Of the MANIFEST. `*whole`: a database can be made of it.
void examine_manifest(const std::string& path, std::vector<Damage>* found, bool* whole) {
  const auto flush = LastFlushMark::read(path);
  if (!flush.ok()) {
    found->push_back({flush.status().message(), "check the disk; the next start of cairnd writes it anew"});
  }
  std::error_code error;
  if (!fs::exists(path + "/CURRENT", error)) {
    const auto data = some_data_file(path);
    if (data.ok() && *data) found->push_back({path + "/CURRENT is missing but " + **data + " is there", kRestore});
    *whole = false;
    return;
  }
  auto damage = find_damaged_record(current_manifest(path));
  auto loss = flush.ok() && *flush ? find_manifest_loss(path, **flush) : std::nullopt;
  *whole = !damage && !loss;
  if (damage) found->push_back({*std::move(damage), kRestore});
  if (loss) found->push_back({*std::move(loss), kAcceptLoss});
}

}  // namespace

StoreExamination examine_rocksdb_store(const std::string& path, const MergeFunction& merge, const RowCheck& check,
                                       const MetaVisit& meta) {
  std::error_code error;
  if (!fs::exists(path, error) || fs::is_empty(path, error)) return {};
  std::map<std::string, Damage> tables;
  for (const std::string& file : table_files(path)) examine_table(file, &tables);
  std::vector<Damage> files;
  bool whole = true;
  examine_manifest(path, &files, &whole);
  StoreExamination found;
  std::optional<Tables> named;
  // Once more when it finds something: beside a running store a file may go between two looks.
  constexpr int kLooks = 3;
  for (int look = 0; whole && look < kLooks; ++look) {
    found = examine_database(path, merge, check, meta, &named);
    if (found.damaged.empty()) break;
  }
  for (auto& [file, damage] : tables) {
    // One that the MANIFEST does not name is being written, or was when the process ended.
    if (!named || named->contains(file)) files.push_back(std::move(damage));
  }
  found.damaged.insert(found.damaged.begin(), files.begin(), files.end());
  return found;
}

}  // namespace cairn::storage
