#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// Where things stand, and how floats are ordered. Plain arithmetic for host and device alike.

#if defined(__CUDACC__)
#define CAIRN_HOST_DEVICE __host__ __device__
#else
#define CAIRN_HOST_DEVICE
#endif

namespace cairn::gpu::cuda {

inline constexpr float kInfinity = __builtin_huge_valf();

/// Rows of a tile: two fragments of 16 rows, which one warp multiplies with its queries.
inline constexpr std::uint32_t kTileRows = 32;
/// Bytes of one row that one tensor core instruction multiplies: 32 int8 or 16 fp16 values.
inline constexpr std::uint32_t kStepBytes = 32;
/// Queries of one fragment.
inline constexpr std::uint32_t kFragmentQueries = 8;
/// Bytes of one step of one pair of query fragments.
inline constexpr std::uint32_t kQueryPairBytes = 512;

/// What codes are made of. An int4 code takes the same place in a step as an int8 code, in half the memory.
enum class CodeKind : std::uint8_t { kFp16, kInt8, kInt4 };

CAIRN_HOST_DEVICE constexpr std::uint32_t code_bytes(CodeKind kind) { return kind == CodeKind::kFp16 ? 2 : 1; }
/// Bytes of one step of a tile.
CAIRN_HOST_DEVICE constexpr std::uint32_t chunk_bytes(CodeKind kind) {
  return kTileRows * kStepBytes / (kind == CodeKind::kInt4 ? 2 : 1);
}

/// How columns are spread over steps: in groups that share a scale, each padded to whole steps.
struct StepLayout {
  std::uint32_t dim = 0;
  std::uint32_t group_columns = 0;  ///< columns that share a scale; the last group may have fewer
  std::uint32_t group_steps = 0;    ///< steps of each group but the last
  std::uint32_t groups = 0;
  std::uint32_t steps = 0;
};

CAIRN_HOST_DEVICE constexpr std::uint32_t ceil_divide(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

CAIRN_HOST_DEVICE constexpr StepLayout step_layout(CodeKind kind, std::uint32_t dim, std::uint32_t group_columns) {
  StepLayout layout;
  layout.dim = dim;
  layout.group_columns = group_columns < dim ? group_columns : dim;
  layout.group_steps = ceil_divide(layout.group_columns * code_bytes(kind), kStepBytes);
  layout.groups = ceil_divide(dim, layout.group_columns);
  const std::uint32_t last_columns = dim - (layout.groups - 1) * layout.group_columns;
  layout.steps = (layout.groups - 1) * layout.group_steps + ceil_divide(last_columns * code_bytes(kind), kStepBytes);
  return layout;
}

/// The step of a column, and its byte within the step (0 … 31).
struct StepByte {
  std::uint32_t step;
  std::uint32_t byte;
};

CAIRN_HOST_DEVICE constexpr StepByte step_byte(const StepLayout& layout, CodeKind kind, std::uint32_t column) {
  const std::uint32_t group = column / layout.group_columns;
  const std::uint32_t byte = (column - group * layout.group_columns) * code_bytes(kind);
  return {group * layout.group_steps + byte / kStepBytes, byte % kStepBytes};
}

// Fragments of mma.sync m16n8k32 (int8) and m16n8k16 (fp16), which are the same when counted in bytes (PTX ISA 8.x,
// "Matrix Fragments for mma.m16n8k32" and "… m16n8k16"). Lane l holds, of a step of 16 rows × 32 bytes, in register r:
// row l / 4 + 8 · (r % 2), bytes 4 · (l % 4) + 16 · (r / 2) and the three after it. Of 8 queries × 32 bytes, in
// register r: query l / 4, bytes 4 · (l % 4) + 16 · r and the three after it. Of the 16 × 8 products, in c[i]: row
// l / 4 + 8 · (i / 2), query 2 · (l % 4) + i % 2.

struct FragmentPlace {
  std::uint32_t lane;
  std::uint32_t reg;
  std::uint32_t byte;
};

/// Who holds byte `byte` (0 … 31) of row `row` (0 … 15).
CAIRN_HOST_DEVICE constexpr FragmentPlace row_place(std::uint32_t row, std::uint32_t byte) {
  return {(row % 8) * 4 + (byte % 16) / 4, row / 8 + 2 * (byte / 16), byte % 4};
}

/// Who holds byte `byte` (0 … 31) of query `query` (0 … 7).
CAIRN_HOST_DEVICE constexpr FragmentPlace query_place(std::uint32_t query, std::uint32_t byte) {
  return {query * 4 + (byte % 16) / 4, byte / 16, byte % 4};
}

/// Row and query of product i (0 … 3) of a lane.
CAIRN_HOST_DEVICE constexpr std::uint32_t product_row(std::uint32_t lane, std::uint32_t i) {
  return lane / 4 + 8 * (i / 2);
}
CAIRN_HOST_DEVICE constexpr std::uint32_t product_query(std::uint32_t lane, std::uint32_t i) {
  return 2 * (lane % 4) + i % 2;
}

// A tile is a contiguous run of its steps ("chunks"). In a chunk each lane's registers stand together, so that lane l
// copies the 16 bytes at 16 · l: for fp16 and int8 first those of rows 0 … 15, then, 512 bytes on, those of 16 … 31;
// for int4 both in the same 16 bytes, two registers to a word: the even one in the low halves of its bytes.

/// Offset of a row's byte in a chunk of fp16 or int8 codes.
CAIRN_HOST_DEVICE constexpr std::uint32_t byte_offset(std::uint32_t row, std::uint32_t byte) {
  const FragmentPlace place = row_place(row % 16, byte);
  return (row / 16) * 512 + place.lane * 16 + place.reg * 4 + place.byte;
}

/// Where a row's int4 code stands in a chunk: which byte, and by how many bits it is shifted.
struct NibblePlace {
  std::uint32_t offset;
  std::uint32_t shift;
};
CAIRN_HOST_DEVICE constexpr NibblePlace nibble_place(std::uint32_t row, std::uint32_t byte) {
  const FragmentPlace place = row_place(row % 16, byte);
  return {place.lane * 16 + (row / 16) * 8 + (place.reg / 2) * 4 + place.byte, 4 * (place.reg % 2)};
}

/// The registers of an int4 word as int8 values of 16 × code, which fit and need no correction of the sign.
CAIRN_HOST_DEVICE constexpr std::uint32_t even_register(std::uint32_t word) { return (word << 4) & 0xF0F0F0F0U; }
CAIRN_HOST_DEVICE constexpr std::uint32_t odd_register(std::uint32_t word) { return word & 0xF0F0F0F0U; }
inline constexpr float kInt4Shift = 16.0F;

/// Query codes stand in steps; in each, pairs of fragments; in each, the four registers of every lane together.
/// `pairs` fragments' pairs make a group of queries, and `query` counts within it.
CAIRN_HOST_DEVICE constexpr std::uint32_t query_offset(std::uint32_t pairs, std::uint32_t query, StepByte at) {
  const std::uint32_t fragment = query / kFragmentQueries;
  const FragmentPlace place = query_place(query % kFragmentQueries, at.byte);
  return (at.step * pairs + fragment / 2) * kQueryPairBytes + place.lane * 16 + (fragment % 2) * 8 + place.reg * 4 +
         place.byte;
}

CAIRN_HOST_DEVICE inline std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}
CAIRN_HOST_DEVICE inline float float_of(std::uint32_t bits) {
  float value = 0.0F;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

/// Orders floats as unsigned numbers: a < b exactly when order_of(a) < order_of(b); -0 and 0 are the same. Not for NaN.
CAIRN_HOST_DEVICE inline std::uint32_t order_of(float value) {
  const std::uint32_t bits = bits_of(value + 0.0F);  // -0 + 0 is 0
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}
CAIRN_HOST_DEVICE inline float value_of(std::uint32_t order) {
  return float_of((order & 0x80000000U) != 0 ? order & 0x7FFFFFFFU : ~order);
}

/// Rows by score: the larger key is the better row; a row whose score is NaN has key 0, which no other has.
CAIRN_HOST_DEVICE inline std::uint64_t key_of(float score, std::uint32_t row) {
  if (score != score) return 0;
  return (static_cast<std::uint64_t>(order_of(score)) << 32) | static_cast<std::uint32_t>(~row);
}
CAIRN_HOST_DEVICE inline std::uint32_t row_of(std::uint64_t key) { return ~static_cast<std::uint32_t>(key); }
CAIRN_HOST_DEVICE inline float score_of(std::uint64_t key) { return value_of(static_cast<std::uint32_t>(key >> 32)); }

}  // namespace cairn::gpu::cuda
