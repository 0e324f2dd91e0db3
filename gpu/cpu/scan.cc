// Answers queries on a CPU table. Rows are scored in blocks of 512, whose numbers stay in the first cache from one pass
// of a kernel to the next; each block is scored for all queries before the next is read. Blocks are shared out to the
// threads in chunks. Every chunk has a pool of its own for each query; all chunks of a query share the threshold below
// which no row can be answered. A row that is left out is below the final threshold, whenever that happens, so the
// answers do not depend on the number of threads.
//
// Of a larger table most tiles are left out as a whole, by bounds of what their rows may score. First the tiles with
// the highest bounds are scored, for a threshold that is close to the final one from the beginning. Then a tile has to
// reach the threshold with the most that a vector may add, and, when products with the vectors are computed, with the
// largest of them.

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <vector>

#include "gpu/cpu/prepared_query.h"
#include "gpu/cpu/scan_pool.h"
#include "gpu/cpu/scan_table.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// A chunk is at least so many blocks, because each begins with empty pools and ends with a merge.
constexpr std::size_t kChunkBlocksMin = 8;
/// Above that there are several chunks a thread, so that all threads end at about the same time.
constexpr std::size_t kChunksPerThread = 4;

/// Read where a query has no prior.
alignas(64) constexpr float kZeros[kScanBlockRows] = {};

/// Rows that are scored first: so many times as are wanted, and so large a part of all tiles.
constexpr std::size_t kSeedRowsPerWanted = 8;
constexpr std::size_t kSeedPart = 512;

/// Bounds that leave out less than a quarter of so many tiles cost more than they save, and rest for a while.
constexpr std::size_t kBoundsTrial = 32 * kScanBlockTiles;
constexpr std::size_t kBoundsRest = 128;

/// What one chunk finds for one query, and how far it has walked through the query's lists.
struct Finding {
  ScanPool pool = {};
  std::vector<std::uint32_t> rim = {};
  std::uint64_t passed = 0;
  std::size_t range = 0;
  std::size_t excluded = 0;
  std::size_t added = 0;

  // How well bounds did lately.
  std::size_t bounded = 0;  // tiles
  std::size_t reached = 0;  // of them
  std::size_t rest = 0;     // blocks for which they are not asked
};

