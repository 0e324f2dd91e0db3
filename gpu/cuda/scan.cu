#include <cmath>

#include "gpu/cuda/kernels.h"
#include "gpu/cuda/rows.h"
#include "gpu/cuda/simt.h"

// One pass over the codes of a matrix for up to 64 queries at once. Each warp goes from tile to tile by itself; each of
// its lanes copies its own part of the next steps ahead into shared memory and alone reads it, so that warps meet
// once, when the queries have been read.

namespace cairn::gpu::cuda {
namespace {

constexpr std::uint32_t kScanThreads = 128;
constexpr std::uint32_t kScanWarps = kScanThreads / 32;
/// Steps of a warp on their way or in use. Seven on their way hide the latency of the device's memory.
constexpr std::uint32_t kStages = 8;

CAIRN_HOST_DEVICE constexpr std::uint32_t pairs_of(std::uint32_t fragments) { return (fragments + 1) / 2; }

/// What a lane compares a query's products with. Aligned, so that most of it is read at once.
struct alignas(16) QueryTest {
  QueryBound bound;
  float threshold;
  FilterArgs filter;  ///< here, so that who reads it need not wait for the device's memory twice
};

/// A warp's place in the stream of steps: of all its tiles, one after another.
struct StepCursor {
  std::uint32_t work;
  std::uint32_t step;
  const unsigned char* chunk;  ///< of this tile and step, for the lane
};

template <CodeKind kKind>
struct TileScan {
  const MatrixArgs& matrix;
  const PassArgs& pass;
  WorkRange range;
  std::uint32_t warps;  ///< of the grid that share the range
  std::uint32_t lane;
  unsigned char* stages;  ///< the warp's, kStages chunks

  CAIRN_DEVICE std::uint32_t tile(std::uint32_t work) const { return tile_of(pass, work * range.stride); }

  CAIRN_DEVICE StepCursor cursor_at(std::uint32_t work) const {
    StepCursor cursor = {work, 0, nullptr};
    enter_tile(cursor);
    return cursor;
  }

  CAIRN_DEVICE void enter_tile(StepCursor& cursor) const {
    if (cursor.work >= range.end) return;
    const std::size_t chunk = static_cast<std::size_t>(tile(cursor.work)) * matrix.layout.steps;
    cursor.chunk = matrix.codes + chunk * chunk_bytes(kKind) + lane * 16;
  }

  /// Begins to copy the lane's part of the cursor's step, and moves the cursor on.
  CAIRN_DEVICE void fetch(StepCursor& cursor, std::uint32_t stage) const {
    if (cursor.work < range.end) {
      unsigned char* to = stages + stage * chunk_bytes(kKind) + lane * 16;
      copy_async16(to, cursor.chunk);
      if (kKind != CodeKind::kInt4) copy_async16(to + 512, cursor.chunk + 512);
      cursor.chunk += chunk_bytes(kKind);
      if (++cursor.step == matrix.layout.steps) {
        cursor.step = 0;
        cursor.work += warps;
        enter_tile(cursor);
      }
    }
    // A group is committed even when there is nothing left to copy: waiting counts groups, one for each step.
    commit_copies();
  }

