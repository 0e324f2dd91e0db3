// The fused scan of gpu/scan.h on one core, in processor time of its thread: nanoseconds a candidate and query, with
// all terms of a recommendation (prior, two tables by tag, a logarithm of them, two logarithms and an exponential of
// distance), without vectors and with int8 vectors of 64 dimensions, for one query and for 64 at once.
//
// Beside it, in the same run: what this core can do at most, and a plain loop. The limit is the larger of two times: of
// reading the table's bytes once for all queries, at the speed at which as many bytes are read from end to end; and of
// the vector operations on numbers that a candidate takes, at the speed of fused multiply-adds out of registers. Loads,
// gathers, table look-ups, integer arithmetic and the selection of the best are not counted, so 1 cannot be reached.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/machine_ceilings.h"
#include "bench/serve/cases.h"
#include "bench/serve/measure.h"
#include "bench/serve/plain_loop.h"
#include "gpu/backend.h"

namespace cairn::bench {
namespace {

using namespace cairn::gpu;

constexpr std::size_t kTags = 400;
constexpr std::size_t kBest = 200;
constexpr std::size_t kBatchMax = 64;
constexpr std::size_t kVectorDim = 64;
constexpr std::size_t kFmaRounds = 20'000;

/// Operations of gpu/cpu/scan_passes.h on numbers, for each candidate. Distance: three conversions, three for the
/// chord, a root, two and a product for the arc, a comparison. Table by tag: a sum. Logarithm: seven, with its argument
/// and weight nine. Exponential: eight and its weight. A comparison with the threshold.
constexpr double kOperations = 11 + 1 + 3 * 9 + 9 + 1;
/// Products of vectors: four columns an instruction, then a conversion and two products.
double vector_operations(std::size_t dim) { return dim == 0 ? 0.0 : static_cast<double>(dim) / 4.0 + 3.0; }

/// Runs each in turn and returns the median processor seconds of each. Before it is timed each runs once, as the data
/// of the one before it has taken its place in the caches.
std::vector<double> medians(const std::vector<std::function<void()>>& contenders, std::size_t rounds) {
  std::vector<std::vector<double>> seconds(contenders.size());
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      contenders[i]();
      const double start = thread_seconds();
      contenders[i]();
      seconds[i].push_back(thread_seconds() - start);
    }
  }
  std::vector<double> result;
  for (std::vector<double>& one : seconds) {
    std::nth_element(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(one.size() / 2), one.end());
    result.push_back(one[one.size() / 2]);
  }
  return result;
}

/// Places around one city, as most requests see them.
struct Places {
  Places(std::size_t count, std::size_t vector_dim) : dim(vector_dim), x(count), y(count), z(count), tags(count) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < count; ++i) {
      const FixedPoint at = fixed_point(45.46 + 0.1 * normal(random), 9.19 + 0.1 * normal(random));
      x[i] = at.x;
      y[i] = at.y;
      z[i] = at.z;
      tags[i] = static_cast<std::uint32_t>(random() % kTags);
      prior.push_back(static_cast<float>(normal(random)));
      logs.push_back(static_cast<float>(std::exp(normal(random))));
    }
    for (std::size_t i = 0; i < count * dim; ++i) {
      vectors.push_back(static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 1000.0F);
    }
  }

  [[nodiscard]] std::size_t count() const { return x.size(); }
  [[nodiscard]] ScanRows rows() const {
    return {.x = x, .y = y, .z = z, .tags = tags, .tag_count = kTags, .vectors = vectors, .dim = dim, .int8 = true};
  }

  std::size_t dim;
  std::vector<std::int32_t> x;
  std::vector<std::int32_t> y;
  std::vector<std::int32_t> z;
  std::vector<std::uint32_t> tags;
  std::vector<float> prior;
  std::vector<float> logs;
  std::vector<float> vectors;
};

/// A table and questions to it.
class Asked {
 public:
  Asked(Backend& backend, const Places& places)
      : table_(backend.make_scan_table(places.rows()).value()),
        prior_(table_->make_column(places.prior).value()),
        logs_(table_->make_column(places.logs).value()) {
    std::mt19937 random(8);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < kTags; ++i) {
      tag_table_.push_back(static_cast<float>(normal(random)));
      logs_table_.push_back(1.0F + static_cast<float>(random() % 100));
    }
    vector_.assign(places.dim, 0.25F);
    for (std::size_t i = 0; i < kBatchMax; ++i) {
      queries_.push_back({.position = fixed_point(45.46 + 0.1 * normal(random), 9.19 + 0.1 * normal(random)),
                          .prior = prior_.get(),
                          .logs = logs_.get(),
                          .tag_table = tag_table_,
                          .logs_table = logs_table_,
                          .logs_weight = 0.3F,
                          .log_distance = {{-0.4F, 2.0F}, {-0.2F, 0.1F}},
                          .exp_distance = {1.5F, 0.2F},
                          .vector = vector_,
                          .vector_weight = places.dim > 0 ? 0.2F : 0.0F,
                          .k = kBest});
    }
  }

  std::vector<ScanAnswer> answer(std::size_t batch) const {
    std::vector<ScanAnswer> answers;
    const Status status = table_->scan(std::span(queries_).first(batch), &answers);
    if (!status.ok()) std::abort();
    return answers;
  }
  /// Bytes that a query reads.
  [[nodiscard]] std::size_t bytes() const { return table_->resident_bytes() + 2 * sizeof(float) * table_->rows(); }
  [[nodiscard]] const std::vector<ScanQuery>& queries() const { return queries_; }

 private:
  std::unique_ptr<ScanTable> table_;
  std::unique_ptr<ScanColumn> prior_;
  std::unique_ptr<ScanColumn> logs_;
  std::vector<float> tag_table_;
  std::vector<float> logs_table_;
  std::vector<float> vector_;
  std::vector<ScanQuery> queries_;
};