/// The tiles of a block, or some of them; `end` is the end of their rows.
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
  ChunkScan(const CpuScanTable& table, std::span<const PreparedQuery> queries, std::span<std::atomic<float>> thresholds,
            std::span<Finding> findings)
      : table_(table), queries_(queries), thresholds_(thresholds), findings_(findings) {}

  void run(std::span<const std::uint32_t> blocks) {
    if (blocks.empty()) return;
    for (std::size_t q = 0; q < queries_.size(); ++q) begin(q, blocks.front() * kScanBlockRows);
    for (const std::uint32_t block : blocks) {
      const Block at = rows_from(block * kScanBlockRows, kScanBlockTiles);
      for (std::size_t q = 0; q < queries_.size(); q += kScanDotQueries) {
        score_group(at, q, std::min(queries_.size(), q + kScanDotQueries));
      }
    }
  }

  /// Scores the tiles, which ascend, for the one query there is; returns a threshold that its answer is above.
  float run_tiles(std::span<const std::uint32_t> tiles) {
    if (tiles.empty()) return -kInfinity;
    begin(0, tiles.front() * kScanTileRows);
    for (const std::uint32_t tile : tiles) score_group(rows_from(tile * kScanTileRows, 1), 0, 1);
    return findings_.front().pool.settle();
  }

 private:
  [[nodiscard]] Block rows_from(std::size_t first, std::size_t tiles) const {
    const std::size_t end = std::min(table_.rows(), first + tiles * kScanTileRows);
    return {first, (end - first + kScanTileRows - 1) / kScanTileRows, end};
  }

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

  /// Which tiles of a block are scored for a query, a bit each.
  using TileSet = std::uint64_t;
  /// From the first to the last.
  static std::size_t tiles_spanned(TileSet tiles) {
    return 64 - static_cast<std::size_t>(std::countl_zero(tiles) + std::countr_zero(tiles));
  }

  /// What of a block is scored for a query.
  struct Choice {
    TileSet asked = 0;  ///< with rows that pass the filters
    TileSet tiles = 0;
    bool by_bounds = false;
    TileSet always = 0;  ///< whatever bounds say
  };

  void score_group(const Block& block, std::size_t begin, std::size_t end) {
    Choice choices[kScanDotQueries];
    TileSet with_dots = 0;
    for (std::size_t q = begin; q < end; ++q) {
      std::uint64_t* words = allowed_[q - begin];
      filter(*queries_[q].query, block, &findings_[q], words);
      choices[q - begin] = choose(block, q, words);
      if (queries_[q].terms.has_vector) with_dots |= choices[q - begin].tiles;
    }
    if (with_dots != 0) compute_dots(block, begin, std::span(choices).first(end - begin), with_dots);
    for (std::size_t q = begin; q < end; ++q) {
      const std::uint64_t* words = allowed_[q - begin];
      const float* dots = dots_[q - begin];
      Choice& choice = choices[q - begin];
      if (choice.by_bounds) {
        if (choice.tiles != 0 && queries_[q].terms.has_vector) choose_by_dots(block, q, dots, &choice);
        count_others(block, q, words, choice.asked & ~choice.tiles);
        note_bounds(q, choice);
      }
      for (TileSet left = choice.tiles; left != 0;) {
        const auto first = static_cast<std::size_t>(std::countr_zero(left));
        const auto count = static_cast<std::size_t>(std::countr_one(left >> first));
        score(rows_from(block.first_row + first * kScanTileRows, count), q, dots + first * kScanTileRows,
              words + first);
        left &= ~(((TileSet{1} << count) - 1) << first);
      }
    }
  }

  bool asks_bounds(std::size_t q) {
    if (!queries_[q].bounds.made()) return false;
    std::size_t& rest = findings_[q].rest;
    if (rest == 0) return true;
    --rest;
    return false;
  }

  void note_bounds(std::size_t q, const Choice& choice) {
    Finding& finding = findings_[q];
    finding.bounded += static_cast<std::size_t>(std::popcount(choice.asked));
    finding.reached += static_cast<std::size_t>(std::popcount(choice.tiles));
    if (finding.bounded < kBoundsTrial) return;
    if (4 * finding.reached > 3 * finding.bounded) finding.rest = kBoundsRest;
    finding.bounded = finding.reached = 0;
  }

  /// The tiles with rows that pass the filters.
  static TileSet with_rows(const Block& block, const std::uint64_t* allowed) {
    TileSet tiles = 0;
    for (std::size_t t = 0; t < block.tiles; ++t) tiles |= TileSet{allowed[t] != 0 ? 1U : 0U} << t;
    return tiles;
  }

  /// With bounds those of which a row may be answered, or has to be measured to know whether it is within the radius.
  /// Rows of tiles beyond it no longer pass.
  Choice choose(const Block& block, std::size_t q, std::uint64_t* allowed) {
    Choice choice{.by_bounds = asks_bounds(q)};
    if (!choice.by_bounds) {
      choice.tiles = choice.asked = with_rows(block, allowed);
      return choice;
    }
    const TileBounds& bounds = queries_[q].bounds;
    const std::size_t first = block.first_row / kScanTileRows;
    choice.always = with_listed(block, q);
    for (std::size_t t = 0; bounds.measures() && t < block.tiles; ++t) {
      const TileBounds::Where where = bounds.where(first + t);
      if (where == TileBounds::Where::kBeyond) allowed[t] = 0;
      if (where == TileBounds::Where::kAcross) choice.always |= TileSet{1} << t;
    }
    choice.asked = with_rows(block, allowed);
    choice.tiles = choice.asked & (choice.always | bounds.reaching(first, block.tiles, threshold(q)));
    return choice;
  }

  /// Leaves those of them that still may, now that products with the vectors are known.
  void choose_by_dots(const Block& block, std::size_t q, const float* dots, Choice* choice) {
    const auto first = static_cast<std::size_t>(std::countr_zero(choice->tiles));
    const std::size_t count = tiles_spanned(choice->tiles);
    float least[kScanBlockTiles];
    queries_[q].bounds.least_products(block.first_row / kScanTileRows + first, count, threshold(q), least);
    const TileSet reach = table_.resources().kernels->tiles_reaching(dots + first * kScanTileRows, least, count);
    choice->tiles &= reach << first | choice->always;
  }

  [[nodiscard]] float threshold(std::size_t q) const {
    return std::max(findings_[q].pool.threshold(), thresholds_[q].load(std::memory_order_relaxed));
  }

  /// Tiles with a row that something is added to.
  [[nodiscard]] TileSet with_listed(const Block& block, std::size_t q) {
    const auto rows = queries_[q].query->added_rows;
    TileSet tiles = 0;
    for (std::size_t at = next_listed(block, q); at < rows.size() && rows[at] < block.end; ++at) {
      tiles |= TileSet{1} << (rows[at] - block.first_row) / kScanTileRows;
    }
    return tiles;
  }

  /// The first row of the block that something is added to. Blocks that no row of the query is in have not been looked
  /// at.
  std::size_t& next_listed(const Block& block, std::size_t q) {
    const auto rows = queries_[q].query->added_rows;
    std::size_t& at = findings_[q].added;
    while (at < rows.size() && rows[at] < block.first_row) ++at;
    return at;
  }

  /// Rows of tiles that are not scored pass if their tag does.
  void count_others(const Block& block, std::size_t q, const std::uint64_t* allowed, TileSet others) {
    for (; others != 0; others &= others - 1) {
      const auto t = static_cast<std::size_t>(std::countr_zero(others));
      std::uint64_t passes = allowed[t];
      if (queries_[q].bans) {
        passes &= table_.resources().kernels->unbanned(table_.tags() + block.first_row + t * kScanTileRows,
                                                       queries_[q].call.tag_table);
      }
      // Without an instruction for it, to count bits is a call.
      findings_[q].passed += passes == ~std::uint64_t{0} ? kScanTileRows : std::popcount(passes);
    }
  }

  /// The products of a group of queries with the vectors from the first tile of `tiles` to the last.
  void compute_dots(const Block& block, std::size_t begin, std::span<const Choice> choices, TileSet tiles) {
    const auto first = static_cast<std::size_t>(std::countr_zero(tiles));
    const std::size_t tile = block.first_row / kScanTileRows + first;
    DotsCall call{.tiles = tiles_spanned(tiles),
                  .vectors = table_.vector_tiles() + tile * table_.vector_tile_bytes(),
                  .tile_bytes = table_.vector_tile_bytes(),
                  .columns = table_.codes() != nullptr ? table_.codes()->quads() : table_.dim()};
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const PreparedQuery& query = queries_[begin + i];
      if (choices[i].tiles != 0 && query.terms.has_vector) add_vector(query, dots_[i] + first * kScanTileRows, &call);
    }
    const ScanKernels& kernels = *table_.resources().kernels;
    (table_.codes() != nullptr ? kernels.dots_int8 : kernels.dots_fp32)(call);
  }

  static void add_vector(const PreparedQuery& query, float* to, DotsCall* call) {
    const std::size_t n = call->queries++;
    call->query[n] = query.codes.empty() ? static_cast<const void*>(query.query->vector.data()) : query.codes.data();
    call->excess[n] = query.excess;
    call->dots[n] = to;
  }

  void score(const Block& block, std::size_t q, const float* dots, const std::uint64_t* allowed) {
    const PreparedQuery& query = queries_[q];
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
    std::size_t& at = next_listed(block, q);
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
  std::span<const PreparedQuery> queries_;
  std::span<std::atomic<float>> thresholds_;
  std::span<Finding> findings_;
  alignas(64) float distances_[kScanBlockRows];
  alignas(64) float scores_[kScanBlockRows];
  alignas(64) float dots_[kScanDotQueries][kScanBlockRows];
  std::uint64_t allowed_[kScanDotQueries][kScanBlockTiles];
  std::uint64_t inside_[kScanBlockTiles];
  std::uint64_t rim_[kScanBlockTiles];
};

