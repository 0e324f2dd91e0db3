#include "gpu/cuda/layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace {

using namespace cairn::gpu::cuda;

TEST_CASE("columns are spread over steps of 32 bytes, and groups begin with a step of their own") {
  // 70 int8 columns: 32 + 32 + 6.
  const StepLayout int8 = step_layout(CodeKind::kInt8, 70, 70);
  CHECK(int8.steps == 3);
  CHECK(int8.groups == 1);
  CHECK(step_byte(int8, CodeKind::kInt8, 69).step == 2);
  CHECK(step_byte(int8, CodeKind::kInt8, 69).byte == 5);
  // 20 halves are 40 bytes.
  const StepLayout fp16 = step_layout(CodeKind::kFp16, 20, 20);
  CHECK(fp16.steps == 2);
  CHECK(step_byte(fp16, CodeKind::kFp16, 17).step == 1);
  CHECK(step_byte(fp16, CodeKind::kFp16, 17).byte == 2);
  // Groups of 40: 40 + 40 + 10 columns in 2 + 2 + 1 steps.
  const StepLayout int4 = step_layout(CodeKind::kInt4, 90, 40);
  CHECK(int4.groups == 3);
  CHECK(int4.steps == 5);
  CHECK(step_byte(int4, CodeKind::kInt4, 39).step == 1);
  CHECK(step_byte(int4, CodeKind::kInt4, 40).step == 2);
  CHECK(step_byte(int4, CodeKind::kInt4, 89).step == 4);
  CHECK(step_byte(int4, CodeKind::kInt4, 89).byte == 9);
}

TEST_CASE("every byte of a chunk belongs to one row and byte") {
  std::set<std::uint32_t> bytes;
  std::set<std::uint32_t> nibbles;
  for (std::uint32_t row = 0; row < kTileRows; ++row) {
    for (std::uint32_t byte = 0; byte < kStepBytes; ++byte) {
      CHECK(byte_offset(row, byte) < chunk_bytes(CodeKind::kInt8));
      bytes.insert(byte_offset(row, byte));
      const NibblePlace place = nibble_place(row, byte);
      CHECK(place.offset < chunk_bytes(CodeKind::kInt4));
      nibbles.insert(place.offset * 2 + place.shift / 4);
    }
  }
  CHECK(bytes.size() == kTileRows * kStepBytes);
  CHECK(nibbles.size() == kTileRows * kStepBytes);
}

/// mma.sync m16n8k32 of int8, by the formulas of the PTX manual for the row and the column of each element of a
/// fragment, over registers as a lane loads them.
std::vector<int> manual_product(const std::vector<std::vector<std::int8_t>>& a,
                                const std::vector<std::vector<std::int8_t>>& b) {
  std::vector<int> left(16 * 32);
  std::vector<int> right(32 * 8);
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    const std::uint32_t group = lane >> 2;
    const std::uint32_t thread = lane % 4;
    for (std::uint32_t i = 0; i < 16; ++i) {
      const std::uint32_t row = i < 4 || (i >= 8 && i < 12) ? group : group + 8;
      const std::uint32_t column = i < 8 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16;
      left[row * 32 + column] = a[lane][i];
    }
    for (std::uint32_t i = 0; i < 8; ++i) {
      const std::uint32_t row = i < 4 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16;
      right[row * 8 + group] = b[lane][i];
    }
  }
  std::vector<int> product(16 * 8, 0);
  for (std::uint32_t m = 0; m < 16; ++m) {
    for (std::uint32_t n = 0; n < 8; ++n) {
      for (std::uint32_t k = 0; k < 32; ++k) product[m * 8 + n] += left[m * 32 + k] * right[k * 8 + n];
    }
  }
  return product;
}

