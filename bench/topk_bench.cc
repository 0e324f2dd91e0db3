// Exact top-k over n items of dimension d, beside the peers of Debian 12: Faiss' IndexFlatIP and IndexHNSWFlat,
// hnswlib, and blocked OpenBLAS sgemm with a threshold selection, which is the stronger one: Debian builds Faiss for
// SSE2. All use both threads of the machine where that is faster for them; the answers of each are compared with ours.
//
//     bench_topk [--quick] [--hnsw-rows N] [--rows N] [--dim D]
//
// HNSW is built for up to --hnsw-rows items (default 40,000: a million take long). --rows and --dim choose one of the
// cases: 40,000 or 1,000,000 items, dimension 64 or 128.

#include <cblas.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <hnswlib/hnswlib.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/machine_ceilings.h"
#include "bench/report.h"
#include "gpu/backend.h"
#include "gpu/parallel.h"

namespace {

using namespace cairn::gpu;
using namespace cairn::bench;

std::string label(std::size_t n, std::size_t d, std::size_t batch, std::size_t k) {
  return "n=" + std::to_string(n) + " d=" + std::to_string(d) + " batch=" + std::to_string(batch) +
         " k=" + std::to_string(k);
}

/// Vectors like those of a trained model: of a few strong directions and many weak ones, the popular ones longer.
std::vector<float> embeddings(std::size_t rows, std::size_t dim, std::uint32_t seed) {
  std::vector<float> values(rows * dim);
  parallel_for(0, (rows + 4095) / 4096, [&](std::size_t chunk) {
    std::mt19937 random(seed * 7919U + static_cast<std::uint32_t>(chunk));
    std::normal_distribution<float> normal;
    for (std::size_t r = chunk * 4096; r < std::min(rows, (chunk + 1) * 4096); ++r) {
      const float length = std::exp(0.3F * normal(random));
      for (std::size_t j = 0; j < dim; ++j) {
        values[r * dim + j] = length * normal(random) / std::sqrt(1.0F + 0.1F * static_cast<float>(j));
      }
    }
  });
  return values;
}

struct Data {
  std::size_t n;
  std::size_t d;
  std::vector<float> items;
  std::vector<float> queries;  // 64
};

using Answer = std::vector<std::uint32_t>;  // batch × k

double recall(const Answer& found, const Answer& exact, std::size_t batch, std::size_t k) {
  std::size_t hits = 0;
  for (std::size_t q = 0; q < batch; ++q) {
    const auto begin = exact.begin() + static_cast<std::ptrdiff_t>(q * k);
    for (std::size_t i = 0; i < k; ++i) {
      if (std::find(begin, begin + static_cast<std::ptrdiff_t>(k), found[q * k + i]) !=
          begin + static_cast<std::ptrdiff_t>(k)) {
        ++hits;
      }
    }
  }
  return static_cast<double>(hits) / static_cast<double>(batch * k);
}

/// Runs each in turn and returns the median seconds of each. Before it is timed, each runs once: threads of the one
/// before it spin for a while after their work, and its data has left the caches.
std::vector<double> medians(const std::vector<std::function<void()>>& contenders, std::size_t rounds) {
  std::vector<std::vector<double>> seconds(contenders.size());
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      contenders[i]();
      seconds[i].push_back(best_seconds(1, contenders[i]));
    }
  }
  std::vector<double> result;
  for (std::vector<double>& one : seconds) {
    std::nth_element(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(one.size() / 2), one.end());
    result.push_back(one[one.size() / 2]);
  }
  return result;
}

/// sgemm of a block of items with all queries, then a heap whose worst is the threshold; items shared by two threads.
class SgemmPeer {
 public:
  explicit SgemmPeer(const Data& data) : data_(data) {}