/// The tiles with the highest bounds, ascending.
std::vector<std::uint32_t> best_tiles(const CpuScanTable& table, const PreparedQuery& query,
                                      std::span<const std::uint32_t> blocks) {
  const ScanKernels& kernels = *table.resources().kernels;
  const std::size_t wanted = std::min(query.query->k, table.rows()) * kSeedRowsPerWanted / kScanTileRows;
  const std::size_t most = std::max(wanted, blocks.size() * kScanBlockTiles / kSeedPart) + 1;
  ScanPool best;
  best.reset(&kernels, most, 0.0F);
  // A group of tiles is a tile of the kernels.
  for (std::size_t i = 0; i < blocks.size();) {
    const std::size_t group = blocks[i] / kGroupBlocks;
    const std::size_t first = group * kScanTileRows;
    std::uint64_t mask = 0;
    for (; i < blocks.size() && blocks[i] / kGroupBlocks == group; ++i) {
      for (std::size_t t = 0; t < kScanBlockTiles; ++t) {
        const std::size_t tile = blocks[i] * kScanBlockTiles + t;
        const bool there = tile < table.tiles() &&
                           (!query.bounds.measures() || query.bounds.where(tile) != TileBounds::Where::kBeyond);
        if (there) mask |= std::uint64_t{1} << (tile - first);
      }
    }
    best.make_room(kScanTileRows);
    ListCall call{.tiles = 1,
                  .scores = query.bounds.without_vector() + first,
                  .mask = &mask,
                  .threshold = best.threshold(),
                  .first_row = static_cast<std::uint32_t>(first),
                  .rows = best.next_rows(),
                  .row_scores = best.next_scores()};
    best.commit(kernels.list(&call));
  }
  std::vector<std::uint32_t> tiles;
  std::vector<float> scores;
  best.finish(&tiles, &scores);
  if (tiles.size() > most) tiles.resize(most);  // of equal bounds all are there
  std::sort(tiles.begin(), tiles.end());
  return tiles;
}

