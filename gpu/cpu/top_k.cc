// Exact top-k on a CPU matrix. Queries with the same row ranges and the same way of being answered form a group. A
// group's tiles are scanned in chunks, on all threads: every chunk collects candidates for each query of the group and
// merges them into the query's own, whose threshold all chunks share. What is left in the end is scored in fp32.
//
// A group is answered in one of two ways: by codes (bounds of every row, scores of few), or by scores of every row, for
// matrices without codes and queries without provable bounds. Queries that hardly any row passes are answered by
// scores of those rows alone.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "cairn/mutex.h"
#include "cairn/prefetch.h"
#include "gpu/cpu/candidates.h"
#include "gpu/cpu/cpu_matrix.h"
#include "gpu/cpu/query_codes.h"
#include "gpu/cpu/row_runs.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
/// A chunk is at least so many tiles, because each begins without candidates of its own and ends with a merge; above
/// that there are several chunks a thread, so that all threads end at about the same time.
constexpr std::size_t kChunkTilesMin = 64;
constexpr std::size_t kChunksPerThread = 8;
/// Scoring one row alone costs about as much as scanning so many in a batch of one.
constexpr std::size_t kScanRowsPerScoredRow = 16;
/// So few rows, beside twice k, are scored at once: bounds could hardly rule any of them out.
constexpr std::size_t kFewRows = 256;

/// Computes scores of single rows: 16 at a time, from wherever they stand.
class RowScorer {
 public:
  explicit RowScorer(const CpuMatrix& matrix)
      : matrix_(matrix),
        columns_(kDotRows * ((matrix.dim() + kDotRows - 1) / kDotRows * kDotRows) * sizeof(float)),
        decoded_(matrix.rows_are_decoded() ? kDotRows * matrix.dim() * sizeof(float) : 0) {}

  /// Dot products of 16 rows with some queries, into out[query][16].
  void dot(const std::uint32_t* rows, const float* queries, std::size_t query_count, float* out) {
    const float* pointers[kDotRows];
    for (std::size_t i = 0; i < kDotRows; ++i) {
      pointers[i] = matrix_.row(rows[i], decoded_.as<float>() + i * matrix_.dim());
    }
    matrix_.resources().kernels->dot({.rows = pointers,
                                      .dim = matrix_.dim(),
                                      .queries = queries,
                                      .query_count = query_count,
                                      .scratch = columns_.as<float>(),
                                      .out = out});
  }

  /// The scores of any rows for one query.
  void score(std::span<const std::uint32_t> rows, const float* query, std::span<const float> bias, float* scores) {
    for (std::size_t i = 0; i < rows.size(); i += kDotRows) {
      const std::size_t count = std::min(kDotRows, rows.size() - i);
      std::uint32_t padded[kDotRows];
      float dots[kDotRows];
      // The kernel takes 16 rows always; the last ones are repeated. The next 16 are asked for meanwhile, because they
      // stand anywhere in memory, where the hardware cannot foresee them.
      for (std::size_t j = 0; j < kDotRows; ++j) padded[j] = rows[i + std::min(j, count - 1)];
      for (std::size_t j = i + kDotRows; j < std::min(i + 2 * kDotRows, rows.size()); ++j) prefetch(rows[j]);
      dot(padded, query, 1, dots);
      for (std::size_t j = 0; j < count; ++j) scores[i + j] = bias.empty() ? dots[j] : dots[j] + bias[rows[i + j]];
    }
  }

 private:
  void prefetch(std::uint32_t row) const {
    if (matrix_.rows_are_decoded()) return;
    const float* values = matrix_.row(row, nullptr);
    // A cache line is 16 floats.
    for (std::size_t j = 0; j < matrix_.dim(); j += 16) cairn::prefetch(values + j);
  }

  const CpuMatrix& matrix_;
  Buffer columns_;
  Buffer decoded_;
};

enum class Way : std::uint8_t { kScanCodes, kScoreAll, kScoreFew };

/// One query of a batch while it is answered.
struct Query {
  std::size_t index = 0;
  const float* values = nullptr;
  const RowFilter* filter = nullptr;
  std::optional<QueryCodes> codes = {};
  Way way = Way::kScanCodes;
  std::atomic<float> threshold{kMinusInfinity};
  Mutex mutex = {};  ///< taken once a chunk, to merge what it found
  Candidates candidates CAIRN_GUARDED_BY(mutex) = {};
  std::atomic<std::uint64_t> rows_scored{0};