TEST_CASE("int8 codes laid out by row and query are the fragments of the PTX manual") {
  std::mt19937 random(1);
  std::vector<std::int8_t> rows(kTileRows * 32);
  std::vector<std::int8_t> queries(16 * 32);
  for (std::int8_t& code : rows) code = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  for (std::int8_t& code : queries) code = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  std::vector<std::int8_t> chunk(chunk_bytes(CodeKind::kInt8));
  std::vector<std::int8_t> group(kQueryPairBytes);
  for (std::uint32_t byte = 0; byte < 32; ++byte) {
    for (std::uint32_t row = 0; row < kTileRows; ++row) chunk[byte_offset(row, byte)] = rows[row * 32 + byte];
    for (std::uint32_t query = 0; query < 16; ++query) {
      group[query_offset(1, query, {0, byte})] = queries[query * 32 + byte];
    }
  }
  for (std::uint32_t half = 0; half < 2; ++half) {
    for (std::uint32_t fragment = 0; fragment < 2; ++fragment) {
      std::vector<std::vector<std::int8_t>> a(32);
      std::vector<std::vector<std::int8_t>> b(32);
      for (std::uint32_t lane = 0; lane < 32; ++lane) {
        const std::int8_t* from = chunk.data() + half * 512 + lane * 16;
        a[lane].assign(from, from + 16);
        const std::int8_t* query = group.data() + lane * 16 + fragment * 8;
        b[lane].assign(query, query + 8);
      }
      const std::vector<int> product = manual_product(a, b);
      for (std::uint32_t lane = 0; lane < 32; ++lane) {
        for (std::uint32_t i = 0; i < 4; ++i) {
          // c_i: row group (+8 for i >= 2), column 2 · thread + i % 2.
          const std::uint32_t m = product_row(lane, i);
          const std::uint32_t n = product_query(lane, i);
          CHECK(m == (lane >> 2) + (i < 2 ? 0 : 8));
          CHECK(n == (lane % 4) * 2 + (i & 1));
          int expected = 0;
          for (std::uint32_t k = 0; k < 32; ++k) {
            expected += rows[(half * 16 + m) * 32 + k] * queries[(fragment * 8 + n) * 32 + k];
          }
          CHECK(product[m * 8 + n] == expected);
        }
      }
    }
  }
}

TEST_CASE("int4 codes unpack to sixteen times themselves, in the registers of int8 ones") {
  std::mt19937 random(2);
  std::vector<int> codes(kTileRows * 32);
  for (int& code : codes) code = static_cast<int>(random() % 15) - 7;
  std::vector<unsigned char> chunk(chunk_bytes(CodeKind::kInt4), 0);
  for (std::uint32_t row = 0; row < kTileRows; ++row) {
    for (std::uint32_t byte = 0; byte < 32; ++byte) {
      const NibblePlace place = nibble_place(row, byte);
      chunk[place.offset] =
          static_cast<unsigned char>(chunk[place.offset] | (codes[row * 32 + byte] & 0xF) << place.shift);
    }
  }
  for (std::uint32_t row = 0; row < kTileRows; ++row) {
    for (std::uint32_t byte = 0; byte < 32; ++byte) {
      const FragmentPlace place = row_place(row % 16, byte);
      std::uint32_t word = 0;
      memcpy(&word, chunk.data() + place.lane * 16 + (row / 16) * 8 + (place.reg / 2) * 4, 4);
      const std::uint32_t unpacked = place.reg % 2 == 0 ? even_register(word) : odd_register(word);
      const auto value = static_cast<std::int8_t>(unpacked >> (8 * place.byte));
      CHECK(value == 16 * codes[row * 32 + byte]);
    }
  }
}

TEST_CASE("floats are ordered as unsigned numbers, and rows of equal score by row") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> ascending = {-kInf, -3e38F, -1.0F, -1e-45F, 0.0F, 1e-45F, 0.5F, 1.0F, 3e38F, kInf};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    CHECK(value_of(order_of(ascending[i])) == ascending[i]);
    for (std::size_t j = 0; j < i; ++j) CHECK(order_of(ascending[j]) < order_of(ascending[i]));
  }
  CHECK(order_of(-0.0F) == order_of(0.0F));
  CHECK(key_of(1.0F, 4) > key_of(1.0F, 5));
  CHECK(key_of(1.0F, 5) > key_of(0.5F, 4));
  CHECK(key_of(-kInf, 4'000'000'000U) > key_of(std::numeric_limits<float>::quiet_NaN(), 0));
  CHECK(row_of(key_of(-2.5F, 77)) == 77);
  CHECK(score_of(key_of(-2.5F, 77)) == -2.5F);
}

}  // namespace
