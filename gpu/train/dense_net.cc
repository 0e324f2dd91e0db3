#include "gpu/train/dense_net.h"

#include <algorithm>
#include <cmath>

#include "gpu/dense_algebra.h"
#include "gpu/random.h"

namespace cairn::gpu {

DenseNet::DenseNet(std::span<const std::size_t> sizes, std::uint64_t seed, float last)
    : sizes_(sizes.begin(), sizes.end()) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < layers(); ++i) {
    offsets_.push_back(count);
    count += (sizes_[i] + 1) * sizes_[i + 1];
  }
  parameters_.resize(count);
  for (std::size_t i = 0; i < layers(); ++i) {
    const float scale = i + 1 == layers() ? last : 1.0F;
    const float deviation = scale * std::sqrt(2.0F / static_cast<float>(sizes_[i]));
    const std::span<float> weights = std::span(parameters_).subspan(offset(i), sizes_[i] * sizes_[i + 1]);
    if (deviation > 0.0F) fill_normal(next_bits(&seed), deviation, weights);
  }
}

MatrixView DenseNet::weights(std::size_t layer) const noexcept {
  const std::size_t inputs = sizes_[layer];
  const std::size_t outputs = sizes_[layer + 1];
  return {parameters().subspan(offset(layer), inputs * outputs), outputs, inputs};
}

std::span<const float> DenseNet::biases(std::size_t layer) const noexcept {
  const std::size_t outputs = sizes_[layer + 1];
  return parameters().subspan(offset(layer) + sizes_[layer] * outputs, outputs);
}

std::span<const float> DenseNet::forward(MatrixView inputs, Pass* pass) const {
  pass->layers.resize(layers());
  std::span<const float> from = inputs.values;
  for (std::size_t i = 0; i < layers(); ++i) {
    const std::size_t outputs = sizes_[i + 1];
    std::vector<float>& to = pass->layers[i];
    to.resize(inputs.rows * outputs);
    const std::span<const float> bias = biases(i);
    for (std::size_t r = 0; r < inputs.rows; ++r) std::copy(bias.begin(), bias.end(), to.begin() + r * outputs);
    if (inputs.rows > 0) {
      gemm({.rows = inputs.rows,
            .columns = outputs,
            .inner = sizes_[i],
            .a = {from.data(), sizes_[i]},
            .b = {weights(i).values.data(), sizes_[i], true},
            .beta = 1.0F,
            .c = to.data(),
            .c_stride = outputs},
           1);
    }
    if (i + 1 < layers()) {
      for (float& value : to) value = std::max(0.0F, value);
    }
    from = to;
  }
  return pass->layers.back();
}

void DenseNet::backward(MatrixView inputs, std::span<const float> by_output, Pass* pass, std::span<float> gradient,
                        std::span<float> by_input) const {
  if (inputs.rows == 0) return;
  std::vector<float>& above = pass->gradient;  // by the outputs of the layer
  above.assign(by_output.begin(), by_output.end());
  for (std::size_t i = layers(); i-- > 0;) {
    const std::size_t width = sizes_[i];
    const std::size_t outputs = sizes_[i + 1];
    const float* from = i == 0 ? inputs.values.data() : pass->layers[i - 1].data();
    if (i + 1 < layers()) {  // where max(0, x) was 0, nothing passes
      const std::vector<float>& out = pass->layers[i];
      for (std::size_t n = 0; n < above.size(); ++n) above[n] = out[n] > 0.0F ? above[n] : 0.0F;
    }
    gemm({.rows = outputs,
          .columns = width,
          .inner = inputs.rows,
          .a = {above.data(), outputs, true},
          .b = {from, width},
          .beta = 1.0F,
          .c = gradient.data() + offset(i),
          .c_stride = width},
         1);
    float* by_bias = gradient.data() + offset(i) + width * outputs;
    for (std::size_t r = 0; r < inputs.rows; ++r) {
      for (std::size_t o = 0; o < outputs; ++o) by_bias[o] += above[r * outputs + o];
    }
    if (i == 0 && by_input.empty()) return;
    pass->next.resize(inputs.rows * width);
    gemm({.rows = inputs.rows,
          .columns = width,
          .inner = outputs,
          .a = {above.data(), outputs},
          .b = {weights(i).values.data(), width},
          .c = i == 0 ? by_input.data() : pass->next.data(),
          .c_stride = width},
         1);
    std::swap(above, pass->next);
  }
}

void Adam::step(float rate, std::span<const float> gradient, std::span<float> parameters) {
  constexpr float kMean = 0.9F;
  constexpr float kSquare = 0.999F;
  constexpr float kSmallest = 1e-8F;
  ++steps_;
  const auto steps = static_cast<double>(steps_);
  const auto mean_scale = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(kMean), steps)));
  const auto square_scale = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(kSquare), steps)));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const float g = gradient[i] + decay_ * parameters[i];
    mean_[i] = kMean * mean_[i] + (1.0F - kMean) * g;
    square_[i] = kSquare * square_[i] + (1.0F - kSquare) * g * g;
    parameters[i] -= rate * mean_[i] * mean_scale / (std::sqrt(square_[i] * square_scale) + kSmallest);
  }
}

}  // namespace cairn::gpu