/// Bounds the tiles of the blocks for a query; returns a threshold that its answer is above.
float bound_tiles(const CpuScanTable& table, std::span<const std::uint32_t> blocks, PreparedQuery* query) {
  if (blocks.size() * kScanBlockRows < table.resources().bounds_from_rows) return -kInfinity;
  const auto* const prior = static_cast<const CpuScanColumn*>(query->query->prior);
  const auto* const logs = static_cast<const CpuScanColumn*>(query->query->logs);
  query->bounds.make(*table.resources().kernels, table.shapes(), *query->query, query->terms, query->call,
                     {.prior = prior == nullptr ? nullptr : prior->largest_of_tiles(),
                      .prior_magnitude = prior == nullptr ? 0.0F : prior->largest_magnitude(),
                      .logs = logs == nullptr ? nullptr : logs->largest_of_tiles()},
                     query->vector_norm, blocks);
  if (!query->bounds.made() || query->query->k == 0) return -kInfinity;
  std::atomic<float> none = -kInfinity;
  Finding finding;
  return ChunkScan(table, std::span(query, 1), std::span(&none, 1), std::span(&finding, 1))
      .run_tiles(best_tiles(table, *query, blocks));
}

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
  std::vector<PreparedQuery> prepared;
  prepared.reserve(queries.size());
  for (const ScanQuery& query : queries) prepared.push_back(prepare_query(table, query));
  const std::vector<std::uint32_t> blocks = blocks_of(table.rows(), queries);
  const std::size_t threads = thread_count(table.resources().threads);
  const Shares shares = shares_of(blocks.size(), queries.size(), threads);
  std::vector<std::atomic<float>> thresholds(queries.size());
  parallel_for(threads, queries.size(), [&](std::size_t q) {
    thresholds[q].store(bound_tiles(table, blocks, &prepared[q]), std::memory_order_relaxed);
  });
  std::vector<std::vector<Finding>> findings(shares.chunks);
  for (auto& chunk : findings) chunk.resize(queries.size());
  parallel_for(threads, shares.chunks * shares.groups, [&](std::size_t i) {
    const std::size_t chunk = i / shares.groups;
    const std::size_t group = i % shares.groups;
    ChunkScan(table, part(std::span<const PreparedQuery>(prepared), group, shares.groups),
              part(std::span(thresholds), group, shares.groups), part(std::span(findings[chunk]), group, shares.groups))
        .run(part(std::span<const std::uint32_t>(blocks), chunk, shares.chunks));
  });
  std::vector<ScanAnswer> answers;
  answers.reserve(queries.size());
  for (std::size_t q = 0; q < queries.size(); ++q) answers.push_back(merge(queries[q], findings, q));
  return answers;
}

}  // namespace cairn::gpu