class PlainLoop {
 public:
  PlainLoop(const Places& places, const std::vector<ScanQuery>& queries)
      : places_(places), queries_(queries), scores_(places.count()) {
    for (std::size_t i = 0; i < places.count(); ++i) {
      x_.push_back(on_sphere(places.x[i]));
      y_.push_back(on_sphere(places.y[i]));
      z_.push_back(on_sphere(places.z[i]));
    }
  }

  void score(std::size_t batch) {
    const PlainRows rows{scores_.size(), x_.data(), y_.data(), z_.data(), places_.tags.data(), places_.prior.data()};
    for (std::size_t q = 0; q < batch; ++q) {
      const ScanQuery& query = queries_[q];
      plain_scores(rows,
                   {.x = on_sphere(query.position.x),
                    .y = on_sphere(query.position.y),
                    .z = on_sphere(query.position.z),
                    .table = query.tag_table.data(),
                    .log_weight = {query.log_distance[0].weight, query.log_distance[1].weight},
                    .log_per_km = {query.log_distance[0].per_km, query.log_distance[1].per_km},
                    .exp_weight = query.exp_distance.weight,
                    .exp_per_km = query.exp_distance.per_km},
                   scores_.data());
      keep(scores_);
    }
  }

 private:
  static float on_sphere(std::int32_t coordinate) { return static_cast<float>(coordinate) * 0x1p-30F; }

  const Places& places_;
  const std::vector<ScanQuery>& queries_;
  std::vector<float> x_;
  std::vector<float> y_;
  std::vector<float> z_;
  std::vector<float> scores_;
};

/// The best rows have to be those of the scalar kernel, score by score.
void check_answers(const Asked& asked, const Places& places) {
  const auto scalar = make_cpu_backend({.instruction_set = InstructionSet::kScalar}).value();
  const auto expected = Asked(*scalar, places).answer(1);
  const auto found = asked.answer(1);
  if (found[0].rows == expected[0].rows && found[0].scores == expected[0].scores) return;
  std::fprintf(stderr, "bench serve: answers differ from those of the scalar kernel\n");
  std::abort();
}

void measure(ServeRun& run, const Places& places, const Asked& asked, std::size_t batch) {
  const double candidates = static_cast<double>(places.count() * batch);
  // As many bytes as the table has; repeated, so that one time is not too short to be taken.
  const std::size_t bytes = asked.bytes() / 256 * 256;
  const std::size_t reads = std::max<std::size_t>(1, (std::size_t{8} << 20) / bytes);
  const Buffer memory(bytes);
  std::uint64_t sink = 0;
  std::vector<std::function<void()>> contenders = {
      [&] { keep(asked.answer(batch)); },
      [&] {
        for (std::size_t i = 0; i < reads; ++i) sink += read_all(memory.as<std::uint8_t>(), bytes);
        keep(sink);
      },
      [] { spin_fma(kFmaRounds); },
  };
  PlainLoop plain(places, asked.queries());
  if (places.dim == 0) contenders.emplace_back([&] { plain.score(batch); });
  const auto seconds = medians(contenders, run.rounds(places.count() * batch > 10'000'000 ? 7 : 31));

  const double ns = seconds[0] / candidates * 1e9;
  const double read_ns = seconds[1] / static_cast<double>(reads) / candidates * 1e9;
  const double operation_ns = (kOperations + vector_operations(places.dim)) * seconds[2] / fma_lanes(kFmaRounds) * 1e9;
  char name[96];
  std::snprintf(name, sizeof name, "kernel n=%zu vectors=%s batch=%zu k=%zu", places.count(),
                places.dim == 0 ? "none" : "int8x64", batch, kBest);
  run.report.add({.name = name,
                  .unit = "ns/candidate",
                  .better = Better::kLess,
                  .value = ns,
                  .peer = Peer{read_ns > operation_ns ? "limit: memory read" : "limit: vector operations",
                               std::max(read_ns, operation_ns)}});
  if (places.dim > 0) return;
  run.report.add({.name = name,
                  .unit = "ns/candidate",
                  .better = Better::kLess,
                  .value = ns,
                  .peer = Peer{"plain loop, vectorised, scores only", seconds[3] / candidates * 1e9}});
}

}  // namespace

void kernel_case(ServeRun& run) {
  const auto backend = make_cpu_backend({.threads = 1}).value();
  for (const std::size_t count : {std::size_t{40'000}, std::size_t{1'000'000}}) {
    if (run.options.quick && count > 40'000) continue;
    for (const std::size_t dim : {std::size_t{0}, kVectorDim}) {
      const Places places(count, dim);
      const Asked asked(*backend, places);
      check_answers(asked, places);
      for (const std::size_t batch : {std::size_t{1}, kBatchMax}) measure(run, places, asked, batch);
    }
  }
}

}  // namespace cairn::bench
