// Answers queries on a CPU table. Rows are scored in blocks of 512, whose numbers stay in the first cache from one pass
// of a kernel to the next; each block is scored for all queries before the next is read. Blocks are shared out to the
// threads in chunks. Every chunk has a pool of its own for each query; all chunks of a query share the threshold below
// which no row can be answered. A row that is left out is below the final threshold, whenever that happens, so the
// answers do not depend on the number of threads.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "gpu/cpu/scan_pool.h"
#include "gpu/cpu/scan_table.h"
#include "gpu/finite.h"
#include "gpu/parallel.h"
#include "gpu/quantize.h"
#include "gpu/scan_terms.h"

namespace cairn::gpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// A chunk is at least so many blocks, because each begins with empty pools and ends with a merge.
constexpr std::size_t kChunkBlocksMin = 8;
/// Above that there are several chunks a thread, so that all threads end at about the same time.
constexpr std::size_t kChunksPerThread = 4;

/// Read where a query has no prior.
alignas(64) constexpr float kZeros[kScanBlockRows] = {};

const float* values_of(const ScanColumn* column) {
  return column == nullptr ? nullptr : static_cast<const CpuScanColumn*>(column)->values();
}

/// A query as the kernels read it. What stands in `call` of rows and outputs is set for each block.
struct Prepared {
  const ScanQuery* query = nullptr;
  ScoreCall call = {};
  void (*first)(const ScoreCall&) = nullptr;
  void (*second)(const ScoreCall&) = nullptr;  // null: nothing to add
  const float* prior = nullptr;
  const float* logs = nullptr;
  ScanTerms terms = {};
  std::vector<float> pairs = {};         // see ScoreCall
  std::vector<std::int32_t> codes = {};  // int8: fours of codes
  std::int32_t excess = 0;
};

void prepare_vector(const CpuScanTable& table, const ScanQuery& query, Prepared* out) {
  out->call.dot_weight = query.vector_weight;
  const CodeTiles* tiles = table.codes();
  if (!out->terms.has_vector || tiles == nullptr) return;
  std::vector<std::int8_t> codes(query.vector.size());
  const GroupCode code = quantize_group(query.vector, {}, kInt8CodeMax, codes);
  out->call.dot_weight = query.vector_weight * code.scale;
  out->codes.resize(tiles->quads());
  tiles->arrange(codes, out->codes);
  for (const std::int8_t one : codes) out->excess += tiles->excess() * one;
}

/// Whether logs[r] + logs_table[t] is a positive normal number for every row and tag: the least and the largest sums
/// are, and rounding keeps the order of sums.
bool all_have_ln(const ScanQuery& query) {
  const auto& logs = static_cast<const CpuScanColumn&>(*query.logs);
  if (query.logs_table.empty() || !logs.all_finite() || !all_finite(query.logs_table)) return false;
  const auto [least, largest] = std::minmax_element(query.logs_table.begin(), query.logs_table.end());
  return logs.least() + *least >= std::numeric_limits<float>::min() &&
         logs.largest() + *largest <= std::numeric_limits<float>::max();
}

Prepared prepare(const CpuScanTable& table, const ScanQuery& query) {
  Prepared out{.query = &query, .terms = terms_of(query)};
  const ScanTerms& terms = out.terms;
  ScoreCall& call = out.call;
  call.query_x = query.position.x;
  call.query_y = query.position.y;
  call.query_z = query.position.z;
  out.prior = values_of(query.prior);
  if (terms.has_logs) out.logs = values_of(query.logs);
  call.tag_table = query.tag_table.data();
  call.logs_table = query.logs_table.data();
  call.logs_weight = query.logs_weight;
  if (terms.has_logs && !query.tag_table.empty()) {
    out.pairs.resize(2 * query.tag_table.size());
    for (std::size_t tag = 0; tag < query.tag_table.size(); ++tag) {
      out.pairs[2 * tag] = query.tag_table[tag];
      out.pairs[2 * tag + 1] = query.logs_table[tag];
    }
    call.pairs = out.pairs.data();  // stays where it is when `out` is moved
  }
  std::copy_n(terms.log_weight, 2, call.log_weight);
  std::copy_n(terms.log_per_unit, 2, call.log_per_unit);
  call.exp_weight = terms.exp_weight;
  call.exp_per_unit = terms.exp_per_unit;
  call.exp_units_max = terms.exp_units_max;
  call.radius = terms.radius;
  call.rim_end = terms.rim_end;
  prepare_vector(table, query, &out);

  const bool bans = std::find(query.tag_table.begin(), query.tag_table.end(), -kInfinity) != query.tag_table.end();
  const std::size_t tables = query.tag_table.empty() ? 0 : bans ? 2 : 1;
  const ScanKernels& kernels = *table.resources().kernels;
  const std::size_t logs = !terms.has_logs ? 0 : all_have_ln(query) ? 1 : 2;
  out.first = kernels.first[terms.needs_distance ? 1 : 0][tables][logs];
  if (terms.log_terms > 0 || terms.has_exp || terms.has_vector) {
    out.second = kernels.second[terms.log_terms][terms.has_exp ? 1 : 0][terms.has_vector ? 1 : 0];
  }
  return out;
}