  void answer(std::size_t batch, std::size_t k, Answer* out) const {
    const std::size_t threads = thread_count(0);
    const std::size_t share = (data_.n + threads - 1) / threads;
    std::vector<std::vector<Heap>> heaps(threads, std::vector<Heap>(batch));
    parallel_for(0, threads, [&](std::size_t t) {
      std::vector<float> scores(kBlock * batch);
      const std::size_t end = std::min(data_.n, (t + 1) * share);
      for (std::size_t first = t * share; first < end; first += kBlock) {
        const std::size_t count = std::min(kBlock, end - first);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(batch), static_cast<int>(count),
                    static_cast<int>(data_.d), 1.0F, data_.queries.data(), static_cast<int>(data_.d),
                    data_.items.data() + first * data_.d, static_cast<int>(data_.d), 0.0F, scores.data(),
                    static_cast<int>(count));
        for (std::size_t q = 0; q < batch; ++q) select(&scores[q * count], count, first, k, &heaps[t][q]);
      }
    });
    merge(heaps, batch, k, out);
  }

 private:
  using Heap = std::vector<std::pair<float, std::uint32_t>>;
  static constexpr std::size_t kBlock = 1024;

  static void select(const float* scores, std::size_t count, std::size_t first, std::size_t k, Heap* heap) {
    for (std::size_t begin = 0; begin < count; begin += 64) {
      const std::size_t end = std::min(count, begin + 64);
      if (heap->size() == k) {
        float best = scores[begin];
        for (std::size_t i = begin; i < end; ++i) best = std::max(best, scores[i]);
        if (best <= heap->front().first) continue;
      }
      for (std::size_t i = begin; i < end; ++i) {
        if (heap->size() == k) {
          if (scores[i] <= heap->front().first) continue;
          std::pop_heap(heap->begin(), heap->end(), std::greater<>());
          heap->pop_back();
        }
        heap->emplace_back(scores[i], static_cast<std::uint32_t>(first + i));
        std::push_heap(heap->begin(), heap->end(), std::greater<>());
      }
    }
  }

  static void merge(const std::vector<std::vector<Heap>>& heaps, std::size_t batch, std::size_t k, Answer* out) {
    for (std::size_t q = 0; q < batch; ++q) {
      Heap all;
      for (const auto& one : heaps) all.insert(all.end(), one[q].begin(), one[q].end());
      std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k), all.end(), std::greater<>());
      for (std::size_t i = 0; i < k; ++i) (*out)[q * k + i] = all[i].second;
    }
  }

  const Data& data_;
};

void take(const std::vector<faiss::Index::idx_t>& labels, Answer* out) {
  for (std::size_t i = 0; i < out->size(); ++i) (*out)[i] = static_cast<std::uint32_t>(labels[i]);
}

/// Faiss in the faster of its two configurations here: one OpenMP thread, or all.
class FaissFlatPeer {
 public:
  explicit FaissFlatPeer(const Data& data) : data_(data), index_(static_cast<faiss::Index::idx_t>(data.d)) {
    index_.add(static_cast<faiss::Index::idx_t>(data.n), data.items.data());
  }

  void answer(std::size_t batch, std::size_t k, int threads, Answer* out) const {
    omp_set_num_threads(threads);
    std::vector<float> scores(batch * k);
    std::vector<faiss::Index::idx_t> labels(batch * k);
    index_.search(static_cast<faiss::Index::idx_t>(batch), data_.queries.data(), static_cast<faiss::Index::idx_t>(k),
                  scores.data(), labels.data());
    take(labels, out);
  }

 private:
  const Data& data_;
  faiss::IndexFlatIP index_;
};

class Bench {
 public:
  Bench(const Report& report, std::size_t hnsw_rows_max) : report_(report), hnsw_rows_max_(hnsw_rows_max) {}

  void run(std::size_t n, std::size_t d) {
    const Data data{n, d, embeddings(n, d, 1), embeddings(64, d, 2)};
    const auto backend = make_cpu_backend({}).value();
    const auto matrix = backend->make_matrix({data.items, n, d}, {}).value();
    FaissFlatPeer faiss_flat(data);
    for (const std::size_t batch : {1, 8, 64}) {
      for (const std::size_t k : {20, 100}) exact_case(data, *matrix, faiss_flat, batch, k);
    }
    geofence_case(data, *matrix);
    for (const std::size_t batch : {1, 64}) storage_cases(data, *backend, batch);
    if (n <= hnsw_rows_max_) hnsw_cases(data, *matrix);
  }

 private:
  [[nodiscard]] std::size_t rounds() const { return report_.quick() ? 3 : 11; }