  [[nodiscard]] BoundKind bound_kind(const TopKKernels* kernels, std::size_t k) const {
    BoundKind kind{.kernels = kernels, .k = k, .excluded = filter->excluded};
    if (way != Way::kScanCodes) {
      kind.exact = true;
    } else {
      kind.exact = codes->exact;
      kind.inverse_scale = codes->inverse_scale;
      kind.rounding = codes->rounding;
    }
    return kind;
  }
};

/// Queries that share what is scanned.
struct Group {
  std::vector<Query*> queries = {};
  std::vector<TileRun> runs = {};
  Way way = Way::kScanCodes;
  const RowFilter* filter = nullptr;  // whose ranges the runs are
  // What the kernels read of all queries, in their order: see ScanCall.
  std::vector<std::int32_t> query_codes = {};
  std::vector<std::int32_t> offset = {};
  std::vector<float> values = {};  // [query][dim]
};

/// Part of a group's tiles, for one thread at a time.
struct Chunk {
  const Group* group = nullptr;
  TileRun run = {};
};

/// Raises the threshold that all chunks of a query read. Relaxed order is enough: a chunk that reads an older
/// threshold, which is lower, rules out fewer rows but no wrong ones.
void publish(Query& query, float threshold) {
  float now = query.threshold.load(std::memory_order_relaxed);
  while (now < threshold && !query.threshold.compare_exchange_weak(now, threshold, std::memory_order_relaxed)) {
  }
}

bool same_ranges(const RowFilter& a, const RowFilter& b) {
  if (a.ranges.has_value() != b.ranges.has_value()) return false;
  if (!a.ranges) return true;
  return std::equal(a.ranges->begin(), a.ranges->end(), b.ranges->begin(), b.ranges->end());
}

/// Answers one batch.
class TopKRun {
 public:
  TopKRun(const CpuMatrix& matrix, const TopKBatch& batch, TopKAnswers* answers)
      : matrix_(matrix), batch_(batch), answers_(*answers), queries_(batch.queries.rows) {}

  void run() {
    for (std::size_t q = 0; q < queries_.size(); ++q) join_group(q);
    for (Group& group : groups_) prepare(group);
    std::vector<Chunk> chunks;
    for (const Group& group : groups_) add_chunks(group, &chunks);
    const std::size_t threads = matrix_.resources().threads;
    parallel_for(threads, chunks.size(), [&](std::size_t i) { work(chunks[i]); });
    parallel_for(threads, queries_.size(), [&](std::size_t q) { finish(queries_[q]); });
    count_work();
  }

 private:
  void join_group(std::size_t q);
  void prepare(Group& group);
  void arrange_codes(Group& group);
  void add_chunks(const Group& group, std::vector<Chunk>* chunks) const;
  void work(const Chunk& chunk);
  void scan(const Chunk& chunk, std::vector<Candidates>& found);
  void score_all(const Chunk& chunk, std::vector<Candidates>& found);
  void score_few(Query& query, const std::vector<TileRun>& runs);
  void finish(Query& query);
  void count_work();
  [[nodiscard]] Candidates::Score scorer_of(Query& query) const;

  const CpuMatrix& matrix_;
  const TopKBatch& batch_;
  TopKAnswers& answers_;
  std::vector<Query> queries_;
  std::vector<Group> groups_;
};

void TopKRun::join_group(std::size_t q) {
  Query& query = queries_[q];
  query.index = q;
  query.values = batch_.queries.row(q).data();
  query.filter = &filter_of(batch_.filters, q);
  // A query without provable bounds has no codes, and every row is scored for it.
  if (matrix_.scan_codes() != nullptr) query.codes = encode_query(batch_.queries.row(q), *matrix_.scan_codes());
  query.way = query.codes ? Way::kScanCodes : Way::kScoreAll;
  for (Group& group : groups_) {
    const bool same = group.filter == query.filter || same_ranges(*group.filter, *query.filter);
    if (!same || group.way != query.way) continue;
    group.queries.push_back(&query);
    return;
  }
  groups_.push_back({.queries = {&query},
                     .runs = tile_runs(*query.filter, matrix_.rows()),
                     .way = query.way,
                     .filter = query.filter});
}

