// Exact top-k and the fused scan on a CUDA device: n items of dimension d, int8 codes, batches of 64 and 1,024 queries,
// the 100 best, under a bitmap and exclusions. gpu/device_check runs it, and a peer on the same data beside it.
//
//     bench_device [--quick] [--backend cuda|cpu] [--rows N] [--dim D] [--answers FILE]
//
// Items and queries are numbers of a hash that other programs can compute too: see item_value(). The rows that top-k
// finds for the first queries go to FILE as 32-bit numbers, so that a peer can check them. Ends with 3 when the backend
// cannot be had.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/report.h"
#include "gpu/backend.h"
#include "gpu/parallel.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::bench;

constexpr std::size_t kBest = 100;
constexpr std::size_t kBatches[] = {64, 1024};
constexpr std::size_t kQueriesMax = 1024;
constexpr std::size_t kExcluded = 50;
constexpr std::size_t kShownQueries = 8;
constexpr std::size_t kTags = 400;
constexpr int kNoBackend = 3;
/// What queries' numbers are counted from, so that they differ from those of items.
constexpr std::uint32_t kQuerySeed = 0xA5A5A5A5U;

struct Arguments {
  std::string backend = "cuda";
  std::size_t rows = 10'000'000;
  std::size_t dim = 128;
  std::string answers = {};
};

[[noreturn]] void refuse(const std::string& what) {
  std::fprintf(stderr, "bench_device: %s\n", what.c_str());
  std::exit(2);
}

Arguments arguments_of(int argc, char** argv, bool quick) {
  Arguments arguments;
  if (quick) arguments.rows = 100'000;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") continue;
    if (i + 1 == argc) refuse("no value for " + std::string(name));
    const char* value = argv[++i];
    if (name == "--backend")
      arguments.backend = value;
    else if (name == "--rows")
      arguments.rows = std::strtoull(value, nullptr, 10);
    else if (name == "--dim")
      arguments.dim = std::strtoull(value, nullptr, 10);
    else if (name == "--answers")
      arguments.answers = value;
    else
      refuse("unknown argument " + std::string(name));
  }
  if (arguments.rows < 1000 || arguments.dim == 0) refuse("--rows is at least 1000 and --dim at least 1");
  return arguments;
}

/// Mixes the bits of a number (Wellons, "hash prospector", lowbias32).
std::uint32_t mixed(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7FEB352DU;
  x ^= x >> 15;
  x *= 0x846CA68BU;
  return x ^ (x >> 16);
}

/// Number i of the items, row by row: within ±1/2, a multiple of 2^-24.
float item_value(std::uint64_t i) {
  return static_cast<float>(mixed(static_cast<std::uint32_t>(i)) >> 8) * 0x1p-24F - 0.5F;
}

std::vector<float> values_of(std::size_t count, std::uint32_t seed) {
  constexpr std::size_t kPiece = 1 << 20;
  std::vector<float> values(count);
  parallel_for(0, (count + kPiece - 1) / kPiece, [&](std::size_t piece) {
    for (std::size_t i = piece * kPiece; i < std::min(count, (piece + 1) * kPiece); ++i)
      values[i] = item_value(seed + i);
  });
  return values;
}

/// Seven rows of eight, and what each query leaves out beside the eighth.
struct Filters {
  explicit Filters(std::size_t rows) : allowed((rows + 63) / 64, 0x7F7F7F7F7F7F7F7F), excluded(kQueriesMax) {
    for (std::size_t q = 0; q < kQueriesMax; ++q) {
      for (std::size_t i = 0; i < kExcluded; ++i) {
        excluded[q].push_back(mixed(static_cast<std::uint32_t>(q * kExcluded + i)) % static_cast<std::uint32_t>(rows));
      }
      std::sort(excluded[q].begin(), excluded[q].end());
    }
  }

  std::vector<std::uint64_t> allowed;
  std::vector<std::vector<std::uint32_t>> excluded;
};

struct Data {
  explicit Data(const Arguments& arguments)
      : rows(arguments.rows),
        dim(arguments.dim),
        items(values_of(rows * dim, 0)),
        queries(values_of(kQueriesMax * dim, kQuerySeed)),
        filters(rows) {}

  [[nodiscard]] std::string label(const std::string& what, std::size_t batch) const {
    return what + " n=" + std::to_string(rows) + " d=" + std::to_string(dim) + " batch=" + std::to_string(batch) +
           " k=" + std::to_string(kBest);
  }

  std::size_t rows;
  std::size_t dim;
  std::vector<float> items;
  std::vector<float> queries;
  Filters filters;
};

void require(const cairn::Status& status) {
  if (!status.ok()) refuse(status.to_string());
}

/// Milliseconds of the fastest of some calls, after those that let the backend settle.
double milliseconds(bool quick, const std::function<void()>& call) {
  for (int i = 0; i < (quick ? 1 : 10); ++i) call();
  return 1e3 * best_seconds(quick ? 1 : 10, call);
}

void write_rows(const std::string& path, const TopKAnswers& answers) {
  std::ofstream file(path, std::ios::binary);
  for (std::size_t q = 0; q < kShownQueries; ++q) {
    const auto rows = answers.rows_of(q);
    file.write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.size_bytes()));
  }
  if (!file) refuse("cannot write " + path);
}

