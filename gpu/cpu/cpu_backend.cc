#include "gpu/backend.h"

#include <string>
#include <utility>

#include "gpu/cpu/cpu_matrix.h"
#include "gpu/cpu/fold_in.h"
#include "gpu/cpu/kernels.h"
#include "gpu/cpu/scan_table.h"
#include "gpu/select_k.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace cairn::gpu {
namespace {

#if defined(__x86_64__)

/// __builtin_cpu_supports() has no word for it in clang 14.
bool has_f16c() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool has_avx2() noexcept { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }

/// All that the kernels of this name are compiled with, in CMakeLists.txt.
bool has_avx512() noexcept {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

#else

bool has_avx2() noexcept { return false; }
bool has_avx512() noexcept { return false; }

#endif

const ScanKernels* scan_kernels_of(InstructionSet set) noexcept {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return &kScanAvx512;
  if (set == InstructionSet::kAvx2) return &kScanAvx2;
#endif
  return &kScanScalar;
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(std::string_view name, InstructionSet set, CpuResources resources, std::size_t scan_bounds_from_rows)
      : name_(name), set_(set), resources_(std::move(resources)), scan_bounds_from_rows_(scan_bounds_from_rows) {}

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] Result<std::unique_ptr<ItemMatrix>> make_matrix(MatrixView items,
                                                                const MatrixOptions& options) override {
    return CpuMatrix::make(items, options, resources_);
  }
  [[nodiscard]] Result<std::unique_ptr<FoldIn>> make_fold_in(MatrixView items, const FoldInOptions& options) override {
    return make_cpu_fold_in(items, options, set_, resources_.threads);
  }
  [[nodiscard]] Result<std::unique_ptr<ScanTable>> make_scan_table(const ScanRows& rows) override {
    return CpuScanTable::make(rows, {.kernels = scan_kernels_of(set_),
                                     .threads = resources_.threads,
                                     .memory = resources_.memory,
                                     .bounds_from_rows = scan_bounds_from_rows_});
  }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return resources_.memory->bytes(); }
  [[nodiscard]] std::size_t memory_max_bytes() const noexcept override { return resources_.memory->bytes_max(); }

 private:
  std::string_view name_;
  InstructionSet set_;
  CpuResources resources_;
  std::size_t scan_bounds_from_rows_;
};

std::string_view backend_name(InstructionSet set) noexcept {
  constexpr std::string_view kNames[] = {"cpu/scalar", "cpu/avx2", "cpu/avx512"};
  return kNames[static_cast<std::size_t>(set)];
}

}  // namespace

InstructionSet best_instruction_set() noexcept {
  static const InstructionSet best = has_avx512() ? InstructionSet::kAvx512
                                     : has_avx2() ? InstructionSet::kAvx2
                                                  : InstructionSet::kScalar;
  return best;
}

const TopKKernels& top_k_kernels(InstructionSet set) noexcept {
  CAIRN_CHECK(set <= best_instruction_set());
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kTopKAvx512;
  if (set == InstructionSet::kAvx2) return kTopKAvx2;
#endif
  return kTopKScalar;
}

std::string_view cpu_backend() noexcept { return backend_name(best_instruction_set()); }

Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options) {
  const InstructionSet set = options.instruction_set.value_or(best_instruction_set());
  if (set > best_instruction_set()) {
    return failed_precondition("this machine has no " + std::string(to_string(set)) + "; its best is " +
                               std::string(to_string(best_instruction_set())));
  }
  CpuResources resources{.kernels = &top_k_kernels(set),
                         .threads = options.threads,
                         .memory = std::make_shared<MemoryCap>(options.memory_max_bytes)};
  return std::unique_ptr<Backend>(
      std::make_unique<CpuBackend>(backend_name(set), set, std::move(resources), options.scan_bounds_from_rows));
}

}  // namespace cairn::gpu
