// What an event takes on the disk once everything is compacted, beside the JSON that it came as.
//
// Counted are RocksDB's live table files after a full compaction of every family: rows, ids, places, the memory of
// event ids, positions and counters. Not counted: the write-ahead log and replaced files, which come and go, RocksDB's
// own log and manifest, and the API's event log, which is trimmed. The places are there before the first event and are
// counted, too; what they take alone is a line of its own.
#include <rocksdb/db.h>
#include <rocksdb/utilities/options_util.h>

#include "bench/ingest/cases.h"
#include "bench/ingest/run_engine.h"
#include "engine/state/state_directory.h"
#include "features/row.h"
#include "storage/merger.h"
#include "storage/quarantine.h"
#include "storage/rocksdb/merge_operator.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

void must(const rocksdb::Status& status) { CAIRN_CHECK_MSG(status.ok(), status.ToString()); }

using FamilyBytes = std::map<std::string, std::uint64_t>;

/// Opens the store of a closed engine as it was opened before (RocksDB keeps the options beside the files), compacts
/// every family and counts its table files.
FamilyBytes compact(const std::string& path) {
  storage::Quarantine quarantine;
  const storage::Merger merger(features::merge_encoded_rows, &quarantine);
  rocksdb::DBOptions options;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  must(rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(), path, &options, &families));
  for (rocksdb::ColumnFamilyDescriptor& family : families) {
    family.options.merge_operator = std::make_shared<storage::MergerOperator>(&merger);
  }
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  must(rocksdb::DB::Open(options, path, families, &handles, &opened));
  const std::unique_ptr<rocksdb::DB> db(opened);
  FamilyBytes bytes;
  rocksdb::CompactRangeOptions whole;
  whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (rocksdb::ColumnFamilyHandle* family : handles) {
    must(db->Flush(rocksdb::FlushOptions(), family));
    must(db->CompactRange(whole, family, nullptr, nullptr));
    CAIRN_CHECK(db->GetIntProperty(family, "rocksdb.live-sst-files-size", &bytes[family->GetName()]));
    must(db->DestroyColumnFamilyHandle(family));
  }
  CAIRN_CHECK(quarantine.count() == 0);
  return bytes;
}

double sum(const FamilyBytes& families) {
  double bytes = 0;
  for (const auto& [family, of_it] : families) bytes += static_cast<double>(of_it);
  return bytes;
}

}  // namespace

void disk_case(IngestRun& run) {
  const Data& data = run.data();
  const test::TemporaryFolder folder;
  EngineOptions options = with_places(folder.path(), data);
  const std::string store = must(state::StateDirectory::open(folder.path())).store();
  const double places_alone = sum(compact(store));
  options.files = {{"stream", data.events_path, true}};
  static_cast<void>(run_to_durable(options, data));
  const FamilyBytes families = compact(store);

  const auto per_event = [&](double bytes) { return bytes / static_cast<double>(data.size.events); };
  const auto add = [&](const std::string& name, double bytes, std::optional<Peer> peer = {}) {
    run.report.add({.name = name,
                    .unit = "bytes/event",
                    .better = Better::kLess,
                    .value = per_event(bytes),
                    .peer = std::move(peer)});
  };
  add("on the disk, compacted" + label(data.size), sum(families),
      Peer{"the events as JSON", per_event(static_cast<double>(data.bytes))});
  for (const auto& [family, bytes] : families) {
    if (bytes > 0) add("  of these, " + family, static_cast<double>(bytes));
  }
  add("  of these, there before the first event (places)", places_alone);
  const std::unique_ptr<Engine> engine = open_engine(options);  // what was compacted is still the same state
  check_answers(*engine, data);
  must(engine->close());
}

}  // namespace cairn::bench
