// Looking at a store's files without opening it for use.

#include <rocksdb/db.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/merger.h"
#include "storage/quarantine.h"
#include "storage/rocksdb/log_records.h"
#include "storage/rocksdb/merge_operator.h"
#include "storage/rocksdb/silent_logger.h"
#include "storage/rocksdb/status_translation.h"
#include "storage/rocksdb/tuning.h"
#include "storage/state_store.h"
#include "storage/stored_key.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

/// Those whose names begin or end with `part`.
std::vector<std::string> files_of(const std::string& path, std::string_view part) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (name.starts_with(part) || name.ends_with(part)) files.push_back(file->path().string());
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

/// Every row, merged. Table files were read before: damage in them is known already.
Status examine_rows(rocksdb::DB& db, const std::string& path, const RowCheck& check, StoreExamination* found) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(options));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const std::string_view key = rows->key().ToStringView();
    if (key.starts_with(family_byte(Family::kQuarantine))) ++found->quarantined;
    if (!key.starts_with(family_byte(Family::kState))) continue;
    ++found->rows;
    const Status sound = check(without_family(key), rows->value().ToStringView());
    if (sound.ok()) continue;
    found->damaged.push_back("the row with the key " + hexadecimal(without_family(key)) + " in " + path +
                             " makes no sense: " + sound.message());
  }
  return from_rocksdb(rows->status());
}

/// Opens the store to read, which reads the MANIFEST and looks for every file in it.
Status examine_database(const std::string& path, const MergeFunction& merge, const RowCheck& check,
                        StoreExamination* found) {
  Quarantine quarantine;
  const Merger merger(merge, &quarantine);
  StateStoreOptions settings;
  settings.path = path;
  settings.block_cache_bytes = 8u << 20;
  rocksdb::Options options(database_options({}, nullptr),
                           family_options(settings, std::make_shared<MergerOperator>(&merger), nullptr));
  options.info_log = std::make_shared<SilentLogger>();
  options.max_open_files = -1;  // every table file is opened
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(options, path, &raw);
  const std::unique_ptr<rocksdb::DB> db(raw);
  if (!opened.ok()) return open_failure(opened, path);
  *found = {};
  return examine_rows(*db, path, check, found);
}

void examine_table(const std::string& file, std::vector<std::string>* found) {
  rocksdb::Options options;
  options.info_log = std::make_shared<SilentLogger>();
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(file);
  if (status.ok()) status = reader.VerifyChecksum();
  std::error_code error;
  // A running store removes table files that it has rewritten.
  if (!status.ok() && fs::exists(file, error)) found->push_back(file + " is damaged: " + status.ToString());
}

}  // namespace

StoreExamination examine_rocksdb_store(const std::string& path, const MergeFunction& merge, const RowCheck& check) {
  std::vector<std::string> files;
  std::error_code error;
  if (!fs::exists(path, error) || fs::is_empty(path, error)) return {};
  for (const std::string& file : files_of(path, ".sst")) examine_table(file, &files);
  for (const char* kind : {".log", "MANIFEST-"}) {
    for (const std::string& file : files_of(path, kind)) {
      if (auto damage = find_damaged_record(file)) files.push_back(*std::move(damage));
    }
  }
  // Once more when it fails: beside a running store a file may go between two looks.
  StoreExamination found;
  Status readable = examine_database(path, merge, check, &found);
  for (int i = 0; i < 2 && !readable.ok(); ++i) readable = examine_database(path, merge, check, &found);
  if (!readable.ok()) files.push_back(readable.message());
  found.damaged.insert(found.damaged.begin(), files.begin(), files.end());
  return found;
}

}  // namespace cairn::storage
