#include "tests/architecture/project_rules.h"

namespace cairn::architecture {
namespace {

/// tools ► engine/serving ► engine ► { streaming, sql, storage, features, gpu } ► engine/include
std::vector<Room> rooms() {
  return {
      {.folder = "engine/include", .may_include = {}, .std_only = true},

      {.folder = "gpu", .may_include = {}},
      {.folder = "features", .may_include = {}},
      {.folder = "storage", .may_include = {}},
      {.folder = "streaming", .may_include = {}},
      {.folder = "sql", .may_include = {}},

      // Data sets are files of lines like any source's, read by the same line reader.
      {.folder = "engine/datasets", .may_include = {"streaming"}},
      // The file that describes an engine. It fills EngineOptions and knows nothing of what they do, except that the
      // expressions of feature views are checked by the parser that will run them.
      {.folder = "engine/config", .may_include = {"features"}},
      {.folder = "engine", .may_include = {"streaming", "sql", "storage", "features", "gpu"}},
      // Replays data sets against the engine's own parts, offline.
      {.folder = "engine/evaluate", .may_include = {"engine", "engine/datasets", "storage", "features", "streaming"}},
      // Trained models: read and written, trained from a stream's interactions or a database's, asked for the best items.
      // model.toml is read by the configuration's parser of TOML.
      {.folder = "engine/model", .may_include = {"gpu", "streaming", "sql", "engine/config"}},
      // Clients of engine.h only.
      {.folder = "engine/serving", .may_include = {}},

      // Of streaming, the reader of lines: commands take the files that sources take.
      {.folder = "tools",
       .may_include = {"engine", "engine/serving", "engine/config", "engine/datasets", "engine/evaluate", "engine/model",
                       "streaming"}},

      {.folder = "tests", .may_include = {"*"}},
      {.folder = "bench", .may_include = {"*"}},
  };
}

/// Adapters first; tests and bench may use each library beside ours, as oracle or peer.
std::vector<ForeignLibrary> libraries() {
  std::vector<ForeignLibrary> libraries = {
      {"RocksDB", {"rocksdb/"}, {"storage/rocksdb"}},
      {"librdkafka", {"librdkafka/"}, {"streaming/kafka"}},
      {"simdjson", {"simdjson.h"}, {"streaming/simdjson"}},
      {"zlib", {"zlib.h"}, {"streaming/gzip"}},
      {"libpqxx", {"pqxx/"}, {"sql/postgres"}},
      {"libpq", {"libpq-fe.h", "libpq/", "postgresql/"}, {"sql/postgres"}},
      {"toml++", {"toml++/"}, {"engine/config"}},
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

}  // namespace

Rules project_rules() {
  return {
      .rooms = rooms(),
      .open_rooms = {"engine/include"},
      .sealed_rooms = {"gpu", "features", "storage", "streaming", "sql"},
      .shown_folders = {"gpu/train"},
      .spellings = {{"cairn/", "engine/include"}},
      .libraries = libraries(),
      .forbidden_names = {"common", "util", "utils", "helper", "helpers", "misc"},
  };
}

}  // namespace cairn::architecture
