#include <cmath>
#include <cstring>

#include "gpu/cpu/kernels.h"
#include "gpu/half.h"

namespace cairn::gpu {
namespace {

/// The scales of a tile's rows; where they have the tile's, so many copies of it.
const float* scales_of(const CodeTilesView& codes, std::size_t tile, float (&same)[kTileRows]) {
  if (codes.scale_bytes > 0) return reinterpret_cast<const float*>(codes.tiles + tile * codes.tile_bytes);
  for (float& scale : same) scale = codes.tile_scales[tile];
  return same;
}

void list_hit(const ScanCall& call, const float* scales, std::size_t row, std::size_t q, float upper) {
  float lower = upper;
  for (std::size_t g = 0; g < call.codes.groups; ++g) {
    lower -= scales[g * kTileRows + row % kTileRows] * call.width[g * call.queries + q];
  }
  HitList& hits = call.query[q].hits;
  hits.rows[hits.count] = static_cast<std::uint32_t>(row);
  hits.upper[hits.count] = upper;
  hits.lower[hits.count] = lower;
  ++hits.count;
}

std::uint64_t listed_rows(const ScanCall& call, std::size_t tile, std::size_t q) {
  const std::uint64_t* allowed = call.query[q].allowed;
  return call.mask & call.codes.scannable[tile] & (allowed == nullptr ? ~std::uint64_t{0} : allowed[tile]);
}

/// Tests the bounds of a tile for one query.
void test_query(const ScanCall& call, const float* scales, std::size_t tile, std::size_t q,
                const float (&upper)[kTileRows]) {
  const TileQuery& query = call.query[q];
  for (std::uint64_t listed = listed_rows(call, tile, q); listed != 0; listed &= listed - 1) {
    // The lowest of the rows that are left; `listed & (listed - 1)` clears its bit.
    const auto lane = static_cast<std::size_t>(__builtin_ctzll(listed));
    const std::size_t row = tile * kTileRows + lane;
    const float bound = upper[lane] + (query.bias == nullptr ? 0.0F : query.bias[row] * query.inverse_scale);
    // NaN reaches no threshold.
    if (bound >= query.threshold) list_hit(call, scales, row, q, bound);
  }
}

/// Adds the products of four columns of all rows of a tile and a query.
void add_products(const std::int8_t (&rows)[4 * kTileRows], std::int32_t query_codes, std::int32_t (&sums)[kTileRows]) {
  std::int8_t query[4];
  std::memcpy(query, &query_codes, sizeof query);
  for (std::size_t r = 0; r < kTileRows; ++r) {
    std::int32_t sum = 0;
    for (std::size_t c = 0; c < 4; ++c) sum += static_cast<std::int32_t>(rows[4 * r + c]) * query[c];
    sums[r] += sum;
  }
}

struct Int8Codes {
  static constexpr std::size_t kQuadsAtOnce = 1;
  static constexpr std::size_t kBytesPerQuad = 256;

  static void add(const std::uint8_t* bytes, const std::int32_t* codes, std::size_t, std::int32_t (&sums)[kTileRows]) {
    std::int8_t rows[4 * kTileRows];
    for (std::size_t i = 0; i < sizeof rows; ++i) rows[i] = static_cast<std::int8_t>(bytes[i] - 128);
    add_products(rows, *codes, sums);
  }
};

struct Int4Codes {
  static constexpr std::size_t kQuadsAtOnce = 2;
  static constexpr std::size_t kBytesPerQuad = 128;