/// Sends queries that hardly any row passes their own way; lays out what the kernels read of the others.
void TopKRun::prepare(Group& group) {
  const std::size_t rows = count_rows(group.runs);
  const auto few = [&](Query* query) {
    // Without ranges or a bitmap there is nothing to count: all rows pass, but for the excluded ones.
    if (rows == matrix_.rows() && !query->filter->allowed) return false;
    const std::size_t passing = count_passing(group.runs, *query->filter);
    return passing <= 2 * batch_.k + kFewRows || passing * kScanRowsPerScoredRow <= rows;
  };
  const auto others = std::stable_partition(group.queries.begin(), group.queries.end(), few);
  for (auto query = group.queries.begin(); query != others; ++query) (*query)->way = Way::kScoreFew;
  for (Query* query : group.queries) {
    const MutexLock lock(query->mutex);
    query->candidates.reset(query->bound_kind(matrix_.resources().kernels, batch_.k));
  }
  for (auto query = group.queries.begin(); query != others; ++query) score_few(**query, group.runs);
  group.queries.erase(group.queries.begin(), others);
  if (group.way == Way::kScanCodes) return arrange_codes(group);
  for (const Query* query : group.queries) {
    group.values.insert(group.values.end(), query->values, query->values + matrix_.dim());
  }
}

void TopKRun::arrange_codes(Group& group) {
  const CodeTiles& codes = *matrix_.scan_codes();
  const std::size_t count = group.queries.size();
  group.query_codes.resize(codes.quads() * count);
  group.offset.resize(codes.groups() * count);
  // The kernel works on a block of queries at once. The codes of a block stand together, quad after quad, so that it
  // reads them in the order of memory.
  for (std::size_t q = 0; q < count; ++q) {
    const QueryCodes& query = *group.queries[q]->codes;
    const std::size_t begin = q / kQueryBlock * kQueryBlock;
    const std::size_t block = std::min(kQueryBlock, count - begin);
    for (std::size_t quad = 0; quad < codes.quads(); ++quad) {
      group.query_codes[begin * codes.quads() + quad * block + (q - begin)] = query.quads[quad];
    }
    for (std::size_t g = 0; g < codes.groups(); ++g) group.offset[g * count + q] = query.offset[g];
  }
}

void TopKRun::add_chunks(const Group& group, std::vector<Chunk>* chunks) const {
  if (group.queries.empty()) return;
  std::size_t tiles = 0;
  for (const TileRun& run : group.runs) tiles += run.tile_end - run.tile_begin;
  // Whole spans, so that few chunks share one: margins are computed for each span that a chunk meets.
  const std::size_t wanted = tiles / (thread_count(matrix_.resources().threads) * kChunksPerThread);
  const std::size_t size = std::max(kChunkTilesMin, wanted / kSpanTiles * kSpanTiles);
  for (const TileRun& run : group.runs) {
    for (std::size_t begin = run.tile_begin; begin < run.tile_end; begin += size) {
      chunks->push_back({&group, {begin, std::min(begin + size, run.tile_end), run.mask}});
    }
  }
}

Candidates::Score TopKRun::scorer_of(Query& query) const {
  return [this, &query](std::span<const std::uint32_t> rows, std::span<float> scores) {
    RowScorer(matrix_).score(rows, query.values, query.filter->bias, scores.data());
    query.rows_scored += rows.size();
  };
}

void TopKRun::work(const Chunk& chunk) {
  const Group& group = *chunk.group;
  thread_local std::vector<Candidates> found;  // kept for its memory
  found.resize(std::max(found.size(), group.queries.size()));
  // A chunk begins with the threshold that the chunks before it have found.
  for (std::size_t q = 0; q < group.queries.size(); ++q) {
    found[q].reset(group.queries[q]->bound_kind(matrix_.resources().kernels, batch_.k));
    found[q].raise_threshold(group.queries[q]->threshold.load(std::memory_order_relaxed));
  }
  group.way == Way::kScanCodes ? scan(chunk, found) : score_all(chunk, found);
  for (std::size_t q = 0; q < group.queries.size(); ++q) {
    Query& query = *group.queries[q];
    // Shrinks before the lock is taken, so that little is merged under it.
    found[q].shrink();
    const MutexLock lock(query.mutex);
    query.candidates.add(found[q]);
    if (query.candidates.crowded()) query.candidates.settle(scorer_of(query));
    publish(query, query.candidates.threshold());
  }
}

/// What a scan reads of the queries that depends on the span: the margins.
class SpanMargins {
 public:
  SpanMargins(const CpuMatrix& matrix, const Group& group)
      : matrix_(matrix),
        group_(group),
        margin_(matrix.scan_codes()->groups() * group.queries.size()),
        width_(margin_.size()),
        least_bound_(group.queries.size()),
        beyond_sum_(group.queries.size()) {}

