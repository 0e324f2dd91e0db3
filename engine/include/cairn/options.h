#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cairn/attributes.h"
#include "cairn/feature_view.h"
#include "cairn/log.h"
#include "cairn/mapping.h"
#include "cairn/place_rule.h"

namespace cairn {

/// What a source does when records that it was to read next are gone for certain, and nothing but them: retention took
/// them from a topic, a file was shortened. A topic or file that may be another one waits for Engine::accept_gap in any
/// case: going on in it could count events twice.
enum class OnGap : std::uint8_t {
  kStop,    ///< wait for Engine::accept_gap
  kAccept,  ///< go on behind the gap, and count it
};

/// A file of interactions, one JSON object a line. Its partition is its index in EngineOptions::files.
struct FileSourceOptions {
  std::string name;    ///< of the source; offsets are kept under it
  std::string path;    ///< plain or gzip (recognised by content)
  bool follow = true;  ///< wait for growth and rotation; false: the source ends at the end of the file
  OnGap on_gap = OnGap::kStop;
  bool required = true;  ///< not ready while features cannot be read from it until somebody mends something
};

/// A Kafka topic, all its partitions.
struct KafkaSourceOptions {
  std::string name = "kafka";
  std::string brokers;  ///< "host:port,host:port"; empty: no Kafka
  std::string topic;
  std::string group = "cairn";                    ///< committed to for lag tooling only; never read
  std::map<std::string, std::string> properties;  ///< passed to librdkafka
  OnGap on_gap = OnGap::kStop;
  bool required = true;  ///< as FileSourceOptions::required
};

/// What is accepted from a stream.
struct DecodeOptions {
  std::size_t event_bytes_max = 64 * 1024;                          ///< longer events go to the dead letters
  std::chrono::hours future_max{24};                                ///< a time further ahead of the clock is impossible
  std::chrono::sys_days time_min{std::chrono::year{2000} / 1 / 1};  ///< an earlier time is impossible
  std::vector<std::string> declared_types;                          ///< beyond the built-in ones, in stored order
  /// Event ids remembered, in the order they came: a repeat changes nothing while at most half as many newer ids have
  /// come, and counts when as many have.
  std::uint64_t dedup_ids = 4'000'000;
  MappingOptions mapping;  ///< of events in other words than the contract's, from whatever source
};

/// How long calls of Engine::ingest are known by their idempotency keys.
struct IdempotencyOptions {
  std::size_t calls_max = 100'000;     ///< the newest so many; about 150 bytes of memory each
  std::chrono::hours age_max{7 * 24};  ///< and those taken within this time
};

/// The file of records that cannot be used, and what bounds it on disk: files of `file_bytes_max` each, the one that is
/// written and those before it, `path.1` the newest.
struct DeadLetterOptions {
  std::uint64_t file_bytes_max = 16u << 20;
  int files_max = 4;
  std::chrono::hours age_max{30 * 24};    ///< a file that was last written longer ago is removed
  std::uint32_t kept_per_minute = 1'000;  ///< of one reason; beyond, of a flood,
  std::uint32_t then_one_in = 1'000;      ///< one in so many is kept, and how many were not is written down
};

/// PostgreSQL. Without `dsn` the engine runs on its own state alone.
struct SqlOptions {
  std::string dsn;               ///< libpq connection string; empty: no PostgreSQL
  std::string schema = "cairn";  ///< [a-z_][a-z0-9_]{0,62}; created when absent
  int pool_size = 4;
  int partitions_ahead_months = 3;  ///< month partitions kept ready beyond the current month
  int partitions_max = 600;         ///< bound on month partitions a stream may cause
  std::chrono::milliseconds statement_timeout{60'000};
  std::size_t batch_rows_max = 20'000;  ///< interactions per transaction
  bool required = false;  ///< not ready while interactions cannot be written until somebody mends something
  /// Several state directories write into the schema, and each says so here; false: it belongs to one. A source that
  /// several of them read under one name is written once, by whoever comes first; the API's events are written by the
  /// daemon that took them; of a place that several catalogues have, the row written last stands.
  bool shared = false;
};

/// RocksDB, and how what was applied gets there.
struct StateOptions {
  std::size_t block_cache_bytes = 256u << 20;
  std::size_t memtable_bytes = 64u << 20;
  std::size_t batch_events_max = 50'000;        ///< events applied in one go
  std::chrono::milliseconds batch_wait_max{2};  ///< an event waits at most this long for company
  std::chrono::milliseconds window{1'000};      ///< what was applied waits at most this long for its write
  std::size_t window_bytes = 64u << 20;         ///< memory of pending changes that calls for a write at once
  bool sync = true;  ///< fsync each window; false: lost on power failure, re-read from the source
  std::uint64_t free_bytes_min = 256u << 20;  ///< ingest pauses while the disk has less free than this
  std::size_t row_cache_bytes = 256u << 20;   ///< decoded rows kept in memory
  bool any_owner = false;                     ///< also open a directory of another user, who may then no longer open it
};

/// A weight of a ranking feature lies between this and its negative, so that every score is a number.
inline constexpr double kRankingWeightMax = 1e6;

/// How candidates are scored: score = sum of weight * ranking feature. The ranking features are named functions
/// (`ranking_features()` lists them with their meaning).
struct RankingOptions {
  std::string ranker_dir;  ///< directory of a ranker, whose numbers replace those that ship with Cairn; empty: these
  std::map<std::string, double>
      weights;  ///< by ranking feature, -1e6 to 1e6; absent ones weigh nothing; empty: the ranker's
  double radius_meters_default = 50'000;
  double radius_meters_max = 500'000;
  std::size_t limit_max = 1'000;           ///< most places per answer
  std::size_t candidates_max = 2'000'000;  ///< most places scored per answer; beyond, the nearest ones are
};

/// What is known of all places alike.
struct PlaceOptions {
  std::vector<AttributeSpec> attributes;  ///< whose type matters; others hold what they are given
  std::string time_zone = "UTC";          ///< of places without an attribute time_zone, and of rules
  std::vector<std::string> public_holidays;  ///< PH of opening hours: "2026-12-25", "12-25" of each year, or "A..B"
  std::vector<std::string> school_holidays;  ///< SH: likewise
};

/// The trained model that an engine serves with.
struct ModelOptions {
  /// Directory of the model that is loaded when the engine opens (`cairn train` writes one; engine/model/format.md);
  /// empty: none. A head that is wrong is refused. One that cannot be loaded all the same is logged, and the engine
  /// serves without it. Engine::activate_model serves another until the engine closes.
  std::string dir;
};

/// How values are made smaller on disk.
enum class Compression : std::uint8_t { kNone, kLz4, kSnappy };

/// Answers that are kept in memory and given again (engine/cache). Off by default: every answer is then fresh to the
/// last event.
struct AnswerCacheOptions {
  std::size_t memory_bytes = 0;              ///< of kept answers; 0: none is kept
  std::chrono::milliseconds ttl{30'000};     ///< no answer is given again for longer, unless it is marked as stale
  std::chrono::milliseconds ttl_min{2'000};  ///< what a new answer begins with, and none has less
  std::chrono::milliseconds stale{10'000};   ///< for so long after that it may be given, marked, while it is made anew
  std::uint64_t disk_bytes = 0;              ///< of answers that memory has no room for; 0: none go to the disk
  Compression disk_compression = Compression::kLz4;
  int cell_letters = 6;         ///< of geohashes to whose centres positions are moved (RecommendRequest::snap), 5 to 8
  std::size_t warm_cells = 64;  ///< the most visited ones, from which answers for nobody in particular are
                                ///< made before they are asked for; 0: none
  std::chrono::milliseconds warm_every{30'000};  ///< and made anew
  std::chrono::milliseconds warm_time{10'000};   ///< a round ends after so long, whether done or not
  std::uint64_t seed = 1;                        ///< of what is drawn, so that not all grow old at once
};

/// Questions of all callers that come at the same time and are scanned together (engine/batching).
struct BatchingOptions {
  std::size_t size = 64;      ///< most questions of one scan; 1: each is scanned alone, on its caller's thread
  std::size_t at_once = 0;    ///< scans that run at the same time; 0: one a processor
  std::size_t queue = 1'024;  ///< most questions that wait for one; those beyond are refused
};

/// What places are scanned with.
enum class ComputeDevice : std::uint8_t {
  kAuto,  ///< a CUDA device where there is one, else the processors
  kCpu,
  kCuda,  ///< the engine does not open without one
};
struct ComputeOptions {
  ComputeDevice device = ComputeDevice::kAuto;
  std::string cuda_library;                 ///< path of libcairn_cuda.so; empty: beside the program, then the loader's
  int cuda_device = 0;                      ///< by CUDA's numbers
  std::size_t cuda_memory_bytes = 0;        ///< most of the device's memory that is used; 0: no bound
  std::chrono::milliseconds time_max{250};  ///< a device that takes longer for a scan is left: the processors answer
  std::chrono::milliseconds retry{1'000};   ///< how long a device that failed is left alone before it is tried again
};

/// Everything an engine needs to open.
struct EngineOptions {
  std::string state_dir;  ///< created when absent; one engine at a time, by lock
  StateOptions state;
  DecodeOptions decode;
  IdempotencyOptions idempotency;
  SqlOptions sql;
  RankingOptions ranking;
  PlaceOptions places;
  std::vector<PlaceRule> rules;  ///< by which places rise and fall; Engine::apply_rules replaces them
  ModelOptions model;
  AnswerCacheOptions answers;
  BatchingOptions batching;
  ComputeOptions compute;
  std::vector<FileSourceOptions> files;
  KafkaSourceOptions kafka;
  std::vector<FeatureViewSpec>
      feature_views;             ///< beside the built-in ones (`builtin_feature_views()`), which ranking reads
  std::string dead_letter_path;  ///< empty: STATE_DIR/dead-letters.ndjson
  DeadLetterOptions dead_letters;
  std::uint64_t event_log_segment_bytes = 64u << 20;
  /// Opens although something that was acknowledged is lost, and gives it up: each loss is logged as an error.
  bool accept_log_loss = false;
  Logger log;
};

}  // namespace cairn