  static void add(const std::uint8_t* bytes, const std::int32_t* codes, std::size_t block,
                  std::int32_t (&sums)[kTileRows]) {
    std::int8_t rows[4 * kTileRows];
    for (std::size_t i = 0; i < sizeof rows; ++i) rows[i] = static_cast<std::int8_t>((bytes[i] & 0x0F) - 8);
    add_products(rows, codes[0], sums);
    for (std::size_t i = 0; i < sizeof rows; ++i) rows[i] = static_cast<std::int8_t>((bytes[i] >> 4) - 8);
    add_products(rows, codes[block], sums);
  }
};

template <class Codes>
void scan_tile(const ScanCall& call, const float* scales, std::size_t tile, std::size_t q, const std::int32_t* codes,
               std::size_t block) {
  const std::uint8_t* rows = call.codes.tiles + tile * call.codes.tile_bytes + call.codes.scale_bytes;
  float upper[kTileRows] = {};
  for (std::size_t g = 0; g < call.codes.groups; ++g) {
    std::int32_t sums[kTileRows];
    // Sums are exact in integers, and begin with the margin, so that scaling makes upper bounds of them. Stored codes
    // lose their excess when they are read here, so that no offset is needed.
    for (std::int32_t& sum : sums) sum = call.margin[g * call.queries + q];
    for (std::size_t quad = call.codes.group_quads[g]; quad < call.codes.group_quads[g + 1];
         quad += Codes::kQuadsAtOnce) {
      Codes::add(rows + Codes::kBytesPerQuad * quad, codes + quad * block, block, sums);
    }
    for (std::size_t r = 0; r < kTileRows; ++r) {
      upper[r] += static_cast<float>(sums[r]) * scales[g * kTileRows + r];
    }
  }
  test_query(call, scales, tile, q, upper);
}

template <class Codes>
void scan(const ScanCall& call) {
  const std::size_t quads = call.codes.group_quads[call.codes.groups];
  for (std::size_t tile = call.tile_begin; tile < call.tile_end; ++tile) {
    float same[kTileRows];
    const float* scales = scales_of(call.codes, tile, same);
    for (std::size_t q = 0; q < call.queries; ++q) {
      const std::size_t begin = q - q % kQueryBlock;
      const std::size_t block = call.queries - begin < kQueryBlock ? call.queries - begin : kQueryBlock;
      scan_tile<Codes>(call, scales, tile, q, call.query_codes + begin * quads + q % kQueryBlock, block);
    }
  }
}

void dot(const DotCall& call) {
  for (std::size_t q = 0; q < call.query_count; ++q) {
    const float* query = call.queries + q * call.dim;
    for (std::size_t r = 0; r < kDotRows; ++r) {
      float sum = 0.0F;
      // The definition of a score, which every other kernel has to match bit for bit.
      for (std::size_t j = 0; j < call.dim; ++j) sum = std::fmaf(query[j], call.rows[r][j], sum);
      call.out[q * kDotRows + r] = sum;
    }
  }
}

void halves_to_floats(const std::uint16_t* halves, std::size_t count, float* floats) {
  for (std::size_t i = 0; i < count; ++i) floats[i] = float_of_half(halves[i]);
}

void floats_to_halves(const float* floats, std::size_t count, std::uint16_t* halves) {
  for (std::size_t i = 0; i < count; ++i) halves[i] = half_of_float(floats[i]);
}

}  // namespace

void scalar_range_of(const float* values, std::size_t count, float* least, float* largest) {
  *least = *largest = values[0];
  for (std::size_t i = 1; i < count; ++i) {
    *least = values[i] < *least ? values[i] : *least;
    *largest = values[i] > *largest ? values[i] : *largest;
  }
}

std::size_t scalar_count_reaching(const float* values, std::size_t count, float bound) {
  std::size_t reaching = 0;
  for (std::size_t i = 0; i < count; ++i) reaching += values[i] >= bound ? 1 : 0;
  return reaching;
}

void scalar_keep_reaching(HitList* hits, float bound) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < hits->count; ++i) {
    // Always stored and counted if it reaches: no branch for the processor to guess.
    hits->rows[kept] = hits->rows[i];
    hits->lower[kept] = hits->lower[i];
    const float upper = hits->upper[i];
    hits->upper[kept] = upper;
    kept += upper >= bound ? 1 : 0;
  }
  hits->count = kept;
}

const TopKKernels kTopKScalar = {.range_of = scalar_range_of,
                                 .count_reaching = scalar_count_reaching,
                                 .keep_reaching = scalar_keep_reaching,
                                 .scan_int8 = scan<Int8Codes>,
                                 .scan_int4 = scan<Int4Codes>,
                                 .dot = dot,
                                 .halves_to_floats = halves_to_floats,
                                 .floats_to_halves = floats_to_halves};

}  // namespace cairn::gpu
