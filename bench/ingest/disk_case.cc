// What an event takes on the disk once everything is compacted, beside the JSON that it came as.
//
// Counted are RocksDB's live table files after a full compaction: rows, ids, places, the memory of
// event ids, positions and counters. Not counted: the write-ahead log and replaced files, which come and go, RocksDB's
// own log and manifest, and the API's event log, which is trimmed. The places are there before the first event and are
// counted, too; what they take alone is a line of its own. The parts are told as keys and values before compression.
#include <rocksdb/db.h>
#include <rocksdb/utilities/options_util.h>

#include <map>

#include "bench/ingest/cases.h"
#include "bench/ingest/run_engine.h"
#include "engine/state/state_directory.h"
#include "features/row.h"
#include "storage/merger.h"
#include "storage/quarantine.h"
#include "storage/rocksdb/merge_operator.h"
#include "storage/state_store.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

void check(const rocksdb::Status& status) { CAIRN_CHECK_MSG(status.ok(), status.ToString()); }

/// Opens the store of a closed engine as it was opened before (RocksDB keeps the options beside the files), compacts
/// everything and counts its table files.
double compact(const std::string& path) {
  storage::Quarantine quarantine;
  const storage::Merger merger(features::merge_encoded_rows, &quarantine);
  rocksdb::DBOptions options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  check(rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(), path, &options, &families));
  for (rocksdb::ColumnFamilyDescriptor& family : families) {
    family.options.merge_operator = std::make_shared<storage::MergerOperator>(&merger);
  }
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  check(rocksdb::DB::Open(options, path, families, &handles, &opened));
  const std::unique_ptr<rocksdb::DB> db(opened);
  double bytes = 0;
  rocksdb::CompactRangeOptions whole;
  whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (rocksdb::ColumnFamilyHandle* family : handles) {
    check(db->Flush(rocksdb::FlushOptions(), family));
    check(db->CompactRange(whole, family, nullptr, nullptr));
    std::uint64_t of_family = 0;
    CAIRN_CHECK(db->GetIntProperty(family, "rocksdb.live-sst-files-size", &of_family));
    bytes += static_cast<double>(of_family);
    check(db->DestroyColumnFamilyHandle(family));
  }
  CAIRN_CHECK(quarantine.count() == 0);
  return bytes;
}

/// Keys and values of one family as they are before RocksDB packs and compresses them.
double plain_bytes(const storage::StateStore& store, storage::Family family) {
  std::size_t bytes = 0;
  must(store.scan(family, "", [&](std::string_view key, std::string_view value) {
    bytes += key.size() + value.size();
    return true;
  }));
  return static_cast<double>(bytes);
}

std::map<std::string, double> plain_parts(const std::string& path) {
  storage::StateStoreOptions options;
  options.path = path;
  options.merge = features::merge_encoded_rows;
  const auto store = must(storage::open_rocksdb_store(options));
  std::map<std::string, double> parts = {{"rows of features", plain_bytes(*store, storage::Family::kState)},
                                         {"numbers of ids", plain_bytes(*store, storage::Family::kIds)},
                                         {"places", plain_bytes(*store, storage::Family::kPlaces)},
                                         {"seen event ids", plain_bytes(*store, storage::Family::kDedup)}};
  must(store->close());
  return parts;
}

}  // namespace

void disk_case(IngestRun& run) {
  const Data& data = run.data();
  const test::TemporaryFolder folder;
  EngineOptions options = with_places(folder.path(), data);
  const std::string store = must(state::StateDirectory::open(folder.path())).store();
  const double places_alone = compact(store);
  options.files = {{"stream", data.events_path, true}};
  static_cast<void>(run_to_durable(options, data));
  const double compacted = compact(store);

  const auto per_event = [&](double bytes) { return bytes / static_cast<double>(data.size.events); };
  const auto add = [&](const std::string& name, double bytes, std::optional<Peer> peer = {}) {
    run.report.add({.name = name,
                    .unit = "bytes/event",
                    .better = Better::kLess,
                    .value = per_event(bytes),
                    .peer = std::move(peer)});
  };
  add("on the disk, compacted" + label(data.size), compacted,
      Peer{"the events as JSON", per_event(static_cast<double>(data.bytes))});
  add("  of these, there before the first event (places)", places_alone);
  for (const auto& [part, bytes] : plain_parts(store)) add("  before compression, " + part, bytes);
  const std::unique_ptr<Engine> engine = open_engine(options);  // what was compacted is still the same state
  check_answers(*engine, data);
  must(engine->close());
}

}  // namespace cairn::bench