  void exact_case(const Data& data, const ItemMatrix& matrix, const FaissFlatPeer& faiss_flat, std::size_t batch,
                  std::size_t k) {
    TopKAnswers answers;
    const TopKBatch questions{.queries = {std::span(data.queries).first(batch * data.d), batch, data.d}, .k = k};
    const SgemmPeer sgemm(data);
    Answer by_sgemm(batch * k);
    Answer by_faiss(batch * k);
    const auto seconds =
        medians({[&] { (void)matrix.top_k(questions, &answers).ok(); }, [&] { sgemm.answer(batch, k, &by_sgemm); },
                 [&] { faiss_flat.answer(batch, k, 1, &by_faiss); },
                 [&] { faiss_flat.answer(batch, k, omp_get_num_procs(), &by_faiss); },
                 [&] { batch == 1 ? ceilings_.read() : ceilings_.multiply(); }},
                rounds());
    const std::string name = label(data.n, data.d, batch, k);
    const auto per_second = [&](double one) { return static_cast<double>(batch) / one; };
    const std::string agree_sgemm = agreement(by_sgemm, answers.rows, batch, k);
    const std::string agree_faiss = agreement(by_faiss, answers.rows, batch, k);
    report_.add({.name = "exact " + name,
                 .unit = "queries/s",
                 .value = per_second(seconds[0]),
                 .peer = Peer{"sgemm + selection" + agree_sgemm, per_second(seconds[1])}});
    report_.add({.name = "exact " + name,
                 .unit = "queries/s",
                 .value = per_second(seconds[0]),
                 .peer = Peer{"faiss IndexFlatIP" + agree_faiss, per_second(std::min(seconds[2], seconds[3]))}});
    const double bytes = static_cast<double>(data.n * data.d);
    if (batch == 1) {
      report_.add({.name = "codes read, " + name,
                   .unit = "GB/s",
                   .value = bytes / seconds[0] * 1e-9,
                   .peer = Peer{"memory read", Ceilings::bytes() / seconds[4] * 1e-9}});
    } else {
      report_.add({.name = "int8 operations, " + name,
                   .unit = "GOP/s",
                   .value = 2 * bytes * static_cast<double>(batch) / seconds[0] * 1e-9,
                   .peer = Peer{"int8 dot-product ceiling", ceilings_.operations() / seconds[4] * 1e-9}});
    }
  }

  static std::string agreement(const Answer& found, const Answer& exact, std::size_t batch, std::size_t k) {
    char text[48];
    std::snprintf(text, sizeof text, " (same answers: %.4f)", recall(found, exact, batch, k));
    return text;
  }

  /// A geofence that 1 % of the items pass, in three ranges, beside the scan of all.
  void geofence_case(const Data& data, const ItemMatrix& matrix) {
    const auto range = [&](double from, double share) {
      const auto begin = static_cast<std::uint32_t>(from * static_cast<double>(data.n));
      return RowRange{begin, begin + static_cast<std::uint32_t>(share * static_cast<double>(data.n))};
    };
    const std::vector<RowRange> ranges = {range(0.1, 0.004), range(0.3, 0.004), range(0.8, 0.002)};
    const std::vector<RowFilter> filters = {{.ranges = ranges}};
    const MatrixView one{std::span(data.queries).first(data.d), 1, data.d};
    for (const std::size_t k : {20, 100}) {
      TopKAnswers answers;
      const auto seconds = medians({[&] {
                                      for (int i = 0; i < 20; ++i) {
                                        (void)matrix.top_k({.queries = one, .k = k, .filters = filters}, &answers).ok();
                                      }
                                    },
                                    [&] { (void)matrix.top_k({.queries = one, .k = k}, &answers).ok(); }},
                                   rounds());
      report_.add({.name = "geofence of 1 %, " + label(data.n, data.d, 1, k),
                   .unit = "us",
                   .better = Better::kLess,
                   .value = seconds[0] / 20 * 1e6,
                   .peer = Peer{"the same without geofence", seconds[1] * 1e6}});
    }
  }

  /// What items are kept in: speed beside fp32, the bytes of all, and how many answers are those of fp32.
  void storage_cases(const Data& data, Backend& backend, std::size_t batch) {
    constexpr std::size_t kAnswers = 20;
    constexpr Precision kStorages[] = {Precision::kFp32, Precision::kFp16, Precision::kInt8, Precision::kInt4};
    const TopKBatch questions{.queries = {std::span(data.queries).first(batch * data.d), batch, data.d}, .k = kAnswers};
    std::vector<std::unique_ptr<ItemMatrix>> matrices;
    std::vector<TopKAnswers> answers(std::size(kStorages));
    std::vector<std::function<void()>> contenders;
    for (const Precision storage : kStorages) {
      matrices.push_back(backend.make_matrix({data.items, data.n, data.d}, {.storage = storage}).value());
      contenders.emplace_back([&questions, &found = answers[matrices.size() - 1], matrix = matrices.back().get()] {
        (void)matrix->top_k(questions, &found).ok();
      });
    }
    const auto seconds = medians(contenders, rounds());
    const auto per_second = [&](double one) { return static_cast<double>(batch) / one; };
    for (std::size_t i = 1; i < contenders.size(); ++i) {
      char text[96];
      std::snprintf(text, sizeof text, "kept in %s, %.1f MB of fp32's %.1f, same answers %.4f, ",
                    std::string(to_string(kStorages[i])).c_str(),
                    static_cast<double>(matrices[i]->resident_bytes()) * 1e-6,
                    static_cast<double>(matrices[0]->resident_bytes()) * 1e-6,
                    recall(answers[i].rows, answers[0].rows, batch, kAnswers));
      report_.add({.name = text + label(data.n, data.d, batch, kAnswers),
                   .unit = "queries/s",
                   .value = per_second(seconds[i]),
                   .peer = Peer{"kept in fp32", per_second(seconds[0])}});
    }
  }

