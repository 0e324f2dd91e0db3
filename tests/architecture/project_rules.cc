#include "tests/architecture/project_rules.h"

namespace cairn::architecture {
namespace {

/// tools ► engine/serving ► engine ► { streaming, sql, storage, features, gpu } ► engine/include, and inside engine:
/// engine ► upkeep, batching, ingest, model, ranking, state; batching ► ranking; ingest, upkeep ► state; ranking ►
/// model, state; learning ► all it measures.
std::vector<Room> rooms() {
  return {
      {.folder = "engine/include", .may_include = {}, .std_only = true},

      {.folder = "gpu", .may_include = {}},
      // What is learned offline, from the parts of gpu. Nothing that answers needs it, so gpu may not include it.
      {.folder = "gpu/train", .may_include = {"gpu"}},
      {.folder = "features", .may_include = {}},
      {.folder = "storage", .may_include = {}},
      {.folder = "streaming", .may_include = {}},
      // Which events are repeats is decided by the rule that features are made by.
      {.folder = "sql", .may_include = {"features"}},

      // The facade: opens, wires, closes and delegates. Each folder beside it is a room of its own.
      {.folder = "engine",
       .may_include = {"engine/upkeep", "engine/batching", "engine/cache", "engine/ingest", "engine/model",
                       "engine/ranking", "engine/state", "streaming", "sql", "storage", "features", "gpu"},
       .top_only = true},
      // Chores on a schedule. They bring what the state holds to PostgreSQL, to a checkpoint, or out of the log.
      {.folder = "engine/upkeep", .may_include = {"engine/state", "streaming", "sql", "storage"}},
      // Requests of all connections become batches.
      {.folder = "engine/batching", .may_include = {"engine/ranking"}},
      // Kept answers. What makes them is handed in, and so is what they are made from: it knows requests and answers.
      {.folder = "engine/cache", .may_include = {"features", "storage"}},
      {.folder = "engine/state", .may_include = {"features", "storage"}},
      {.folder = "engine/ingest", .may_include = {"engine/state", "streaming", "sql"}},
      {.folder = "engine/ranking", .may_include = {"engine/model", "engine/state", "features", "gpu"}},
      // A TOML document. The configuration is one, and so is a model's description.
      {.folder = "engine/config/toml", .may_include = {}},
      // The file that describes an engine. It fills EngineOptions and knows nothing of what they do, except that the
      // expressions of feature views are checked by the parser that will run them.
      {.folder = "engine/config", .may_include = {"engine/config/toml", "features"}},
      // What a daemon loads: models, read from their directories and asked for the best items.
      {.folder = "engine/model", .may_include = {"engine/config/toml", "gpu"}},
      // Data sets are files of lines like any source's, read by the same line reader.
      {.folder = "engine/learning/datasets", .may_include = {"streaming"}},
      // What a daemon never loads: training from a stream's or a database's interactions, and measuring what was
      // learned, for which data sets are replayed against the engine's own parts.
      {.folder = "engine/learning",
       .may_include = {"engine/learning/datasets", "engine/model", "engine/ranking", "engine/state", "gpu", "gpu/train",
                       "streaming", "sql", "storage", "features"}},
      // The APIs for other processes are clients of engine.h only. What starts them stands at the top.
      {.folder = "engine/serving", .may_include = {}},
      // When and where a request runs, whatever protocol it came by: no arrow to any of them.
      {.folder = "engine/serving/admission", .may_include = {}},
      {.folder = "engine/serving/json", .may_include = {}},
      // Of admission, the counts that it writes down.
      {.folder = "engine/serving/metrics", .may_include = {"engine/serving/admission"}},
      // The codec of HTTP and JSON: requests become calls for admission.
      {.folder = "engine/serving/api",
       .may_include = {"engine/serving/admission", "engine/serving/json", "engine/serving/metrics"}},
      // Sockets. It owns what serves the requests, admission among it, and implements the header at the top.
      {.folder = "engine/serving/http",
       .may_include = {"engine/serving", "engine/serving/admission", "engine/serving/api"}},

      // Of streaming, the reader of lines: commands take the files that sources take.
      {.folder = "tools",
       .may_include = {"engine/serving", "engine/config", "engine/learning", "engine/learning/datasets", "engine/model",
                       "gpu", "streaming"}},

      {.folder = "tests", .may_include = {"*"}},
      {.folder = "bench", .may_include = {"*"}},
  };
}

/// Adapters first; tests and bench may use each library beside ours, as oracle or peer.
std::vector<ForeignLibrary> libraries() {
  std::vector<ForeignLibrary> libraries = {
      {"RocksDB", {"rocksdb/"}, {"storage/rocksdb"}},
      {"librdkafka", {"librdkafka/"}, {"streaming/kafka"}},
      {"simdjson", {"simdjson.h"}, {"streaming/simdjson", "engine/serving/json"}},
      {"zlib", {"zlib.h"}, {"streaming/gzip", "engine/serving/http"}},
      {"brotli", {"brotli/"}, {"engine/serving/http"}},
      {"date", {"date/"}, {"streaming/zone"}},
      {"libpqxx", {"pqxx/"}, {"sql/postgres"}},
      {"libpq", {"libpq-fe.h", "libpq/", "postgresql/"}, {"sql/postgres"}},
      {"toml++", {"toml++/"}, {"engine/config/toml"}},
      {"Boost", {"boost/"}, {"engine/serving/http", "tools/cairn"}},
      {"prometheus-cpp", {"prometheus/"}, {"engine/serving/metrics"}},
      {"nlohmann-json", {"nlohmann/"}, {"engine/serving/json", "engine/model/json", "tools"}},
      {"CLI11", {"CLI/"}, {"tools"}},
      {"spdlog", {"spdlog/"}, {"tools/cairnd"}},
      {"OpenBLAS", {"cblas.h", "lapacke.h", "openblas_config.h"}, {"gpu/openblas"}},
      {"oneTBB", {"tbb/", "oneapi/"}, {"gpu", "engine"}},
      {"CUDA",
       {"cuda_", "cuda.h", "cublas_", "cooperative_groups", "cooperative_groups/", "cub/", "thrust/", "mma.h",
        "nvtx3/"},
       {"gpu/cuda"}},
      {"Faiss", {"faiss/"}, {}},
      {"hnswlib", {"hnswlib/"}, {}},
      {"OpenMP", {"omp.h"}, {}},
      {"doctest", {"doctest/"}, {}},
  };
  for (ForeignLibrary& library : libraries) {
    library.folders.push_back("tests");
    if (library.name != "doctest") library.folders.push_back("bench");
  }
  return libraries;
}

/// Clang checks what cairn::Mutex guards, and knows nothing of the standard library's own locks.
std::vector<Rules::ForbiddenWord> locks_that_nobody_checks() {
  std::vector<Rules::ForbiddenWord> words;
  for (const char* word : {"std::mutex", "std::shared_mutex", "std::recursive_mutex", "std::lock_guard",
                           "std::unique_lock", "std::scoped_lock", "std::shared_lock"}) {
    words.push_back({word,
                     "use what cairn/mutex.h has, so that the compiler checks what it guards",
                     {"engine/include/cairn/mutex.h", "tests/", "bench/"}});
  }
  return words;
}

}  // namespace

Rules project_rules() {
  return {
      .rooms = rooms(),
      .open_rooms = {"engine/include"},
      .sealed_rooms = {"gpu", "features", "storage", "streaming", "sql"},
      .spellings = {{"cairn/", "engine/include"}},
      .libraries = libraries(),
      .forbidden_names = {"common", "util", "utils", "helper", "helpers", "misc"},
      .forbidden_words = locks_that_nobody_checks(),
  };
}

}  // namespace cairn::architecture
