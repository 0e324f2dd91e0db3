#include "gpu/network.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gpu/cpu/aligned.h"
#include "gpu/cpu/codes.h"
#include "gpu/cpu/dense.h"
#include "gpu/finite.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

// Rows of inputs are run kTile at a time. Between layers they stand as a block, in the shape that the kernels give: in
// floats a row a feature and a column an input row, in codes a row an input row. So a tile of outputs is at once the
// next layer's inputs.

constexpr std::size_t kInt8InputsMax = std::size_t{1} << 17;  ///< sums of 127 · 127 stay below 2³¹

std::size_t tiles_of(std::size_t size) { return (size + kTile - 1) / kTile; }
std::size_t padded(std::size_t size) { return tiles_of(size) * kTile; }
std::size_t groups_of(std::size_t size) { return padded(size) / 4; }

/// A layer as kernels read it: kTile outputs a panel. Outputs are padded to whole panels with zeros.
struct Layer {
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  Activation activation = Activation::kNone;
  AlignedVector<float> biases;
  AlignedVector<float> weights;      ///< kFp32: panel, input, output
  AlignedVector<std::int8_t> codes;  ///< kInt8: panel, four inputs, output, input of the four
  std::vector<float> scales;         ///< kInt8: m_weights / 127 of each output
};

/// What one thread computes with.
struct Workspace {
  AlignedVector<float> block;
  AlignedVector<float> next;
  AlignedVector<std::int8_t> codes;  ///< a row an input row
};

void pack_weights(const DenseLayer& from, Layer* layer) {
  layer->weights.resize(tiles_of(layer->outputs) * layer->inputs * kTile);
  for (std::size_t o = 0; o < layer->outputs; ++o) {
    float* panel = layer->weights.data() + o / kTile * layer->inputs * kTile;
    // Transposed within the panel: kernels read the weights of 16 outputs for one input together.
    const std::span<const float> row = from.weights.row(o);
    for (std::size_t i = 0; i < layer->inputs; ++i) panel[i * kTile + o % kTile] = row[i];
  }
}

void pack_codes(const DenseLayer& from, Layer* layer) {
  const std::size_t panel_bytes = groups_of(layer->inputs) * kTile * 4;
  layer->codes.resize(tiles_of(layer->outputs) * panel_bytes);
  layer->scales.resize(padded(layer->outputs));
  std::vector<float> row(padded(layer->inputs));
  std::vector<std::int8_t> codes(row.size());
  for (std::size_t o = 0; o < layer->outputs; ++o) {
    std::int8_t* panel = layer->codes.data() + o / kTile * panel_bytes;
    const std::span<const float> weights = from.weights.row(o);
    std::copy(weights.begin(), weights.end(), row.begin());
    layer->scales[o] = kCodesScalar.encode(row.data(), row.size(), codes.data());  // every table gives the same
    for (std::size_t i = 0; i < layer->inputs; ++i) panel[(i / 4 * kTile + o % kTile) * 4 + i % 4] = codes[i];
  }
}

void activate(Activation activation, std::span<float> values) {
  switch (activation) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      for (float& value : values) value = value < 0.0F ? 0.0F : value;
      return;
    case Activation::kSigmoid:
      for (float& value : values) value = 1.0F / (1.0F + std::exp(-value));
      return;
  }
}

void run_fp32(const DenseKernels& kernels, const Layer& layer, Workspace* work) {
  for (std::size_t o = 0; o < layer.outputs; ++o) std::fill_n(work->next.data() + o * kTile, kTile, layer.biases[o]);
  for (std::size_t panel = 0; panel < tiles_of(layer.outputs); ++panel) {
    const float* weights = layer.weights.data() + panel * layer.inputs * kTile;
    kernels.add_products(weights, work->block.data(), layer.inputs, work->next.data() + panel * kTile * kTile);
  }
}

/// The sigmoid of 0 is not 0, which padding has to be.
void clear_padding(const Layer& layer, Workspace* work) {
  const std::size_t stride = padded(layer.outputs);
  for (std::size_t r = 0; r < kTile; ++r) {
    std::fill_n(work->next.data() + r * stride + layer.outputs, stride - layer.outputs, 0.0F);
  }
}

