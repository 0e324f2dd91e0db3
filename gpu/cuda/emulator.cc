#include "gpu/cuda/emulator.h"

#include <ucontext.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "cairn/check.h"
#include "cairn/mutex.h"
#include "gpu/half.h"

namespace cairn::gpu::cuda {
namespace emulator {
namespace {

constexpr std::size_t kStackBytes = 128 << 10;
constexpr unsigned char kUnset = 0xFB;  // as a float or a row, nothing that a kernel could mean

struct Copy {
  unsigned char* to;
  const unsigned char* from;
};

struct Thread {
  ucontext_t context = {};
  unsigned char* stack = nullptr;
  bool done = false;
  std::vector<std::vector<Copy>> groups = {};  ///< committed, oldest first
  std::vector<Copy> open = {};
};

/// Threads that wait for each other.
struct Barrier {
  std::uint32_t arrived = 0;
  std::uint64_t passed = 0;
};

struct Warp {
  Barrier barrier = {};
  alignas(16) unsigned char shown[2][32 * kExchangeBytes] = {};
};

/// The launch that runs, of which there is one at a time.
struct Launch {
  Position position = {};
  std::vector<Thread> threads = {};
  std::vector<Warp> warps = {};
  std::vector<unsigned char> shared = {};
  unsigned char* shared_begin = nullptr;
  Barrier barrier = {};
  std::uint32_t alive = 0;
  bool progress = false;
  const std::function<void()>* body = nullptr;
  ucontext_t scheduler = {};
};

Mutex launching;
/// Set by run() for the length of a launch. It is not marked as guarded: kernels read it too, and they cannot say that
/// the mutex is held, although run(), which calls them on its own thread, holds it.
Launch* running = nullptr;
/// Of the launch that runs, kept for the next.
std::vector<std::unique_ptr<unsigned char[]>> stacks CAIRN_GUARDED_BY(launching);

unsigned char* stack_of(std::size_t thread) CAIRN_REQUIRES(launching) {
  while (stacks.size() <= thread) stacks.push_back(std::make_unique_for_overwrite<unsigned char[]>(kStackBytes));
  return stacks[thread].get();
}

Thread& current() { return running->threads[running->position.thread]; }

void yield() {
  Launch& launch = *running;
  const std::uint32_t me = launch.position.thread;
  swapcontext(&launch.threads[me].context, &launch.scheduler);
  launch.position.thread = me;
}

void arrive(Barrier& barrier, std::uint32_t expected) {
  running->progress = true;
  if (++barrier.arrived == expected) {
    barrier.arrived = 0;
    ++barrier.passed;
    return;
  }
  const std::uint64_t passed = barrier.passed;
  // The last thread to arrive moves `passed` on; until then the others take their turns.
  while (barrier.passed == passed) yield();
  running->progress = true;
}

void enter() {
  (*running->body)();
  Launch& launch = *running;
  CAIRN_CHECK_MSG(launch.barrier.arrived == 0, "a thread ended while others wait for it");
  current().done = true;
  launch.progress = true;
  --launch.alive;
  swapcontext(&current().context, &launch.scheduler);
}

void start_thread(Thread& thread) {
  thread.done = false;
  thread.groups.clear();
  thread.open.clear();
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = thread.stack;
  thread.context.uc_stack.ss_size = kStackBytes;
  thread.context.uc_link = nullptr;
  makecontext(&thread.context, enter, 0);
}

/// Warps take turns in an order that changes from block to block, so that what relies on one order fails.
void run_block(Launch& launch, bool reversed) {
  for (Thread& thread : launch.threads) start_thread(thread);
  // Dynamic shared memory holds nothing of the block before, so that no kernel can rely on it.
  std::fill(launch.shared.begin(), launch.shared.end(), kUnset);
  launch.barrier = {};
  launch.alive = launch.position.threads;
  while (launch.alive > 0) {
    launch.progress = false;
    for (std::uint32_t i = 0; i < launch.position.threads; ++i) {
      const std::uint32_t thread = reversed ? launch.position.threads - 1 - i : i;
      if (launch.threads[thread].done) continue;
      launch.position.thread = thread;
      swapcontext(&launch.scheduler, &launch.threads[thread].context);
    }
    // A round in which no thread arrived anywhere or ended would be followed by the same round again.
    CAIRN_CHECK_MSG(launch.progress, "the threads of a block wait for each other forever");
  }
}

}  // namespace

void run(std::uint32_t blocks_x, std::uint32_t blocks_y, std::uint32_t threads, std::size_t shared_bytes,
         const std::function<void()>& thread) {
  CAIRN_CHECK(threads > 0 && threads % 32 == 0 && threads <= 1024);
  const MutexLock lock(launching);
  Launch launch;
  launch.body = &thread;
  launch.threads.resize(threads);
  for (std::size_t i = 0; i < threads; ++i) launch.threads[i].stack = stack_of(i);
  launch.warps.resize(threads / 32);
  launch.shared.resize(shared_bytes + 16);
  void* begin = launch.shared.data();
  std::size_t room = launch.shared.size();
  launch.shared_begin = static_cast<unsigned char*>(std::align(16, shared_bytes, begin, room));
  running = &launch;
  for (std::uint32_t y = 0; y < blocks_y; ++y) {
    for (std::uint32_t x = 0; x < blocks_x; ++x) {
      launch.position = {0, threads, x, y, blocks_x, blocks_y};
      run_block(launch, (x + y) % 2 == 1);
    }
  }
  running = nullptr;
}

const Position& position() { return running->position; }

const unsigned char* exchange(const void* mine, std::size_t bytes) {
  CAIRN_CHECK(bytes <= kExchangeBytes);
  Warp& warp = running->warps[running->position.thread / 32];
  // Two buffers in turn: nobody is two exchanges ahead of another.
  unsigned char* shown = warp.shown[warp.barrier.passed % 2];
  if (bytes > 0) std::memcpy(shown + running->position.thread % 32 * kExchangeBytes, mine, bytes);
  arrive(warp.barrier, 32);
  return shown;
}

unsigned char* shared_memory() { return running->shared_begin; }

void sync_block() { arrive(running->barrier, running->alive); }

void copy_async16(unsigned char* shared, const unsigned char* global) {
  CAIRN_CHECK(reinterpret_cast<std::uintptr_t>(shared) % 16 == 0 && reinterpret_cast<std::uintptr_t>(global) % 16 == 0);
  current().open.push_back({shared, global});
}

void commit_copies() { current().groups.push_back(std::exchange(current().open, {})); }

void wait_copies(int pending) {
  std::vector<std::vector<Copy>>& groups = current().groups;
  while (groups.size() > static_cast<std::size_t>(pending)) {
    for (const Copy& copy : groups.front()) std::memcpy(copy.to, copy.from, 16);
    groups.erase(groups.begin());
  }
}

}  // namespace emulator

namespace {

struct Operands {
  std::uint32_t a[4];
  std::uint32_t b[2];
};

/// Element `index` of a register file of 8-bit or 16-bit elements.
template <class Element>
Element element(const std::uint32_t* registers, std::uint32_t index) {
  Element value;
  std::memcpy(&value, reinterpret_cast<const unsigned char*>(registers) + index * sizeof(Element), sizeof(Element));
  return value;
}

// The PTX manual gives row and column of element i of a lane; these are its formulas turned around.

/// PTX ISA, mma.m16n8k32, 8-bit: a_i is row groupID (+8 for i in 4…7 and 12…15), column 4·tid + i%4 (+16 for i >= 8);
/// b_i is row 4·tid + i%4 (+16 for i >= 4), column groupID.
std::int32_t product_int8(const unsigned char* shown, std::uint32_t row, std::uint32_t column) {
  std::int32_t sum = 0;
  for (std::uint32_t k = 0; k < 32; ++k) {
    const std::uint32_t tid = (k % 16) / 4;
    const std::uint32_t i = k % 4 + (row >= 8 ? 4 : 0) + (k >= 16 ? 8 : 0);
    const std::uint32_t j = k % 4 + (k >= 16 ? 4 : 0);
    const auto left = of_lane<Operands>(shown, (row % 8) * 4 + tid);
    const auto right = of_lane<Operands>(shown, column * 4 + tid);
    sum += element<std::int8_t>(left.a, i) * element<std::int8_t>(right.b, j);
  }
  return sum;
}

/// PTX ISA, mma.m16n8k16, 16-bit: a_i is row groupID (+8 for i in 2, 3, 6, 7), column 2·tid + i%2 (+8 for i >= 4); b_i
/// is row 2·tid + i%2 (+8 for i >= 2), column groupID.
double product_fp16(const unsigned char* shown, std::uint32_t row, std::uint32_t column) {
  double sum = 0.0;
  for (std::uint32_t k = 0; k < 16; ++k) {
    const std::uint32_t tid = (k % 8) / 2;
    const std::uint32_t i = k % 2 + (row >= 8 ? 2 : 0) + (k >= 8 ? 4 : 0);
    const std::uint32_t j = k % 2 + (k >= 8 ? 2 : 0);
    const auto left = of_lane<Operands>(shown, (row % 8) * 4 + tid);
    const auto right = of_lane<Operands>(shown, column * 4 + tid);
    sum += static_cast<double>(float_of_half(element<std::uint16_t>(left.a, i))) *
           static_cast<double>(float_of_half(element<std::uint16_t>(right.b, j)));
  }
  return sum;
}

}  // namespace

void multiply_int8(std::int32_t (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  const Operands mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const unsigned char* shown = emulator::exchange(&mine, sizeof(mine));
  const std::uint32_t group = thread_index() % 32 / 4;
  const std::uint32_t tid = thread_index() % 4;
  c[0] += product_int8(shown, group, 2 * tid);
  c[1] += product_int8(shown, group, 2 * tid + 1);
  c[2] += product_int8(shown, group + 8, 2 * tid);
  c[3] += product_int8(shown, group + 8, 2 * tid + 1);
}

void multiply_fp16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  const Operands mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const unsigned char* shown = emulator::exchange(&mine, sizeof(mine));
  const std::uint32_t group = thread_index() % 32 / 4;
  const std::uint32_t tid = thread_index() % 4;
  const double sums[4] = {product_fp16(shown, group, 2 * tid), product_fp16(shown, group, 2 * tid + 1),
                          product_fp16(shown, group + 8, 2 * tid), product_fp16(shown, group + 8, 2 * tid + 1)};
  // In double, then rounded once: closer than any device, whose roundings the bounds allow for.
  for (int i = 0; i < 4; ++i) c[i] = static_cast<float>(static_cast<double>(c[i]) + sums[i]);
}

float half_to_float(std::uint16_t half) { return float_of_half(half); }
std::uint16_t float_to_half(float value) { return half_of_float(value); }

// Device and page-locked memory are ordinary memory with a guard at the end.
namespace {

constexpr std::size_t kGuardBytes = 64;
constexpr std::size_t kHeadBytes = 64;

Result<void*> allocate_guarded(std::size_t bytes) {
  CAIRN_CHECK(bytes > 0);
  if (bytes > emulated_memory_bytes) {
    return resource_exhausted("the emulated device has " + std::to_string(emulated_memory_bytes) + " bytes, not " +
                              std::to_string(bytes));
  }
  const std::size_t whole = (bytes + 63) / 64 * 64 + kHeadBytes + kGuardBytes;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(64, whole));
  CAIRN_CHECK(memory != nullptr);
  std::memset(memory, emulator::kUnset, whole);
  std::memcpy(memory, &bytes, sizeof(bytes));
  return static_cast<void*>(memory + kHeadBytes);
}

void free_guarded(void* memory) noexcept {
  unsigned char* begin = static_cast<unsigned char*>(memory) - kHeadBytes;
  std::size_t bytes = 0;
  std::memcpy(&bytes, begin, sizeof(bytes));
  for (std::size_t i = 0; i < kGuardBytes; ++i) {
    CAIRN_CHECK_MSG(begin[kHeadBytes + bytes + i] == emulator::kUnset, "a kernel wrote past the end of an array");
  }
  std::free(begin);
}

}  // namespace

