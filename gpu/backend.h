#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "gpu/fold_in.h"
#include "gpu/item_matrix.h"
#include "gpu/scan.h"

namespace cairn::gpu {

inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

/// Where matrices live and are computed with: this machine's processors, or one CUDA device. Chosen once at start.
/// Threads: any number may call any method at once.
class Backend {
 public:
  virtual ~Backend() = default;

  /// "cpu/avx512", "cpu/avx2", "cpu/scalar", "cuda/sm_90".
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// Copies `items` (rows × dim) into a matrix of this backend.
  /// Returns: INVALID_ARGUMENT for shapes and options that make no sense, and for values that int8 or int4 storage
  /// cannot keep (infinite or NaN); RESOURCE_EXHAUSTED when this and all living matrices exceed memory_max_bytes().
  [[nodiscard]] virtual Result<std::unique_ptr<ItemMatrix>> make_matrix(MatrixView items,
                                                                        const MatrixOptions& options) = 0;

  /// Copies `items` (rows × dim) and computes their Gram matrix.
  /// Returns: INVALID_ARGUMENT for shapes and options that make no sense; RESOURCE_EXHAUSTED as above.
  [[nodiscard]] virtual Result<std::unique_ptr<FoldIn>> make_fold_in(MatrixView items,
                                                                     const FoldInOptions& options) = 0;

  /// Copies `rows` into a table of this backend.
  /// Returns: INVALID_ARGUMENT for shapes that make no sense, tags that are too large and vectors that are not finite;
  /// RESOURCE_EXHAUSTED as above.
  [[nodiscard]] virtual Result<std::unique_ptr<ScanTable>> make_scan_table(const ScanRows& rows) = 0;

  /// Bytes that all living matrices of this backend hold together, and the limit on them.
  [[nodiscard]] virtual std::size_t resident_bytes() const noexcept = 0;
  [[nodiscard]] virtual std::size_t memory_max_bytes() const noexcept = 0;

 protected:
  Backend() = default;
  Backend(const Backend&) = default;
  Backend& operator=(const Backend&) = default;
};

/// In ascending order: a machine that has one of them has those before it.
enum class InstructionSet : std::uint8_t { kScalar, kAvx2, kAvx512 };

[[nodiscard]] std::string_view to_string(InstructionSet set) noexcept;  ///< "scalar", "avx2", "avx512"
/// The best that both this machine and this build have. avx512 means F, BW, VL, DQ and VNNI.
[[nodiscard]] InstructionSet best_instruction_set() noexcept;

/// From about here on bounds save more than they cost.
inline constexpr std::size_t kScanBoundsFromRows = std::size_t{1} << 17;

struct CpuOptions {
  std::optional<InstructionSet> instruction_set = {};  ///< absent: the best there is
  std::size_t threads = 0;                             ///< that one call may use; 0: all processors
  std::size_t memory_max_bytes = kNoLimit;
  /// A scan of at least so many rows leaves out those that bounds prove to be below the best. Answers are the same.
  std::size_t scan_bounds_from_rows = kScanBoundsFromRows;
};

/// Returns: FAILED_PRECONDITION when the machine lacks the instruction set that was asked for.
[[nodiscard]] Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options);

struct CudaOptions {
  std::string library = {};  ///< path of libcairn_cuda.so; empty: beside the program, then where the loader looks
  int device = 0;
  std::size_t memory_max_bytes = kNoLimit;
};

/// Loads the CUDA backend, which is a shared object of its own so that programs run where there is no driver.
/// Returns: NOT_FOUND when there is no such library, FAILED_PRECONDITION when it is of another build, UNAVAILABLE when
/// there is no driver or no device it can use.
[[nodiscard]] Result<std::unique_ptr<Backend>> open_cuda_backend(const CudaOptions& options);

}  // namespace cairn::gpu