void run_top_k(Backend& backend, const Data& data, const Arguments& arguments, const Report& report) {
  auto made = backend.make_matrix({data.items, data.rows, data.dim}, {});
  require(made.status());
  const auto matrix = std::move(made).value();
  std::vector<RowFilter> filters(kQueriesMax);
  for (std::size_t q = 0; q < kQueriesMax; ++q) {
    filters[q].allowed = data.filters.allowed;
    filters[q].excluded = data.filters.excluded[q];
  }
  for (const std::size_t batch : kBatches) {
    const TopKBatch asked{.queries = {std::span(data.queries).first(batch * data.dim), batch, data.dim},
                          .k = kBest,
                          .filters = std::span(filters).first(batch)};
    TopKAnswers answers;
    const double ms = milliseconds(report.quick(), [&] { require(matrix->top_k(asked, &answers)); });
    if (!arguments.answers.empty() && batch == kBatches[0]) write_rows(arguments.answers, answers);
    report.add({.name = data.label("top-k", batch), .unit = "ms", .better = Better::kLess, .value = ms});
  }
  report.add({.name = data.label("top-k bytes of one pass", 0),
              .unit = "bytes",
              .value = static_cast<double>(data.rows) * static_cast<double>(data.dim + 8) +
                       static_cast<double>(data.rows) / 8.0});
}

/// Rows around one city, with all that a recommendation's scan reads.
struct Places {
  explicit Places(const Data& data)
      : x(data.rows), y(data.rows), z(data.rows), tags(data.rows), prior(data.rows), logs(data.rows) {
    constexpr std::size_t kPiece = 1 << 16;
    parallel_for(0, (data.rows + kPiece - 1) / kPiece, [&](std::size_t piece) {
      for (std::size_t r = piece * kPiece; r < std::min(data.rows, (piece + 1) * kPiece); ++r) {
        const auto number = [&](std::uint32_t i) { return static_cast<double>(item_value(r * 5 + i)); };
        const FixedPoint at = fixed_point(45.46 + number(0), 9.19 + number(1));
        x[r] = at.x, y[r] = at.y, z[r] = at.z;
        tags[r] = mixed(static_cast<std::uint32_t>(r)) % kTags;
        prior[r] = static_cast<float>(number(2));
        logs[r] = static_cast<float>(1.0 + number(3));
      }
    });
    for (std::size_t t = 0; t < kTags; ++t) {
      tag_table.push_back(item_value(t));
      logs_table.push_back(1.0F + item_value(t + kTags));
    }
  }

  std::vector<std::int32_t> x, y, z;
  std::vector<std::uint32_t> tags;
  std::vector<float> prior, logs, tag_table, logs_table;
};

void run_scan(Backend& backend, const Data& data, const Report& report) {
  const Places places(data);
  auto made = backend.make_scan_table({.x = places.x,
                                       .y = places.y,
                                       .z = places.z,
                                       .tags = places.tags,
                                       .tag_count = kTags,
                                       .vectors = data.items,
                                       .dim = data.dim,
                                       .int8 = true});
  require(made.status());
  const auto table = std::move(made).value();
  const auto prior = table->make_column(places.prior).value();
  const auto logs = table->make_column(places.logs).value();
  for (const bool all_terms : {false, true}) {
    std::vector<ScanQuery> queries;
    for (std::size_t q = 0; q < kQueriesMax; ++q) {
      ScanQuery query{.prior = prior.get(),
                      .vector = std::span(data.queries).subspan(q * data.dim, data.dim),
                      .vector_weight = 1.0F,
                      .allowed = data.filters.allowed,
                      .excluded = data.filters.excluded[q],
                      .k = kBest};
      if (all_terms) {
        query.position = fixed_point(45.46 + static_cast<double>(item_value(q)), 9.19);
        query.tag_table = places.tag_table;
        query.logs = logs.get();
        query.logs_table = places.logs_table;
        query.logs_weight = 0.3F;
        query.log_distance[0] = {-0.4F, 2.0F};
        query.log_distance[1] = {-0.2F, 0.1F};
        query.exp_distance = {1.5F, 0.2F};
      }
      queries.push_back(query);
    }
    const std::string what = all_terms ? "scan, all terms," : "scan, prior and vector,";
    for (const std::size_t batch : kBatches) {
      std::vector<ScanAnswer> answers;
      const double ms =
          milliseconds(report.quick(), [&] { require(table->scan(std::span(queries).first(batch), &answers)); });
      report.add({.name = data.label(what, batch), .unit = "ms", .better = Better::kLess, .value = ms});
    }
    // Of each row: vector, scale and prior, position and tag; for all terms the logarithms' column.
    const double row_bytes = static_cast<double>(data.dim) + 4.0 + 4.0 + 16.0 + (all_terms ? 4.0 : 0.0) + 1.0 / 8.0;
    report.add({.name = data.label(what + " bytes of one pass", 0),
                .unit = "bytes",
                .value = static_cast<double>(data.rows) * row_bytes});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Report report("device", argc, argv);
  const Arguments arguments = arguments_of(argc, argv, report.quick());
  if (arguments.backend != "cuda" && arguments.backend != "cpu") refuse("--backend is cuda or cpu");
  auto backend = arguments.backend == "cpu" ? make_cpu_backend({}) : open_cuda_backend({});
  if (!backend.ok()) {
    std::fprintf(stderr, "bench_device: no CUDA backend: %s\n", backend.status().to_string().c_str());
    return kNoBackend;
  }
  std::fprintf(stderr, "bench_device: %s\n", std::string(backend.value()->name()).c_str());
  const Data data(arguments);
  run_top_k(*backend.value(), data, arguments, report);
  run_scan(*backend.value(), data, report);
  return 0;
}
