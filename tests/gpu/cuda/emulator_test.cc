#include "gpu/cuda/emulator.h"

#include <doctest/doctest.h>

#include <vector>

#include "gpu/cuda/simt.h"

namespace {

using namespace cairn::gpu::cuda;

void reverse_kernel(const int* from, int* to, int count) {
  auto* shared = reinterpret_cast<int*>(dynamic_shared());
  const std::uint32_t me = thread_index();
  shared[me] = from[block_x() * block_threads() + me];
  sync_block();
  const std::uint32_t at = block_x() * block_threads() + me;
  if (at < static_cast<std::uint32_t>(count)) to[at] = shared[block_threads() - 1 - me];
}

TEST_CASE("threads of a block see what the others wrote before a barrier") {
  std::vector<int> from(192);
  std::vector<int> to(192, -1);
  for (int i = 0; i < 192; ++i) from[static_cast<std::size_t>(i)] = i;
  Stream stream = Stream::make().value();
  launch(stream, 3, 1, 64, 64 * sizeof(int), &reverse_kernel, from.data(), to.data(), 192);
  for (int i = 0; i < 192; ++i) CHECK(to[static_cast<std::size_t>(i)] == i / 64 * 64 + 63 - i % 64);
}

void shuffle_kernel(int* sums, int* below) {
  int sum = static_cast<int>(thread_index());
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += shuffle_xor(sum, lanes);
  sums[thread_index()] = sum;
  below[thread_index()] = shuffle_down(static_cast<int>(thread_index()), 4);
}

TEST_CASE("lanes of a warp exchange values") {
  std::vector<int> sums(64);
  std::vector<int> below(64);
  Stream stream = Stream::make().value();
  launch(stream, 1, 1, 64, 0, &shuffle_kernel, sums.data(), below.data());
  CHECK(sums[0] == 496);  // 0 + … + 31
  CHECK(sums[63] == 496 + 32 * 32);
  CHECK(below[3] == 7);
  CHECK(below[30] == 30);
}

void copy_kernel(const unsigned char* from, unsigned char* early, unsigned char* late) {
  unsigned char* mine = dynamic_shared() + thread_index() * 16;
  copy_async16(mine, from + thread_index() * 16);
  commit_copies();
  early[thread_index()] = mine[0];
  wait_copies<0>();
  late[thread_index()] = mine[0];
}

TEST_CASE("what is copied ahead is not there before it was waited for") {
  alignas(16) static unsigned char from[32 * 16];
  for (std::size_t i = 0; i < sizeof(from); ++i) from[i] = static_cast<unsigned char>(i / 16);
  std::vector<unsigned char> early(32);
  std::vector<unsigned char> late(32);
  Stream stream = Stream::make().value();
  launch(stream, 1, 1, 32, 32 * 16, &copy_kernel, from, early.data(), late.data());
  CHECK(early[5] != 5);
  CHECK(late[5] == 5);
}

}  // namespace