/// Rows of the block, of the next one and of codes are padded to whole tiles with zeros.
void run_int8(const DenseKernels& kernels, const CodeKernels& codes, const Layer& layer, Workspace* work) {
  const std::size_t stride = padded(layer.inputs);
  const std::size_t outputs = padded(layer.outputs);
  float input_scales[kTile];  // NaN marks a row with a value that is not finite, and spreads to all its outputs
  for (std::size_t r = 0; r < kTile; ++r) {
    input_scales[r] = codes.encode(work->block.data() + r * stride, stride, work->codes.data() + r * stride);
  }
  for (std::size_t first = 0; first < outputs; first += kTile) {
    std::int32_t sums[kTile * kTile];
    kernels.multiply_int8(work->codes.data(), kTile, layer.codes.data() + first * stride, stride / 4, sums);
    for (std::size_t r = 0; r < kTile; ++r) {
      codes.decode(sums + r * kTile, kTile, input_scales[r], layer.scales.data() + first, layer.biases.data() + first,
                   work->next.data() + r * outputs + first);
    }
  }
}

Status check_layer(const DenseLayer& layer, Precision precision) {
  const MatrixView& weights = layer.weights;
  if (weights.rows == 0 || weights.dim == 0) return invalid_argument("it needs inputs and outputs");
  if (weights.values.size() != weights.rows * weights.dim) {
    return invalid_argument("there are " + std::to_string(weights.values.size()) + " weights, not " +
                            std::to_string(weights.rows) + " x " + std::to_string(weights.dim));
  }
  if (!layer.biases.empty() && layer.biases.size() != weights.rows) {
    return invalid_argument("there are " + std::to_string(layer.biases.size()) + " biases for " +
                            std::to_string(weights.rows) + " outputs");
  }
  if (layer.activation > Activation::kSigmoid) return invalid_argument("there is no such activation");
  if (!all_finite(weights.values) || !all_finite(layer.biases)) {
    return invalid_argument("a weight or bias is not finite");
  }
  if (precision == Precision::kInt8 && weights.dim > kInt8InputsMax) {
    return invalid_argument("with int8 there can be " + std::to_string(kInt8InputsMax) + " inputs, not " +
                            std::to_string(weights.dim));
  }
  return ok_status();
}

Status check_layers(std::span<const DenseLayer> layers, Precision precision) {
  if (layers.empty()) return invalid_argument("a network needs a layer");
  if (precision != Precision::kFp32 && precision != Precision::kInt8) {
    return invalid_argument("networks are kept in fp32 or int8, not " + std::string(to_string(precision)));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(check_layer(layers[i], precision).with_context("layer " + std::to_string(i)));
    if (i > 0 && layers[i].weights.dim != layers[i - 1].weights.rows) {
      return invalid_argument("layer " + std::to_string(i) + " takes " + std::to_string(layers[i].weights.dim) +
                              " inputs, but the one before it has " + std::to_string(layers[i - 1].weights.rows) +
                              " outputs");
    }
  }
  return ok_status();
}

Layer packed(const DenseLayer& from, Precision precision) {
  Layer layer{.inputs = from.weights.dim, .outputs = from.weights.rows, .activation = from.activation};
  layer.biases.assign(from.biases.begin(), from.biases.end());
  layer.biases.resize(padded(layer.outputs));
  precision == Precision::kInt8 ? pack_codes(from, &layer) : pack_weights(from, &layer);
  return layer;
}

}  // namespace

struct Network::State {
  std::vector<Layer> layers;
  Precision precision;
  const DenseKernels* kernels;
  const CodeKernels* codes;
  std::size_t threads;
  std::size_t widest = 0;  ///< of all inputs and outputs, in whole tiles

  [[nodiscard]] Workspace workspace() const {
    Workspace work;
    work.block.resize(widest * kTile);
    work.next.resize(widest * kTile);
    if (precision == Precision::kInt8) work.codes.resize(widest * kTile);
    return work;
  }

