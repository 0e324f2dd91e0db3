#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "cairn/status.h"
#include "gpu/backend.h"
#include "gpu/item_matrix.h"
#include "gpu/matrix.h"

namespace cairn::gpu {

enum class Activation : std::uint8_t { kNone, kRelu, kSigmoid };

/// outputs = activation(weights · inputs + biases).
///
/// With several groups, inputs and outputs fall into as many equal parts, and the outputs of a part read the inputs of
/// that part alone (a grouped layer). So several networks of one shape are run as one.
struct DenseLayer {
  MatrixView weights = {};             ///< outputs × (inputs / groups)
  std::span<const float> biases = {};  ///< one an output, or empty: 0
  Activation activation = Activation::kNone;
  std::size_t groups = 1;
};

/// What is done to inputs before the first layer: x becomes (x - mean) · factor, at least -bound and at most bound.
struct InputScaling {
  std::span<const float> mean = {};     ///< one an input
  std::span<const float> factors = {};  ///< one an input
  float bound = 0.0F;
};

struct NetworkOptions {
  /// kFp32 or kInt8.
  Precision precision = Precision::kFp32;
  std::optional<InstructionSet> instruction_set = {};  ///< absent: the best there is
  std::size_t threads = 1;                             ///< that one call may use; 0: all processors
  std::optional<InputScaling> scaling = {};            ///< absent: inputs are taken as they come
};

/// A small feed-forward network of dense layers, for rows of inputs.
///
/// kFp32: sums run in float, from the bias on, in the order of the inputs; instruction sets differ by rounding.
///
/// kInt8: weights are kept, and the inputs of each layer rounded, as 8-bit codes, code = round(127 · value / m) with m
/// the largest |value| of the row of weights, or of those inputs of a row that a group reads; products are summed as
/// integers and scaled back:
///     output = activation(float(sum) · (m_inputs / 127 · (m_weights / 127)) + bias).
/// All instruction sets give the same bits. Values whose largest is below 1e-30 count as zeros. One that is not finite
/// gives NaN, in every output that reads what stands with it, before the activation.
///
/// A row's outputs do not depend on the rows it is run with. NaN passes through every activation.
/// Threads: any number may call any method at once.
class Network {
 public:
  /// Copies what it needs of `layers`, each of which takes the outputs of the one before it.
  /// Returns: INVALID_ARGUMENT for no layers, layers without inputs or outputs, shapes that do not fit, neighbouring
  /// layers that differ in groups where neither has one, values that are not finite, precisions other than the two, and
  /// more than 131,072 inputs with kInt8; FAILED_PRECONDITION when this machine lacks the instruction set.
  [[nodiscard]] static Result<Network> make(std::span<const DenseLayer> layers, const NetworkOptions& options = {});

  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  [[nodiscard]] std::size_t inputs() const noexcept;
  [[nodiscard]] std::size_t outputs() const noexcept;
  [[nodiscard]] Precision precision() const noexcept;

  /// Row r of `inputs` becomes `outputs[r * outputs() ..]`.
  /// Returns: INVALID_ARGUMENT for shapes that do not fit.
  [[nodiscard]] Status run(MatrixView inputs, std::span<float> outputs) const;

 private:
  struct State;
  explicit Network(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

}  // namespace cairn::gpu
