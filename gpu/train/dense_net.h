#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/matrix.h"

namespace cairn::gpu {

/// A feed-forward network of dense layers in training: max(0, ·) after every layer but the last. What is computed is
/// that of gpu/network.h with kFp32. Its numbers lie in one piece of memory, so that gradients and optimisers need not
/// know of layers: of each layer in turn outputs × inputs weights, then a bias an output.
///
/// Threads: any number may call const methods at once, each with a Pass of its own.
class DenseNet {
 public:
  /// What goes from a forward to a backward pass: the outputs of each layer, rows × outputs.
  struct Pass {
    std::vector<std::vector<float>> layers = {};
    std::vector<float> gradient = {};  ///< room
    std::vector<float> next = {};      ///< room
  };

  /// `sizes` are those of the inputs and of each layer's outputs. Weights are drawn with a variance of 2 / inputs (He
  /// et al., ICCV 2015); those of the last layer are multiplied by `last`, so that with 0 the outputs begin at 0.
  /// Requires: at least two sizes, none 0.
  DenseNet(std::span<const std::size_t> sizes, std::uint64_t seed, float last);

  [[nodiscard]] std::size_t layers() const noexcept { return sizes_.size() - 1; }
  [[nodiscard]] std::size_t inputs() const noexcept { return sizes_.front(); }
  [[nodiscard]] std::size_t outputs() const noexcept { return sizes_.back(); }
  [[nodiscard]] std::span<float> parameters() noexcept { return parameters_; }
  [[nodiscard]] std::span<const float> parameters() const noexcept { return parameters_; }
  [[nodiscard]] MatrixView weights(std::size_t layer) const noexcept;
  [[nodiscard]] std::span<const float> biases(std::size_t layer) const noexcept;

  /// Returns: the outputs, rows × outputs(), which live in `pass`.
  std::span<const float> forward(MatrixView inputs, Pass* pass) const;

  /// Adds the gradient by the parameters to `gradient`, which has their shape. `by_output` (rows × outputs()) is the
  /// gradient by what forward() gave for `inputs` with this `pass`. `by_input` gets that by the inputs, unless it is
  /// empty.
  void backward(MatrixView inputs, std::span<const float> by_output, Pass* pass, std::span<float> gradient,
                std::span<float> by_input) const;

 private:
  [[nodiscard]] std::size_t offset(std::size_t layer) const noexcept { return offsets_[layer]; }

  std::vector<std::size_t> sizes_;
  std::vector<std::size_t> offsets_;  ///< of each layer's weights
  std::vector<float> parameters_;
};

/// The optimiser of Kingma and Ba (ICLR 2015), with their constants, and the gradient of `decay` / 2 · ‖parameters‖²
/// added to each gradient. One thread.
class Adam {
 public:
  Adam(std::size_t parameters, float decay) : decay_(decay), mean_(parameters), square_(parameters) {}

  /// Takes one step. Requires: both spans have the shape that was said.
  void step(float rate, std::span<const float> gradient, std::span<float> parameters);

 private:
  const float decay_;
  std::vector<float> mean_;
  std::vector<float> square_;
  std::uint64_t steps_ = 0;
};

}  // namespace cairn::gpu