  void set_threshold(std::size_t q, float threshold) {
    // A bias is added after the sum: with one, no sum is too small for a hit.
    least_bound_[q] = group_.queries[q]->filter->bias.empty() ? threshold : kMinusInfinity;
  }
  void load(std::size_t span) {
    const CodeTiles& codes = *matrix_.scan_codes();
    const std::size_t count = group_.queries.size();
    for (std::size_t g = 0; g < codes.groups(); ++g) {
      for (std::size_t q = 0; q < count; ++q) {
        // Kernels add the margin to an integer sum, so it is rounded up to an integer. A margin on both sides makes the
        // lower bound two margins less than the upper one.
        const double margin = group_.queries[q]->codes->margin(g, codes.bound(span, g), matrix_.dim());
        margin_[g * count + q] = margin == 0.0 ? 0 : static_cast<std::int32_t>(margin) + 1;
        width_[g * count + q] = 2.0F * static_cast<float>(margin_[g * count + q]);
      }
    }
  }
  [[nodiscard]] const std::int32_t* margin() const noexcept { return margin_.data(); }
  [[nodiscard]] const float* width() const noexcept { return width_.data(); }
  [[nodiscard]] const float* least_bound() const noexcept { return least_bound_.data(); }
  [[nodiscard]] std::int32_t* beyond_sum() noexcept { return beyond_sum_.data(); }

 private:
  const CpuMatrix& matrix_;
  const Group& group_;
  std::vector<std::int32_t> margin_;
  std::vector<float> width_;
  std::vector<float> least_bound_;
  std::vector<std::int32_t> beyond_sum_;
};

void TopKRun::scan(const Chunk& chunk, std::vector<Candidates>& found) {
  const Group& group = *chunk.group;
  const std::size_t count = group.queries.size();
  const TopKKernels& kernels = *matrix_.resources().kernels;
  const auto kernel = matrix_.scan() == Precision::kInt4 ? kernels.scan_int4 : kernels.scan_int8;
  SpanMargins margins(matrix_, group);
  std::vector<TileQuery> queries(count);
  // Without a threshold every row is a hit: the first tiles are few at a time, so that there soon is one.
  std::size_t step = 1;
  for (std::size_t begin = chunk.run.tile_begin; begin < chunk.run.tile_end; step = std::min(2 * step, kSpanTiles)) {
    const std::size_t span = begin / kSpanTiles;
    const std::size_t end = std::min({chunk.run.tile_end, (span + 1) * kSpanTiles, begin + step});
    if (begin == chunk.run.tile_begin || begin % kSpanTiles == 0) margins.load(span);
    for (std::size_t q = 0; q < count; ++q) {
      const Query& query = *group.queries[q];
      found[q].raise_threshold(query.threshold.load(std::memory_order_relaxed));
      margins.set_threshold(q, found[q].threshold());
      queries[q] = {.threshold = found[q].threshold(),
                    .bias = query.filter->bias.empty() ? nullptr : query.filter->bias.data(),
                    .inverse_scale = query.codes->inverse_scale,
                    .allowed = query.filter->allowed ? query.filter->allowed->data() : nullptr,
                    .hits = found[q].room_for((end - begin) * kTileRows)};
    }
    kernel({.codes = matrix_.scan_codes()->view(),
            .tile_begin = begin,
            .tile_end = end,
            .mask = chunk.run.mask,
            .queries = count,
            .query_codes = group.query_codes.data(),
            .margin = margins.margin(),
            .offset = group.offset.data(),
            .width = margins.width(),
            .least_bound = margins.least_bound(),
            .beyond_sum = margins.beyond_sum(),
            .query = queries.data()});
    for (std::size_t q = 0; q < count; ++q) {
      const float before = found[q].threshold();
      found[q].commit(queries[q].hits);
      if (found[q].crowded()) found[q].settle(scorer_of(*group.queries[q]));
      if (found[q].threshold() > before) publish(*group.queries[q], found[q].threshold());
    }
    begin = end;
  }
}

/// Appends the rows of 16 whose scores reach the threshold.
void list_scored(const std::uint32_t* rows, std::uint64_t listed, const float* scores, std::span<const float> bias,
                 float threshold, HitList* hits) {
  for (; listed != 0; listed &= listed - 1) {
    const auto lane = static_cast<std::size_t>(__builtin_ctzll(listed));
    const float score = bias.empty() ? scores[lane] : scores[lane] + bias[rows[lane]];
    if (!(score >= threshold)) continue;
    hits->rows[hits->count] = rows[lane];
    hits->upper[hits->count] = hits->lower[hits->count] = score;
    ++hits->count;
  }
}