Result<DeviceTraits> probe_device(int device) {
  if (device != 0) return unavailable("there is no emulated device " + std::to_string(device));
  return DeviceTraits{.name = "cuda/emulated", .multiprocessors = 2, .shared_bytes_max = 160 << 10};
}
Status use_device(int) { return ok_status(); }
Result<void*> allocate_device(std::size_t bytes) { return allocate_guarded(bytes); }
Result<void*> allocate_pinned(std::size_t bytes) { return allocate_guarded(bytes); }
void free_device(void* memory) noexcept { free_guarded(memory); }
void free_pinned(void* memory) noexcept { free_guarded(memory); }
Status copy_to_device(void* device, const void* host, std::size_t bytes) {
  std::memcpy(device, host, bytes);
  return ok_status();
}
Status copy_from_device(void* host, const void* device, std::size_t bytes) {
  std::memcpy(host, device, bytes);
  return ok_status();
}

bool has_graphs() noexcept { return false; }
Graph::~Graph() = default;
Result<Stream> Stream::make() { return Stream(nullptr); }
Stream::~Stream() = default;
void Stream::copy_to_device(void* device, const void* host, std::size_t bytes) { std::memcpy(device, host, bytes); }
void Stream::copy_from_device(void* host, const void* device, std::size_t bytes) { std::memcpy(host, device, bytes); }
void Stream::zero(void* device, std::size_t bytes) { std::memset(device, 0, bytes); }
void Stream::check_launch() {}
void Stream::begin_capture() {}
Result<Graph> Stream::end_capture() { return internal_error("the emulator records nothing"); }
void Stream::replay(const Graph&) {}
void Stream::note(Status status) { status_ = std::move(status); }
Status Stream::wait() { return std::exchange(status_, ok_status()); }

}  // namespace cairn::gpu::cuda