  /// The lane's registers of both halves of a tile's step.
  CAIRN_DEVICE void read(std::uint32_t stage, std::uint32_t (&first)[4], std::uint32_t (&second)[4]) const {
    const unsigned char* from = stages + stage * chunk_bytes(kKind) + lane * 16;
    const Words4 a = *reinterpret_cast<const Words4*>(from);
    if (kKind == CodeKind::kInt4) {
      first[0] = even_register(a.x), first[1] = odd_register(a.x);
      first[2] = even_register(a.y), first[3] = odd_register(a.y);
      second[0] = even_register(a.z), second[1] = odd_register(a.z);
      second[2] = even_register(a.w), second[3] = odd_register(a.w);
    } else {
      const Words4 b = *reinterpret_cast<const Words4*>(from + 512);
      first[0] = a.x, first[1] = a.y, first[2] = a.z, first[3] = a.w;
      second[0] = b.x, second[1] = b.y, second[2] = b.z, second[3] = b.w;
    }
  }
};

/// The row of the lane's products number `part` (0 … 3): of the first and the second half, each c[0], c[1] and c[2],
/// c[3].
CAIRN_DEVICE std::uint32_t row_in_tile(std::uint32_t lane, std::uint32_t part) {
  return (part / 2) * 16 + product_row(lane, (part % 2) * 2);
}

/// The scales of the lane's four rows.
CAIRN_DEVICE void load_scales(const MatrixArgs& matrix, std::uint32_t tile, std::uint32_t group, std::uint32_t lane,
                              float (&scales)[4]) {
  const float* from = matrix.scales + (static_cast<std::size_t>(tile) * matrix.layout.groups + group) * kTileRows;
  for (std::uint32_t part = 0; part < 4; ++part) scales[part] = from[row_in_tile(lane, part)];
}

CAIRN_DEVICE float bias_of(const PassArgs& pass, const FilterArgs& filter, std::uint32_t row) {
  return pass.biased != 0 && filter.bias != nullptr ? filter.bias[row] : 0.0F;
}

/// A row whose product may reach the threshold of a slot.
struct Hit {
  std::uint32_t row;
  std::uint32_t slot;
  float product;
};

/// Hits that a warp keeps until there are enough for all its lanes: looking closer at one takes many reads from the
/// device's memory, each of which waits for the one before.
constexpr std::uint32_t kHitsMax = 192;
/// Of all lanes at once: four rows each.
constexpr std::uint32_t kHitsAtOnce = 4 * 32;

struct HitQueue {
  Hit* hits;  ///< kHitsMax
  std::uint32_t count;
};

/// Lists a row of a slot if its bounds reach the threshold and it passes the filter.
CAIRN_DEVICE void collect_hit(const MatrixArgs& matrix, const PassArgs& pass, const QueryTest& test, const Hit& hit) {
  if (hit.slot >= pass.slot_count || hit.row >= matrix.rows || pass.unbounded[hit.slot] != 0) return;
  const FilterArgs& filter = test.filter;
  const float bias = bias_of(pass, filter, hit.row);
  // With a bias of NaN the score is NaN, and such a row is never answered.
  if (bias != bias) return;
  const std::uint32_t norms = matrix.norms[hit.row];
  const ScoreBounds bounds = score_bounds(test.bound, hit.product, code_norm_of(norms), error_norm_of(norms), bias);
  if (bounds.upper < test.threshold) return;
  // Last, because it searches in memory and few rows come so far.
  if (pass.filtered != 0 && !passes(filter, hit.row)) return;
  append_candidate(pass, hit.slot, hit.row, bounds.lower, bounds.upper);
}

/// Takes the hits out of the queue, one a lane at a time.
CAIRN_DEVICE_CALL void collect_hits(const MatrixArgs& matrix, const PassArgs& pass, const QueryTest* tests,
                                    std::uint32_t first_slot, std::uint32_t lane, const Hit* hits,
                                    std::uint32_t count) {
  sync_warp();  // what other lanes queued is seen
  for (std::uint32_t i = lane; i < count; i += 32) {
    const Hit hit = hits[i];
    collect_hit(matrix, pass, tests[hit.slot - first_slot], hit);
  }
  sync_warp();  // before others are queued in their places
}

/// Queues the hits of a lane's four rows of one slot, all lanes together.
CAIRN_DEVICE void queue_hits(HitQueue& queue, std::uint32_t slot, std::uint32_t tile, std::uint32_t lane,
                             const float (&products)[4], const bool (&are_hits)[4]) {
  CAIRN_UNROLL
  for (std::uint32_t part = 0; part < 4; ++part) {
    const std::uint32_t hits = ballot(are_hits[part]);
    if (are_hits[part]) {
      queue.hits[queue.count + count_bits(hits & ((1U << lane) - 1U))] = {tile * kTileRows + row_in_tile(lane, part),
                                                                          slot, products[part]};
    }
    queue.count += count_bits(hits);
  }
}

/// A lower bound of the score of the row with the largest product, of those of a lane's four rows of one slot that pass
/// its filter as samples do.
CAIRN_DEVICE_CALL float sample_rows(const MatrixArgs& matrix, const PassArgs& pass, const QueryTest& test,
                                    std::uint32_t slot, std::uint32_t tile, std::uint32_t lane, float p0, float p1,
                                    float p2, float p3) {
  if (slot >= pass.slot_count) return -kInfinity;
  const float products[4] = {p0, p1, p2, p3};
  const FilterArgs& filter = test.filter;
  float best = -kInfinity;
  float product = 0.0F;
  float bias_of_best = 0.0F;
  std::uint32_t best_row = kNoRow;
  for (std::uint32_t part = 0; part < 4; ++part) {
    const std::uint32_t row = tile * kTileRows + row_in_tile(lane, part);
    if (row >= matrix.rows) continue;
    const float bias = bias_of(pass, filter, row);
    const float about = products[part] * test.bound.scale + bias;
    // Not so for NaN, which no score may be compared with.
    if (!(about > best) || (pass.filtered != 0 && !passes_as_sample(filter, pass.k, row))) continue;
    best = about;
    best_row = row;
    product = products[part];
    bias_of_best = bias;
  }
  if (best_row == kNoRow) return -kInfinity;
  const std::uint32_t norms = matrix.norms[best_row];
  return score_bounds(test.bound, product, code_norm_of(norms), error_norm_of(norms), bias_of_best).lower;
}

template <int kFragments, class Number>
CAIRN_DEVICE void clear(Number (&sums)[2][kFragments][4]) {
  CAIRN_UNROLL
  for (int i = 0; i < 2 * kFragments * 4; ++i) sums[i / (kFragments * 4)][i / 4 % kFragments][i % 4] = 0;
}

CAIRN_DEVICE void multiply(std::int32_t (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  multiply_int8(c, a, b0, b1);
}
CAIRN_DEVICE void multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  multiply_fp16(c, a, b0, b1);
}

/// Adds the products of one step. `queries` is the step's part of the block's query codes.
template <int kFragments, class Number>
CAIRN_DEVICE void multiply_step(const std::uint32_t (&first)[4], const std::uint32_t (&second)[4],
                                const unsigned char* queries, std::uint32_t lane, Number (&sums)[2][kFragments][4]) {
  CAIRN_UNROLL
  for (int pair = 0; pair < (kFragments + 1) / 2; ++pair) {
    const Words4 b = *reinterpret_cast<const Words4*>(queries + pair * kQueryPairBytes + lane * 16);
    multiply(sums[0][2 * pair], first, b.x, b.y);
    multiply(sums[1][2 * pair], second, b.x, b.y);
    if (2 * pair + 1 < kFragments) {
      multiply(sums[0][(2 * pair + 1) % kFragments], first, b.z, b.w);
      multiply(sums[1][(2 * pair + 1) % kFragments], second, b.z, b.w);
    }
  }
}

/// values += scale of the row × sums; then sums = 0. kFirst: values are not read, as if they were 0.
template <bool kFirst, int kFragments>
CAIRN_DEVICE void add_group(const float (&scales)[4], float unit, std::int32_t (&sums)[2][kFragments][4],
                            float (&values)[2][kFragments][4]) {
  CAIRN_UNROLL
  for (int half = 0; half < 2; ++half) {
    CAIRN_UNROLL
    for (int fragment = 0; fragment < kFragments; ++fragment) {
      // c[0] and c[1] are products of one row, c[2] and c[3] of the row 8 below it.
      CAIRN_UNROLL
      for (int i = 0; i < 4; ++i) {
        const float sum = static_cast<float>(sums[half][fragment][i]);
        const float scale = scales[half * 2 + i / 2] * unit;
        values[half][fragment][i] = kFirst ? sum * scale : values[half][fragment][i] + sum * scale;
        sums[half][fragment][i] = 0;
      }
    }
  }
}

/// Tests a tile's products against every query of the block.
template <int kFragments>
CAIRN_DEVICE void collect_tile(const MatrixArgs& matrix, const PassArgs& pass, const QueryTest* tests,
                               std::uint32_t first_slot, std::uint32_t tile, std::uint32_t lane,
                               const float (&norms)[2], const float (&v)[2][kFragments][4], HitQueue& queue) {
  CAIRN_UNROLL
  for (int fragment = 0; fragment < kFragments; ++fragment) {
    CAIRN_UNROLL
    for (int parity = 0; parity < 2; ++parity) {
      const std::uint32_t query = static_cast<std::uint32_t>(fragment) * kFragmentQueries +
                                  product_query(lane, static_cast<std::uint32_t>(parity));
      const QueryTest& test = tests[query];
      const float products[4] = {v[0][fragment][parity], v[0][fragment][parity + 2], v[1][fragment][parity],
                                 v[1][fragment][parity + 2]};
      // A threshold that the largest norms of the tile make valid for each of its rows. A bias is not in the products,
      // so with one every row is looked at. Where nothing can be said the threshold is NaN and the comparison false.
      const float least = tile_threshold(test.bound, test.threshold, norms[0], norms[1]);
      const float largest = fmaxf(fmaxf(products[0], products[1]), fmaxf(products[2], products[3]));
      if (!any_of_warp(pass.biased != 0 || !(largest < least))) continue;
      bool are_hits[4];
      CAIRN_UNROLL
      for (int part = 0; part < 4; ++part) are_hits[part] = pass.biased != 0 || !(products[part] < least);
      if (queue.count > kHitsMax - kHitsAtOnce) {
        collect_hits(matrix, pass, tests, first_slot, lane, queue.hits, queue.count);
        queue.count = 0;
      }
      queue_hits(queue, first_slot + query, tile, lane, products, are_hits);
    }
  }
}

template <int kFragments>
CAIRN_DEVICE void sample_tile(const MatrixArgs& matrix, const PassArgs& pass, const QueryTest* tests,
                              std::uint32_t first_slot, std::uint32_t tile, std::uint32_t work, std::uint32_t lane,
                              const float (&v)[2][kFragments][4]) {
  CAIRN_UNROLL
  for (int fragment = 0; fragment < kFragments; ++fragment) {
    CAIRN_UNROLL
    for (int parity = 0; parity < 2; ++parity) {
      const std::uint32_t query = static_cast<std::uint32_t>(fragment) * kFragmentQueries +
                                  product_query(lane, static_cast<std::uint32_t>(parity));
      const std::uint32_t slot = first_slot + query;
      float best = sample_rows(matrix, pass, tests[query], slot, tile, lane, v[0][fragment][parity],
                               v[0][fragment][parity + 2], v[1][fragment][parity], v[1][fragment][parity + 2]);
      // Lanes of the same query are 4 apart.
      for (int lanes = 4; lanes < 32; lanes *= 2) best = fmaxf(best, shuffle_xor(best, lanes));
      if (lane < 4 && slot < pass.slot_count) {
        pass.samples[static_cast<std::size_t>(slot) * pass.sample_stride + work] = best;
      }
    }
  }
}

/// How many blocks at least a multiprocessor has to hold at once, from which the compiler derives how many registers a
/// thread may use. Wide blocks keep many sums in registers; int4 keeps the sums of a group beside those of all groups.
template <CodeKind kKind>
constexpr int blocks_at_least(int fragments) {
  if (fragments == 1) return 6;
  return kKind == CodeKind::kInt4 ? 2 : 4;
}

/// Grid: groups of 8 × kFragments slots, which run side by side so that they find tiles in the cache; and parts of the
/// work. Shared memory: scan_shared_bytes().
template <CodeKind kKind, int kFragments>
CAIRN_KERNEL void CAIRN_LAUNCH_BOUNDS(kScanThreads, blocks_at_least<kKind>(kFragments))
    scan_kernel(const CAIRN_GRID_CONSTANT MatrixArgs matrix, const CAIRN_GRID_CONSTANT PassArgs pass, ScanGoal goal,
                WorkRange range) {
  constexpr std::uint32_t kQueries = kFragments * kFragmentQueries;
  const std::uint32_t lane = thread_index() % 32;
  const std::uint32_t warp = thread_index() / 32;
  const std::uint32_t first_slot = block_x() * kQueries;
  const std::uint32_t step_bytes = pairs_of(kFragments) * kQueryPairBytes;
  const std::uint32_t query_bytes = matrix.layout.steps * step_bytes;

  unsigned char* stages = dynamic_shared();
  unsigned char* queries = stages + kScanWarps * kStages * chunk_bytes(kKind);
  auto* tests = reinterpret_cast<QueryTest*>(queries + query_bytes);
  HitQueue queue = {reinterpret_cast<Hit*>(tests + kQueries) + warp * kHitsMax, 0};

  const std::uint32_t warps = grid_y() * kScanWarps;
  const std::uint32_t first_work = range.begin + block_y() * kScanWarps + warp;
  const TileScan<kKind> scan = {matrix, pass, range, warps, lane, stages + warp * kStages * chunk_bytes(kKind)};

  // The first steps of codes are on their way while the queries are read.
  StepCursor cursor = scan.cursor_at(first_work);
  for (std::uint32_t stage = 0; stage + 1 < kStages; ++stage) scan.fetch(cursor, stage);

  const unsigned char* group_codes = pass.query_codes + static_cast<std::size_t>(block_x()) * query_bytes;
  for (std::uint32_t at = thread_index() * 16; at < query_bytes; at += kScanThreads * 16) {
    *reinterpret_cast<Words4*>(queries + at) = *reinterpret_cast<const Words4*>(group_codes + at);
  }
  for (std::uint32_t query = thread_index(); query < kQueries; query += kScanThreads) {
    const std::uint32_t slot = first_slot + query;
    QueryTest test = {{}, kInfinity, {}};  // nothing reaches infinity
    if (slot < pass.slot_count) {
      test = {pass.bounds[slot], pass.thresholds[slot], pass.filters[pass.slots[slot].filter]};
    }
    tests[query] = test;
  }
  sync_block();

  std::uint32_t stage = 0;
  for (std::uint32_t work = first_work; work < range.end; work += warps) {
    const std::uint32_t tile = scan.tile(work);
    const float norms[2] = {matrix.tile_norms[static_cast<std::size_t>(tile) * 2],
                            matrix.tile_norms[static_cast<std::size_t>(tile) * 2 + 1]};
    float values[2][kFragments][4];
    // All rows of int8 have one group, whose products are the values.
    if (kKind != CodeKind::kInt8) clear<kFragments>(values);
    std::int32_t sums[2][kFragments][4];
    if (kKind != CodeKind::kFp16) clear<kFragments>(sums);
    std::uint32_t step = 0;
    const std::uint32_t groups = kKind == CodeKind::kInt4 ? matrix.layout.groups : 1;
    for (std::uint32_t group = 0; group < groups; ++group) {
      float scales[4] = {};
      if (kKind != CodeKind::kFp16) load_scales(matrix, tile, group, lane, scales);
      const std::uint32_t group_end =
          group + 1 == groups ? matrix.layout.steps : (group + 1) * matrix.layout.group_steps;
      for (; step < group_end; ++step) {
        // Seven groups have been committed beyond those that were waited for; when at most six are left under way, the
        // oldest, which is this step's, has arrived.
        wait_copies<kStages - 2>();
        std::uint32_t first[4];
        std::uint32_t second[4];
        scan.read(stage, first, second);
        // The stage before this one has been read in the round before.
        scan.fetch(cursor, (stage + kStages - 1) % kStages);
        stage = (stage + 1) % kStages;
        // A step is multiplied with all queries of the block, so codes are read once for up to 64 queries.
        const unsigned char* step_queries = queries + step * step_bytes;
        if constexpr (kKind == CodeKind::kFp16) {
          multiply_step<kFragments>(first, second, step_queries, lane, values);
        } else {
          multiply_step<kFragments>(first, second, step_queries, lane, sums);
        }
      }
      if constexpr (kKind != CodeKind::kFp16) {
        constexpr bool kOneGroup = kKind == CodeKind::kInt8;
        add_group<kOneGroup>(scales, kOneGroup ? 1.0F : 1.0F / kInt4Shift, sums, values);
      }
    }
    if (goal == ScanGoal::kCollect) {
      collect_tile<kFragments>(matrix, pass, tests, first_slot, tile, lane, norms, values, queue);
    } else {
      sample_tile<kFragments>(matrix, pass, tests, first_slot, tile, work, lane, values);
    }
    sync_warp();  // the next products need all lanes at once
  }
  wait_copies<0>();
  if (queue.count > 0) collect_hits(matrix, pass, tests, first_slot, lane, queue.hits, queue.count);
}

constexpr std::uint32_t kPrepareThreads = 128;

/// ‖values‖, given the sum of squares over the warp in double; rounded up.
CAIRN_DEVICE float rounded_norm(double squares) { return static_cast<float>(sqrt(squares) * (1.0 + 1e-6)); }

/// One warp for each slot. Query codes have been zeroed.
CAIRN_KERNEL void prepare_kernel(MatrixArgs matrix, PassArgs pass) {
  const std::uint32_t lane = thread_index() % 32;
  const std::uint32_t slot = block_x() * (kPrepareThreads / 32) + thread_index() / 32;
  if (slot >= pass.slot_count) return;
  const float* query = pass.queries + static_cast<std::size_t>(pass.slots[slot].query) * pass.dim;
  if (lane == 0) {
    pass.counts[slot] = 0;
    pass.kept_counts[slot] = 0;
    pass.unbounded[slot] = 0;
    pass.thresholds[slot] = pass.slots[slot].threshold;
  }
  // A pass that scores every row needs neither codes nor bounds.
  if (matrix.codes == nullptr) return;

  double squares = 0.0;
  float largest = 0.0F;
  for (std::uint32_t column = lane; column < pass.dim; column += 32) {
    squares += static_cast<double>(query[column]) * static_cast<double>(query[column]);
    largest = fmaxf(largest, fabsf(query[column]));
  }
  squares = warp_sum(squares);
  largest = warp_max(largest);
  const float norm = rounded_norm(squares);
  const bool bounded = norm <= kQueryNormMax;  // not so for NaN
  const bool fp16 = matrix.code_kind == CodeKind::kFp16;
  // For fp16 a power of two, so that halves neither overflow nor lose what they need not.
  const float scale =
      fp16 ? exp2f(floorf(log2f(fmaxf(largest, kQueryScaleMin)))) : fmaxf(largest / 127.0F, kQueryScaleMin);
  const float inverse = 1.0F / scale;

  const std::uint32_t pairs = pairs_of(pass.fragments);
  const std::uint32_t group_queries = pass.fragments * kFragmentQueries;
  unsigned char* codes =
      pass.query_codes + static_cast<std::size_t>(slot / group_queries) * matrix.layout.steps * pairs * kQueryPairBytes;
  double error_squares = 0.0;
  for (std::uint32_t column = lane; bounded && column < pass.dim; column += 32) {
    const StepByte at = step_byte(matrix.layout, matrix.code_kind, column);
    unsigned char* place = codes + query_offset(pairs, slot % group_queries, at);
    double decoded = 0.0;
    if (fp16) {
      const std::uint16_t half = float_to_half(query[column] * inverse);
      // In one piece: nvcc 13.0 loses the lower byte when each is stored by itself.
      memcpy(__builtin_assume_aligned(place, sizeof(half)), &half, sizeof(half));
      decoded = static_cast<double>(half_to_float(half));
    } else {
      const float code = rintf(fminf(fmaxf(query[column] * inverse, -127.0F), 127.0F));
      *place = static_cast<unsigned char>(static_cast<std::int8_t>(code));
      decoded = static_cast<double>(code);
    }
    // Against what the code stands for with the scale as rounded, so that the bound covers the rounding of the scale.
    const double error = static_cast<double>(query[column]) - static_cast<double>(scale) * decoded;
    error_squares += error * error;
  }
  error_squares = warp_sum(error_squares);
  if (lane != 0) return;
  const float rounding = rounding_of(matrix.code_kind, pass.dim, matrix.layout.groups);
  pass.bounds[slot] = bounded ? make_query_bound(scale, norm, rounded_norm(error_squares), rounding) : QueryBound{};
  if (!bounded) {
    // A scan lists no rows for this query; a pass that scores every row answers it. With an infinite threshold hardly
    // any tile is looked at in vain.
    pass.unbounded[slot] = 1;
    pass.thresholds[slot] = kInfinity;
  }
}

constexpr std::uint32_t kExactThreads = 128;
constexpr std::uint32_t kExactQueries = 8;

/// Grid: groups of 8 slots, and parts of the work. Each lane takes a row of its warp's tile. Shared memory: the
/// queries, [8][dim].
CAIRN_KERNEL void exact_scan_kernel(const CAIRN_GRID_CONSTANT MatrixArgs matrix,
                                    const CAIRN_GRID_CONSTANT PassArgs pass, ScanGoal goal, WorkRange range) {
  const std::uint32_t lane = thread_index() % 32;
  const std::uint32_t first_slot = block_x() * kExactQueries;
  auto* queries = reinterpret_cast<float*>(dynamic_shared());
  // All lanes read the same query value at the same time, which shared memory serves in one access; a row's values are
  // read once for all eight queries.
  for (std::uint32_t i = thread_index(); i < kExactQueries * pass.dim; i += kExactThreads) {
    const std::uint32_t slot = first_slot + i / pass.dim;
    const bool exists = slot < pass.slot_count;
    const std::size_t query = exists ? pass.slots[slot].query : 0;
    queries[i] = exists ? pass.queries[query * pass.dim + i % pass.dim] : 0.0F;
  }
  sync_block();

  const std::uint32_t warps = grid_y() * (kExactThreads / 32);
  std::uint32_t work = range.begin + block_y() * (kExactThreads / 32) + thread_index() / 32;
  for (; work < range.end; work += warps) {
    const std::uint32_t row = tile_of(pass, work * range.stride) * kTileRows + lane;
    // Each sum runs in the order of the columns, as the definition of a score demands.
    float sums[kExactQueries] = {};
    for (std::uint32_t column = 0; row < matrix.rows && column < pass.dim; column += kColumnsAtOnce) {
      float values[kColumnsAtOnce];
      load_values(matrix, row, column, values);
      CAIRN_UNROLL
      for (std::uint32_t i = 0; i < kColumnsAtOnce; ++i) {
        if (column + i >= pass.dim) break;
        CAIRN_UNROLL
        for (std::uint32_t q = 0; q < kExactQueries; ++q) {
          sums[q] = fmaf(queries[q * pass.dim + column + i], values[i], sums[q]);
        }
      }
    }
    CAIRN_UNROLL
    for (std::uint32_t q = 0; q < kExactQueries; ++q) {
      const std::uint32_t slot = first_slot + q;
      if (slot >= pass.slot_count) break;
      const FilterArgs& filter = pass.filters[pass.slots[slot].filter];
      bool listed = row < matrix.rows;
      const float score = listed && filter.bias != nullptr ? sums[q] + filter.bias[row] : sums[q];
      listed = listed && score == score;
      if (goal == ScanGoal::kSample) {
        listed = listed && (pass.filtered == 0 || passes(filter, row));
        const float best = warp_max(listed ? score : -kInfinity);
        if (lane == 0) pass.samples[static_cast<std::size_t>(slot) * pass.sample_stride + work] = best;
      } else if (listed && !(score < pass.thresholds[slot]) && (pass.filtered == 0 || passes(filter, row))) {
        append_candidate(pass, slot, row, score, score);
      }
    }
  }
}

template <CodeKind kKind, int kFragments>
void launch_scan(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass,
                 ScanGoal goal, WorkRange work) {
  const auto kernel = &scan_kernel<kKind, kFragments>;
  const std::size_t shared = scan_shared_bytes(kKind, matrix.layout.steps, kFragments);
  allow_shared_bytes(kernel, shared);
  const std::uint32_t groups = ceil_divide(pass.slot_count, kFragments * kFragmentQueries);
  // As many blocks as the device holds at once, but no more than there are tiles for: warps go on from tile to tile, so
  // a second wave of blocks would only read the queries again.
  const std::uint32_t blocks = traits.multiprocessors * blocks_at_once(kernel, kScanThreads, shared);
  const std::uint32_t useful = ceil_divide(work.end - work.begin, kScanWarps);
  const std::uint32_t parts = blocks / groups < 1 ? 1 : blocks / groups;
  launch(stream, groups, parts < useful ? parts : useful, kScanThreads, shared, kernel, matrix, pass, goal, work);
}

template <CodeKind kKind>
void launch_scan_of(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass,
                    ScanGoal goal, WorkRange work) {
  if (pass.fragments == 1) {
    launch_scan<kKind, 1>(stream, traits, matrix, pass, goal, work);
  } else {
    launch_scan<kKind, kWideFragments>(stream, traits, matrix, pass, goal, work);
  }
}

}  // namespace

std::size_t scan_shared_bytes(CodeKind kind, std::uint32_t steps, std::uint32_t fragments) {
  return std::size_t{kScanWarps} * kStages * chunk_bytes(kind) +
         std::size_t{steps} * pairs_of(fragments) * kQueryPairBytes +
         std::size_t{fragments} * kFragmentQueries * sizeof(QueryTest) +
         std::size_t{kScanWarps} * kHitsMax * sizeof(Hit);
}

void launch_prepare(Stream& stream, const MatrixArgs& matrix, const PassArgs& pass) {
  if (matrix.codes != nullptr) {
    const std::size_t group = std::size_t{matrix.layout.steps} * pairs_of(pass.fragments) * kQueryPairBytes;
    stream.zero(pass.query_codes, group * ceil_divide(pass.slot_count, pass.fragments * kFragmentQueries));
  }
  launch(stream, ceil_divide(pass.slot_count, kPrepareThreads / 32), 1, kPrepareThreads, 0, &prepare_kernel, matrix,
         pass);
}

void launch_code_scan(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass,
                      ScanGoal goal, WorkRange work) {
  if (work.begin >= work.end) return;
  switch (matrix.code_kind) {
    case CodeKind::kFp16:
      return launch_scan_of<CodeKind::kFp16>(stream, traits, matrix, pass, goal, work);
    case CodeKind::kInt8:
      return launch_scan_of<CodeKind::kInt8>(stream, traits, matrix, pass, goal, work);
    case CodeKind::kInt4:
      return launch_scan_of<CodeKind::kInt4>(stream, traits, matrix, pass, goal, work);
  }
}

void launch_exact_scan(Stream& stream, const DeviceTraits& traits, const MatrixArgs& matrix, const PassArgs& pass,
                       ScanGoal goal, WorkRange work) {
  if (work.begin >= work.end) return;
  const std::size_t shared = std::size_t{kExactQueries} * pass.dim * sizeof(float);
  allow_shared_bytes(&exact_scan_kernel, shared);
  const std::uint32_t groups = ceil_divide(pass.slot_count, kExactQueries);
  const std::uint32_t blocks = traits.multiprocessors * blocks_at_once(&exact_scan_kernel, kExactThreads, shared);
  const std::uint32_t useful = ceil_divide(work.end - work.begin, kExactThreads / 32);
  const std::uint32_t parts = blocks / groups < 1 ? 1 : blocks / groups;
  launch(stream, groups, parts < useful ? parts : useful, kExactThreads, shared, &exact_scan_kernel, matrix, pass, goal,
         work);
}

}  // namespace cairn::gpu::cuda