void TopKRun::score_all(const Chunk& chunk, std::vector<Candidates>& found) {
  const Group& group = *chunk.group;
  const std::size_t count = group.queries.size();
  RowScorer scorer(matrix_);
  std::vector<float> scores(count * kDotRows);
  const std::size_t rows_end = std::min(matrix_.rows(), chunk.run.tile_end * kTileRows);
  for (std::size_t first = chunk.run.tile_begin * kTileRows; first < rows_end; first += kDotRows) {
    const std::size_t tile = first / kTileRows;
    // The rows of this sixteenth that exist, that the chunk's run means, and below that the query's bitmap allows.
    // Lanes past the end compute the last row again and are not listed.
    const std::uint64_t lanes = rows_end - first >= kDotRows ? 0xFFFF : (std::uint64_t{1} << (rows_end - first)) - 1;
    const std::uint64_t meant = (chunk.run.mask >> (first % kTileRows)) & lanes;
    if (meant == 0) continue;
    std::uint32_t rows[kDotRows];
    for (std::size_t i = 0; i < kDotRows; ++i) rows[i] = static_cast<std::uint32_t>(std::min(first + i, rows_end - 1));
    scorer.dot(rows, group.values.data(), count, scores.data());
    for (std::size_t q = 0; q < count; ++q) {
      const RowFilter& filter = *group.queries[q]->filter;
      const std::uint64_t allowed = filter.allowed ? (*filter.allowed)[tile] >> (first % kTileRows) : ~std::uint64_t{0};
      HitList hits = found[q].room_for(kDotRows);
      list_scored(rows, meant & allowed, scores.data() + q * kDotRows, filter.bias, found[q].threshold(), &hits);
      found[q].commit(hits);
    }
  }
  for (std::size_t q = 0; q < count; ++q) {
    const std::vector<TileRun> run = {chunk.run};
    group.queries[q]->rows_scored += count_passing(run, *group.queries[q]->filter);
  }
}

void TopKRun::score_few(Query& query, const std::vector<TileRun>& runs) {
  std::vector<std::uint32_t> rows;
  append_passing(runs, *query.filter, &rows);
  std::vector<float> scores(rows.size());
  scorer_of(query)(rows, scores);
  const MutexLock lock(query.mutex);
  HitList hits = query.candidates.room_for(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (std::isnan(scores[i])) continue;
    hits.rows[hits.count] = rows[i];
    hits.upper[hits.count] = hits.lower[hits.count] = scores[i];
    ++hits.count;
  }
  query.candidates.commit(hits);
}

void TopKRun::finish(Query& query) {
  // First the rows with the best bounds are scored, which rules out most others; then what is still left. Candidates of
  // exact queries have their scores as bounds already, and those with codes are scored here.
  const Candidates::Score score = scorer_of(query);
  std::vector<std::uint32_t> rows;
  std::vector<float> scores;
  const MutexLock lock(query.mutex);  // nobody else wants it: the chunks are done
  query.candidates.take_best(score, &rows, &scores);
  const std::size_t scored = rows.size();
  rows.insert(rows.end(), query.candidates.rows().begin(), query.candidates.rows().end());
  scores.insert(scores.end(), query.candidates.upper().begin(), query.candidates.upper().end());
  if (query.way == Way::kScanCodes) {
    // Rows that no bound holds for were not scanned: each may be an answer.
    for (const std::uint32_t row : matrix_.scan_codes()->rows_without_codes()) {
      if (passes(*query.filter, row)) rows.push_back(row);
    }
    scores.resize(rows.size());
    score(std::span(rows).subspan(scored), std::span(scores).subspan(scored));
  }
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    if (!std::isnan(scores[i])) order.push_back(i);
  }
  const std::size_t count = std::min(batch_.k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::uint32_t a, std::uint32_t b) {
                      return scores[a] > scores[b] || (scores[a] == scores[b] && rows[a] < rows[b]);
                    });
  answers_.counts[query.index] = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    answers_.rows[query.index * batch_.k + i] = rows[order[i]];
    answers_.scores[query.index * batch_.k + i] = scores[order[i]];
  }
}

void TopKRun::count_work() {
  for (const Group& group : groups_) {
    if (group.way == Way::kScanCodes) answers_.work.rows_scanned += count_rows(group.runs) * group.queries.size();
  }
  for (const Query& query : queries_) {
    answers_.work.rows_scored += query.rows_scored;
    if (query.way == Way::kScoreAll) ++answers_.work.queries_exact;
  }
}

}  // namespace

Status CpuMatrix::top_k(const TopKBatch& batch, TopKAnswers* answers) const {
  CAIRN_RETURN_IF_ERROR(check_batch(batch, rows_, dim_));
  answers->reset(batch.queries.rows, batch.k);
  if (answers->rows.empty() || rows_ == 0) return ok_status();
  TopKRun(*this, batch, answers).run();
  return ok_status();
}

}  // namespace cairn::gpu