/// What one chunk finds for one query, and how far it has walked through the query's lists.
struct Finding {
  ScanPool pool = {};
  std::vector<std::uint32_t> rim = {};
  std::uint64_t passed = 0;
  std::size_t range = 0;
  std::size_t excluded = 0;
  std::size_t added = 0;
};

/// The tiles of a block; `end` is the end of its rows.
struct Block {
  std::size_t first_row = 0;
  std::size_t tiles = 0;
  std::size_t end = 0;
};

/// Sets the bits [begin, end) of a block's words.
void set_bits(std::size_t begin, std::size_t end, std::uint64_t* words) {
  for (std::size_t word = begin / 64; word * 64 < end; ++word) {
    std::uint64_t bits = ~std::uint64_t{0};
    if (begin > word * 64) bits &= ~std::uint64_t{0} << (begin - word * 64);
    if (end < word * 64 + 64) bits &= ~(~std::uint64_t{0} << (end - word * 64));
    words[word] |= bits;
  }
}

/// Which rows of a block a query's ranges, bitmap and exclusions let pass.
void filter(const ScanQuery& query, const Block& block, Finding* at, std::uint64_t* words) {
  if (!query.ranges) {
    std::fill_n(words, block.tiles, ~std::uint64_t{0});
    const std::size_t rest = block.end % kScanTileRows;
    if (rest != 0) words[block.tiles - 1] = ~(~std::uint64_t{0} << rest);
  } else {
    std::fill_n(words, block.tiles, 0);
    const auto ranges = *query.ranges;
    while (at->range < ranges.size() && ranges[at->range].end <= block.first_row) ++at->range;
    for (std::size_t i = at->range; i < ranges.size() && ranges[i].begin < block.end; ++i) {
      const std::size_t begin = std::max<std::size_t>(ranges[i].begin, block.first_row);
      const std::size_t end = std::min<std::size_t>(ranges[i].end, block.end);
      if (begin < end) set_bits(begin - block.first_row, end - block.first_row, words);
    }
  }
  if (query.allowed) {
    for (std::size_t t = 0; t < block.tiles; ++t) words[t] &= (*query.allowed)[block.first_row / 64 + t];
  }
  const auto excluded = query.excluded;
  while (at->excluded < excluded.size() && excluded[at->excluded] < block.first_row) ++at->excluded;
  for (; at->excluded < excluded.size() && excluded[at->excluded] < block.end; ++at->excluded) {
    const std::size_t row = excluded[at->excluded] - block.first_row;
    words[row / 64] &= ~(std::uint64_t{1} << (row % 64));
  }
}

/// Blocks that any query's ranges touch, ascending.
std::vector<std::uint32_t> blocks_of(std::size_t rows, std::span<const ScanQuery> queries) {
  const std::size_t count = (rows + kScanBlockRows - 1) / kScanBlockRows;
  std::vector<bool> touched(count, false);
  for (const ScanQuery& query : queries) {
    if (!query.ranges) {
      touched.assign(count, true);
      break;
    }
    for (const RowRange& range : *query.ranges) {
      if (range.begin == range.end) continue;
      for (std::size_t b = range.begin / kScanBlockRows; b <= (range.end - 1) / kScanBlockRows; ++b) touched[b] = true;
    }
  }
  std::vector<std::uint32_t> blocks;
  for (std::size_t b = 0; b < count; ++b) {
    if (touched[b]) blocks.push_back(static_cast<std::uint32_t>(b));
  }
  return blocks;
}

/// Scores the blocks of one chunk for some queries.
class ChunkScan {
 public:
  ChunkScan(const CpuScanTable& table, std::span<const Prepared> queries, std::span<std::atomic<float>> thresholds,
            std::span<Finding> findings)
      : table_(table), queries_(queries), thresholds_(thresholds), findings_(findings) {}

  void run(std::span<const std::uint32_t> blocks) {
    if (blocks.empty()) return;
    for (std::size_t q = 0; q < queries_.size(); ++q) begin(q, blocks.front() * kScanBlockRows);
    for (const std::uint32_t block : blocks) {
      const std::size_t first_row = block * kScanBlockRows;
      const std::size_t end = std::min(table_.rows(), first_row + kScanBlockRows);
      const Block at{first_row, (end - first_row + kScanTileRows - 1) / kScanTileRows, end};
      for (std::size_t q = 0; q < queries_.size(); q += kScanDotQueries) {
        score_group(at, q, std::min(queries_.size(), q + kScanDotQueries));
      }
    }
  }