  void hnsw_cases(const Data& data, const ItemMatrix& matrix) {
    hnswlib::InnerProductSpace space(data.d);
    hnswlib::HierarchicalNSW<float> graph(&space, data.n, 16, 200);
    parallel_for(0, data.n, [&](std::size_t i) { graph.addPoint(&data.items[i * data.d], i); });
    faiss::IndexHNSWFlat faiss_graph(static_cast<int>(data.d), 16, faiss::METRIC_INNER_PRODUCT);
    faiss_graph.hnsw.efConstruction = 200;
    omp_set_num_threads(omp_get_num_procs());
    faiss_graph.add(static_cast<faiss::Index::idx_t>(data.n), data.items.data());
    for (const std::size_t batch : {1, 8, 64}) {
      for (const std::size_t k : {20, 100}) {
        hnsw_case(data, matrix, "hnswlib", batch, k, [&](std::size_t ef, Answer* out) {
          graph.setEf(ef);
          const auto search = [&](std::size_t q) {
            auto found = graph.searchKnn(&data.queries[q * data.d], k);
            for (std::size_t i = k; i-- > 0 && !found.empty(); found.pop()) {
              (*out)[q * k + i] = static_cast<std::uint32_t>(found.top().second);
            }
          };
          parallel_for(0, batch, search);
        });
        hnsw_case(data, matrix, "faiss IndexHNSWFlat", batch, k, [&](std::size_t ef, Answer* out) {
          faiss_graph.hnsw.efSearch = static_cast<int>(ef);
          omp_set_num_threads(batch == 1 ? 1 : omp_get_num_procs());
          std::vector<float> scores(batch * k);
          std::vector<faiss::Index::idx_t> labels(batch * k);
          faiss_graph.search(static_cast<faiss::Index::idx_t>(batch), data.queries.data(),
                             static_cast<faiss::Index::idx_t>(k), scores.data(), labels.data());
          take(labels, out);
        });
      }
    }
  }

  /// HNSW with the least effort that reaches recall 0.95 over all 64 queries, or its greatest.
  void hnsw_case(const Data& data, const ItemMatrix& matrix, const std::string& peer, std::size_t batch, std::size_t k,
                 const std::function<void(std::size_t ef, Answer*)>& search) {
    TopKAnswers answers;
    const TopKBatch questions{.queries = {std::span(data.queries).first(batch * data.d), batch, data.d}, .k = k};
    if (!matrix.top_k(questions, &answers).ok()) return;
    Answer found(batch * k);
    std::size_t ef = k;
    double reached = 0.0;
    for (; ef <= 8 * 1024; ef = ef * 5 / 4 + 1) {
      search(ef, &found);
      reached = recall(found, answers.rows, batch, k);
      if (reached >= 0.95) break;
    }
    const auto seconds =
        medians({[&] { (void)matrix.top_k(questions, &answers).ok(); }, [&] { search(ef, &found); }}, rounds());
    char text[64];
    std::snprintf(text, sizeof text, "%s ef=%zu recall=%.3f", peer.c_str(), ef, reached);
    report_.add({.name = "exact beside HNSW, " + label(data.n, data.d, batch, k),
                 .unit = "queries/s",
                 .value = static_cast<double>(batch) / seconds[0],
                 .peer = Peer{text, static_cast<double>(batch) / seconds[1]}});
  }

  const Report& report_;
  Ceilings ceilings_;
  std::size_t hnsw_rows_max_;
};

std::size_t option(int argc, char** argv, const char* name, std::size_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], name) == 0) return std::strtoull(argv[i + 1], nullptr, 10);
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const Report report("topk", argc, argv);
  openblas_set_num_threads(1);  // its threads and ours would fight for the processors
  Bench bench(report, option(argc, argv, "--hnsw-rows", 40'000));
  const std::size_t rows = option(argc, argv, "--rows", report.quick() ? 40'000 : 0);
  const std::size_t dim = option(argc, argv, "--dim", report.quick() ? 64 : 0);
  for (const std::size_t n : {std::size_t{40'000}, std::size_t{1'000'000}}) {
    for (const std::size_t d : {std::size_t{64}, std::size_t{128}}) {
      if ((rows == 0 || rows == n) && (dim == 0 || dim == d)) bench.run(n, d);
    }
  }
  return 0;
}