  /// Runs the kTile input rows from tile * kTile on. A block always has room for as many; what stands where there is no
  /// row is run too, and nobody reads its outputs.
  void run_tile(MatrixView inputs, std::size_t tile, std::span<float> outputs, Workspace* work) const {
    const std::size_t first = tile * kTile;
    const std::size_t count = std::min(kTile, inputs.rows - first);
    const std::size_t width = layers.back().outputs;
    const std::size_t stride = padded(inputs.dim);
    for (std::size_t r = 0; r < count; ++r) {
      const std::span<const float> row = inputs.row(first + r);
      if (precision == Precision::kInt8) {
        float* to = std::copy(row.begin(), row.end(), work->block.data() + r * stride);
        std::fill_n(to, stride - row.size(), 0.0F);
      } else {
        for (std::size_t i = 0; i < row.size(); ++i) work->block[i * kTile + r] = row[i];
      }
    }
    run_block(work);
    for (std::size_t r = 0; r < count; ++r) {
      float* row = outputs.data() + (first + r) * width;
      if (precision == Precision::kInt8) {
        std::copy_n(work->block.data() + r * padded(width), width, row);
      } else {
        for (std::size_t o = 0; o < width; ++o) row[o] = work->block[o * kTile + r];
      }
    }
  }

 private:
  /// Runs the input rows of `work->block`, which becomes the block of the outputs.
  void run_block(Workspace* work) const {
    for (const Layer& layer : layers) {
      precision == Precision::kInt8 ? run_int8(*kernels, *codes, layer, work) : run_fp32(*kernels, layer, work);
      activate(layer.activation, std::span(work->next).first(padded(layer.outputs) * kTile));
      if (precision == Precision::kInt8 && layer.activation == Activation::kSigmoid) clear_padding(layer, work);
      std::swap(work->block, work->next);
    }
  }
};

Network::Network(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

Result<Network> Network::make(std::span<const DenseLayer> layers, const NetworkOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_layers(layers, options.precision));
  const InstructionSet set = options.instruction_set.value_or(best_instruction_set());
  if (set > best_instruction_set()) {
    return failed_precondition("this machine does not have the instruction set " + std::string(to_string(set)));
  }
  State state{.precision = options.precision,
              .kernels = &dense_kernels(set),
              .codes = &code_kernels(set),
              .threads = options.threads};
  for (const DenseLayer& layer : layers) {
    state.layers.push_back(packed(layer, options.precision));
    state.widest = std::max({state.widest, tiles_of(layer.weights.dim) * kTile, tiles_of(layer.weights.rows) * kTile});
  }
  return Network(std::make_unique<const State>(std::move(state)));
}

std::size_t Network::inputs() const noexcept { return state_->layers.front().inputs; }
std::size_t Network::outputs() const noexcept { return state_->layers.back().outputs; }
Precision Network::precision() const noexcept { return state_->precision; }

Status Network::run(MatrixView inputs, std::span<float> outputs) const {
  const std::size_t width = this->outputs();
  if (inputs.dim != this->inputs() || inputs.values.size() != inputs.rows * inputs.dim) {
    return invalid_argument("inputs have to be rows of " + std::to_string(this->inputs()) + " values");
  }
  if (outputs.size() != inputs.rows * width) {
    return invalid_argument("there is room for " + std::to_string(outputs.size()) + " outputs, not for " +
                            std::to_string(inputs.rows) + " x " + std::to_string(width));
  }
  const std::size_t tiles = tiles_of(inputs.rows);
  if (state_->threads == 1) {  // one room for all of them
    Workspace work = state_->workspace();
    for (std::size_t tile = 0; tile < tiles; ++tile) state_->run_tile(inputs, tile, outputs, &work);
    return ok_status();
  }
  parallel_for(state_->threads, tiles, [&](std::size_t tile) {
    Workspace work = state_->workspace();
    state_->run_tile(inputs, tile, outputs, &work);
  });
  return ok_status();
}

}  // namespace cairn::gpu