 private:
  /// Skips what the query's lists say of rows before the chunk.
  void begin(std::size_t q, std::size_t first_row) {
    const ScanQuery& query = *queries_[q].query;
    Finding& finding = findings_[q];
    finding.pool.reset(table_.resources().kernels, query.k, query.slack);
    const auto skip = [first_row](std::span<const std::uint32_t> rows) {
      return static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), first_row) - rows.begin());
    };
    finding.excluded = skip(query.excluded);
    finding.added = skip(query.added_rows);
    if (!query.ranges) return;
    const auto after = std::partition_point(query.ranges->begin(), query.ranges->end(),
                                            [first_row](const RowRange& range) { return range.end <= first_row; });
    finding.range = static_cast<std::size_t>(after - query.ranges->begin());
  }

  void score_group(const Block& block, std::size_t begin, std::size_t end) {
    DotsCall dots{.tiles = block.tiles,
                  .vectors = table_.vector_tiles() + block.first_row / kScanTileRows * table_.vector_tile_bytes(),
                  .tile_bytes = table_.vector_tile_bytes(),
                  .columns = table_.codes() != nullptr ? table_.codes()->quads() : table_.dim()};
    bool some[kScanDotQueries];
    for (std::size_t q = begin; q < end; ++q) {
      std::uint64_t* words = allowed_[q - begin];
      filter(*queries_[q].query, block, &findings_[q], words);
      some[q - begin] = std::any_of(words, words + block.tiles, [](std::uint64_t word) { return word != 0; });
      if (some[q - begin] && queries_[q].terms.has_vector) add_vector(queries_[q], dots_[q - begin], &dots);
    }
    const ScanKernels& kernels = *table_.resources().kernels;
    if (dots.queries > 0) (table_.codes() != nullptr ? kernels.dots_int8 : kernels.dots_fp32)(dots);
    for (std::size_t q = begin; q < end; ++q) {
      if (some[q - begin]) score(block, q, dots_[q - begin], allowed_[q - begin]);
    }
  }

  static void add_vector(const Prepared& query, float* to, DotsCall* call) {
    const std::size_t n = call->queries++;
    call->query[n] = query.codes.empty() ? static_cast<const void*>(query.query->vector.data()) : query.codes.data();
    call->excess[n] = query.excess;
    call->dots[n] = to;
  }

  void score(const Block& block, std::size_t q, const float* dots, const std::uint64_t* allowed) {
    const Prepared& query = queries_[q];
    ScoreCall call = query.call;
    call.tiles = block.tiles;
    call.x = table_.x() + block.first_row;
    call.y = table_.y() + block.first_row;
    call.z = table_.z() + block.first_row;
    call.tags = table_.tags() + block.first_row;
    call.prior = query.prior == nullptr ? kZeros : query.prior + block.first_row;
    call.logs = query.logs == nullptr ? nullptr : query.logs + block.first_row;
    call.dots = dots;
    call.distances = distances_;
    call.scores = scores_;
    call.inside = inside_;
    call.rim = rim_;
    query.first(call);
    if (query.second != nullptr) query.second(call);
    if (query.terms.has_radius) table_.resources().kernels->radius(call);
    add_listed(block, q);
    for (std::size_t t = 0; t < block.tiles; ++t) inside_[t] &= allowed[t];
    if (query.terms.has_radius) list_rim(block, q, allowed);
    list_best(block, q);
  }

  void add_listed(const Block& block, std::size_t q) {
    const ScanQuery& query = *queries_[q].query;
    std::size_t& at = findings_[q].added;
    // Blocks that no row of the query is in have not been looked at.
    while (at < query.added_rows.size() && query.added_rows[at] < block.first_row) ++at;
    for (; at < query.added_rows.size() && query.added_rows[at] < block.end; ++at) {
      scores_[query.added_rows[at] - block.first_row] += query.added[at];
    }
  }

  void list_rim(const Block& block, std::size_t q, const std::uint64_t* allowed) {
    for (std::size_t t = 0; t < block.tiles; ++t) {
      for (std::uint64_t left = rim_[t] & allowed[t]; left != 0; left &= left - 1) {
        const auto bit = static_cast<std::size_t>(__builtin_ctzll(left));
        findings_[q].rim.push_back(static_cast<std::uint32_t>(block.first_row + t * kScanTileRows + bit));
      }
    }
  }

  void list_best(const Block& block, std::size_t q) {
    Finding& finding = findings_[q];
    ScanPool& pool = finding.pool;
    pool.raise_threshold(thresholds_[q].load(std::memory_order_relaxed));
    pool.make_room(kScanBlockRows);
    const float before = pool.threshold();
    ListCall call{.tiles = block.tiles,
                  .scores = scores_,
                  .mask = inside_,
                  .threshold = pool.takes_none() ? std::numeric_limits<float>::quiet_NaN() : before,
                  .first_row = static_cast<std::uint32_t>(block.first_row),
                  .rows = pool.next_rows(),
                  .row_scores = pool.next_scores()};
    pool.commit(table_.resources().kernels->list(&call));
    finding.passed += call.set;
    if (pool.threshold() > before) raise_shared(q, pool.threshold());
  }

  void raise_shared(std::size_t q, float threshold) {
    float now = thresholds_[q].load(std::memory_order_relaxed);
    while (now < threshold && !thresholds_[q].compare_exchange_weak(now, threshold, std::memory_order_relaxed)) {
    }
  }

  const CpuScanTable& table_;
  std::span<const Prepared> queries_;
  std::span<std::atomic<float>> thresholds_;
  std::span<Finding> findings_;
  alignas(64) float distances_[kScanBlockRows];
  alignas(64) float scores_[kScanBlockRows];
  alignas(64) float dots_[kScanDotQueries][kScanBlockRows];
  std::uint64_t allowed_[kScanDotQueries][kScanBlockTiles];
  std::uint64_t inside_[kScanBlockTiles];
  std::uint64_t rim_[kScanBlockTiles];
};

/// How work is shared out: chunks of blocks, times groups of queries where there are fewer chunks than threads.
struct Shares {
  std::size_t chunks = 1;
  std::size_t groups = 1;
};

Shares shares_of(std::size_t blocks, std::size_t queries, std::size_t threads) {
  if (threads <= 1) return {};
  const std::size_t most = std::max<std::size_t>(1, blocks / kChunkBlocksMin);
  const std::size_t chunks = std::min(most, threads * kChunksPerThread);
  if (chunks >= threads) return {chunks, 1};
  return {chunks, std::clamp<std::size_t>((threads + chunks - 1) / chunks, 1, std::max<std::size_t>(1, queries))};
}

/// The i-th of `parts` nearly equal parts of `all`.
template <class T>
std::span<T> part(std::span<T> all, std::size_t i, std::size_t parts) {
  const std::size_t begin = all.size() * i / parts;
  return all.subspan(begin, all.size() * (i + 1) / parts - begin);
}

ScanAnswer merge(const ScanQuery& query, std::vector<std::vector<Finding>>& findings, std::size_t q) {
  ScanAnswer answer;
  ScanPool& pool = findings.front()[q].pool;
  for (std::size_t c = 0; c < findings.size(); ++c) {
    // In the order of rows.
    Finding& finding = findings[c][q];
    answer.passed += finding.passed;
    answer.rim.insert(answer.rim.end(), finding.rim.begin(), finding.rim.end());
    if (c > 0) pool.append(finding.pool);
  }
  if (query.k > 0) pool.finish(&answer.rows, &answer.scores);
  return answer;
}

}  // namespace

std::vector<ScanAnswer> answer_scan(const CpuScanTable& table, std::span<const ScanQuery> queries) {
  std::vector<Prepared> prepared;
  prepared.reserve(queries.size());
  for (const ScanQuery& query : queries) prepared.push_back(prepare(table, query));
  const std::vector<std::uint32_t> blocks = blocks_of(table.rows(), queries);
  const std::size_t threads = thread_count(table.resources().threads);
  const Shares shares = shares_of(blocks.size(), queries.size(), threads);
  std::vector<std::atomic<float>> thresholds(queries.size());
  for (std::atomic<float>& threshold : thresholds) threshold.store(-kInfinity, std::memory_order_relaxed);
  std::vector<std::vector<Finding>> findings(shares.chunks);
  for (auto& chunk : findings) chunk.resize(queries.size());
  parallel_for(threads, shares.chunks * shares.groups, [&](std::size_t i) {
    const std::size_t chunk = i / shares.groups;
    const std::size_t group = i % shares.groups;
    ChunkScan(table, part(std::span<const Prepared>(prepared), group, shares.groups),
              part(std::span(thresholds), group, shares.groups), part(std::span(findings[chunk]), group, shares.groups))
        .run(part(std::span<const std::uint32_t>(blocks), chunk, shares.chunks));
  });
  std::vector<ScanAnswer> answers;
  answers.reserve(queries.size());
  for (std::size_t q = 0; q < queries.size(); ++q) answers.push_back(merge(queries[q], findings, q));
  return answers;
}

}  // namespace cairn::gpu
