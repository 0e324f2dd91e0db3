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

/// Where features stand in a block: the part of each group is padded to whole tiles. Padding is zero.
struct Layout {
  std::size_t size;
  std::size_t groups;
  std::size_t part;    ///< features of a group
  std::size_t stride;  ///< positions of a group
  std::size_t width;   ///< positions

  Layout(std::size_t features, std::size_t of_groups)
      : size(features), groups(of_groups), part(size / groups), stride(padded(part)), width(groups * stride) {}

  [[nodiscard]] std::size_t at(std::size_t feature) const { return feature / part * stride + feature % part; }
};

/// A layer as kernels read it: kTile outputs a panel. Positions are those of the layouts; padding weighs nothing.
struct Layer {
  Layout in;
  Layout out;
  std::size_t groups;
  Activation activation = Activation::kNone;
  AlignedVector<float> biases;
  AlignedVector<float> weights;      ///< kFp32: panel, input, output
  AlignedVector<std::int8_t> codes;  ///< kInt8: panel, four inputs, output, input of the four
  std::vector<float> scales;         ///< kInt8: m_weights / 127 of each output

  /// Inputs that a panel reads: those of its group.
  [[nodiscard]] std::size_t read() const { return in.width / groups; }
  [[nodiscard]] std::size_t panels_of_group() const { return out.width / groups / kTile; }
};

/// What one thread computes with.
struct Workspace {
  AlignedVector<float> block;
  AlignedVector<float> next;
  AlignedVector<std::int8_t> codes;  ///< a row an input row
  AlignedVector<std::int32_t> sums;
};

/// Copies the weights of an output to where a panel reads their inputs.
void place_weights(const DenseLayer& from, const Layer& layer, std::size_t output, std::span<float> placed) {
  std::fill(placed.begin(), placed.end(), 0.0F);
  const std::span<const float> row = from.weights.row(output);
  // The positions of a group begin with a part of the layout, or, of a layer with one group, with the first of them.
  for (std::size_t i = 0; i < row.size(); ++i) placed[layer.in.at(i)] = row[i];
}

void pack_weights(const DenseLayer& from, Layer* layer) {
  layer->weights.resize(layer->out.width * layer->read());
  std::vector<float> row(layer->read());
  for (std::size_t o = 0; o < layer->out.size; ++o) {
    const std::size_t at = layer->out.at(o);
    place_weights(from, *layer, o, row);
    float* panel = layer->weights.data() + at / kTile * row.size() * kTile;
    // Transposed within the panel: kernels read the weights of 16 outputs for one input together.
    for (std::size_t i = 0; i < row.size(); ++i) panel[i * kTile + at % kTile] = row[i];
  }
}

void pack_codes(const DenseLayer& from, Layer* layer) {
  layer->codes.resize(layer->out.width * layer->read());
  layer->scales.resize(layer->out.width);
  std::vector<float> row(layer->read());
  std::vector<std::int8_t> codes(row.size());
  for (std::size_t o = 0; o < layer->out.size; ++o) {
    const std::size_t at = layer->out.at(o);
    place_weights(from, *layer, o, row);
    std::int8_t* panel = layer->codes.data() + at / kTile * row.size() * kTile;
    // Every table gives the same.
    kCodesScalar.encode(row.data(), row.size(), 1, row.size(), codes.data(), &layer->scales[at]);
    for (std::size_t i = 0; i < row.size(); ++i) panel[(i / 4 * kTile + at % kTile) * 4 + i % 4] = codes[i];
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
  const std::size_t outputs = layer.out.width;
  for (std::size_t o = 0; o < outputs; ++o) std::fill_n(work->next.data() + o * kTile, kTile, layer.biases[o]);
  for (std::size_t panel = 0; panel < outputs / kTile; ++panel) {
    const float* weights = layer.weights.data() + panel * layer.read() * kTile;
    const float* inputs = work->block.data() + panel / layer.panels_of_group() * layer.read() * kTile;
    kernels.add_products(weights, inputs, layer.read(), work->next.data() + panel * kTile * kTile);
  }
  activate(layer.activation, std::span(work->next).first(outputs * kTile));
}

void run_int8(const DenseKernels& kernels, const CodeKernels& codes, const Layer& layer, Workspace* work) {
  const std::size_t read = layer.read();
  const std::size_t panels = layer.panels_of_group();
  const std::size_t given = panels * kTile;
  float input_scales[kTile];  // NaN marks a value that is not finite, and spreads to all outputs that read it
  for (std::size_t group = 0; group < layer.groups; ++group) {
    const std::size_t first = group * given;
    codes.encode(work->block.data() + group * read, layer.in.width, kTile, read, work->codes.data(), input_scales);
    kernels.multiply_int8(work->codes.data(), layer.codes.data() + first * read, read / 4, panels, work->sums.data());
    for (std::size_t r = 0; r < kTile; ++r) {
      codes.decode(work->sums.data() + r * given, given, input_scales[r], layer.scales.data() + first,
                   layer.biases.data() + first, layer.activation == Activation::kRelu,
                   work->next.data() + r * layer.out.width + first);
    }
  }
  if (layer.activation == Activation::kSigmoid) {
    activate(layer.activation, std::span(work->next).first(layer.out.width * kTile));
  }
}

Status check_layer(const DenseLayer& layer, Precision precision) {
  const MatrixView& weights = layer.weights;
  if (weights.rows == 0 || weights.dim == 0) return invalid_argument("it needs inputs and outputs");
  if (layer.groups == 0 || weights.rows % layer.groups != 0) {
    return invalid_argument(std::to_string(weights.rows) + " outputs do not make " + std::to_string(layer.groups) +
                            " equal groups");
  }
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

std::size_t inputs_of(const DenseLayer& layer) { return layer.weights.dim * layer.groups; }

Status check_scaling(const InputScaling& scaling, std::size_t inputs) {
  if (scaling.mean.size() != inputs || scaling.factors.size() != inputs) {
    return invalid_argument("to scale " + std::to_string(inputs) + " inputs takes as many means and factors");
  }
  if (!all_finite(scaling.mean) || !all_finite(scaling.factors) || !std::isfinite(scaling.bound)) {
    return invalid_argument("a number that inputs are scaled by is not finite");
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
    if (i == 0) continue;
    if (inputs_of(layers[i]) != layers[i - 1].weights.rows) {
      return invalid_argument("layer " + std::to_string(i) + " takes " + std::to_string(inputs_of(layers[i])) +
                              " inputs, but the one before it has " + std::to_string(layers[i - 1].weights.rows) +
                              " outputs");
    }
    const std::size_t groups = layers[i].groups;
    const std::size_t before = layers[i - 1].groups;
    if (groups != before && groups != 1 && before != 1) {
      return invalid_argument("layer " + std::to_string(i) + " has " + std::to_string(groups) +
                              " groups, but the one before it has " + std::to_string(before));
    }
  }
  return ok_status();
}

/// In a block that two layers share, features stand as it suits the one with more groups.
Layout layout_between(const DenseLayer& writer, const DenseLayer& reader) {
  return Layout(writer.weights.rows, std::max(writer.groups, reader.groups));
}

std::vector<Layer> pack(std::span<const DenseLayer> layers, Precision precision) {
  std::vector<Layer> packed;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const DenseLayer& from = layers[i];
    const bool last = i + 1 == layers.size();
    Layer& layer = packed.emplace_back(Layer{
        .in = i == 0 ? Layout(inputs_of(from), from.groups) : packed[i - 1].out,
        .out = last ? Layout(from.weights.rows, from.groups) : layout_between(from, layers[i + 1]),
        .groups = from.groups,
        .activation = from.activation,
    });
    layer.biases.resize(layer.out.width);
    for (std::size_t o = 0; o < from.biases.size(); ++o) layer.biases[layer.out.at(o)] = from.biases[o];
    precision == Precision::kInt8 ? pack_codes(from, &layer) : pack_weights(from, &layer);
  }
  return packed;
}

/// InputScaling, by positions of a layout.
struct PlacedScaling {
  AlignedVector<float> mean;
  AlignedVector<float> factors;
  float bound = 0.0F;

  PlacedScaling(const InputScaling& scaling, const Layout& layout)
      : mean(layout.width), factors(layout.width), bound(scaling.bound) {
    for (std::size_t i = 0; i < layout.size; ++i) {
      mean[layout.at(i)] = scaling.mean[i];
      factors[layout.at(i)] = scaling.factors[i];
    }
  }
};

}  // namespace

struct Network::State {
  std::vector<Layer> layers;
  Precision precision;
  const DenseKernels* kernels;
  const CodeKernels* codes;
  std::size_t threads;
  std::optional<PlacedScaling> scaling = {};
  std::size_t widest = 0;  ///< of all blocks

  [[nodiscard]] Workspace workspace() const {
    Workspace work;
    work.block.resize(widest * kTile);
    work.next.resize(widest * kTile);
    if (precision != Precision::kInt8) return work;
    work.codes.resize(widest * kTile);
    work.sums.resize(widest * kTile);
    return work;
  }

  /// Runs the kTile input rows from tile * kTile on. A block always has room for as many; what stands where there is no
  /// row is run too, and nobody reads its outputs.
  void run_tile(MatrixView inputs, std::size_t tile, std::span<float> outputs, Workspace* work) const {
    const std::size_t first = tile * kTile;
    const std::size_t count = std::min(kTile, inputs.rows - first);
    for (std::size_t r = 0; r < count; ++r) take_row(inputs.row(first + r), r, work);
    clear_padding(layers.front().in, &work->block);
    run_block(work);
    const Layout& out = layers.back().out;
    for (std::size_t r = 0; r < count; ++r) {
      float* row = outputs.data() + (first + r) * out.size;
      for (std::size_t group = 0; group < out.groups; ++group) {
        const std::size_t begin = group * out.stride;
        if (precision == Precision::kInt8) {
          row = std::copy_n(work->block.data() + r * out.width + begin, out.part, row);
          continue;
        }
        for (std::size_t o = 0; o < out.part; ++o) *row++ = work->block[(begin + o) * kTile + r];
      }
    }
  }

 private:
  /// Of the value of a row at a position.
  [[nodiscard]] std::size_t in_block(const Layout& layout, std::size_t position, std::size_t row) const {
    return precision == Precision::kInt8 ? row * layout.width + position : position * kTile + row;
  }

  void take_row(std::span<const float> row, std::size_t r, Workspace* work) const {
    const Layout& in = layers.front().in;
    // In codes a row is a row of the block; in floats it becomes a column, once it is scaled.
    float* to = precision == Precision::kInt8 ? work->block.data() + r * in.width : work->next.data();
    for (std::size_t group = 0; group < in.groups; ++group) {
      std::copy_n(row.data() + group * in.part, in.part, to + group * in.stride);
    }
    if (scaling) codes->normalize(scaling->mean.data(), scaling->factors.data(), scaling->bound, in.width, to);
    if (precision == Precision::kInt8) return;
    for (std::size_t i = 0; i < in.width; ++i) work->block[i * kTile + r] = to[i];
  }

  void clear_padding(const Layout& layout, AlignedVector<float>* block) const {
    if (layout.width == layout.size) return;
    for (std::size_t group = 0; group < layout.groups; ++group) {
      const std::size_t end = (group + 1) * layout.stride;
      for (std::size_t at = group * layout.stride + layout.part; at < end; ++at) {
        for (std::size_t r = 0; r < kTile; ++r) (*block)[in_block(layout, at, r)] = 0.0F;
      }
    }
  }

  /// Runs the input rows of `work->block`, which becomes the block of the outputs.
  void run_block(Workspace* work) const {
    for (const Layer& layer : layers) {
      precision == Precision::kInt8 ? run_int8(*kernels, *codes, layer, work) : run_fp32(*kernels, layer, work);
      // The sigmoid of 0 is not 0, and in floats infinity times 0 is not.
      const bool spoilt = precision == Precision::kFp32 || layer.activation == Activation::kSigmoid;
      if (spoilt && &layer != &layers.back()) clear_padding(layer.out, &work->next);
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
  if (options.scaling) CAIRN_RETURN_IF_ERROR(check_scaling(*options.scaling, inputs_of(layers.front())));
  const InstructionSet set = options.instruction_set.value_or(best_instruction_set());
  if (set > best_instruction_set()) {
    return failed_precondition("this machine does not have the instruction set " + std::string(to_string(set)));
  }
  State state{.layers = pack(layers, options.precision),
              .precision = options.precision,
              .kernels = &dense_kernels(set),
              .codes = &code_kernels(set),
              .threads = options.threads};
  if (options.scaling) state.scaling.emplace(*options.scaling, state.layers.front().in);
  for (const Layer& layer : state.layers) {
    state.widest = std::max({state.widest, layer.in.width, layer.out.width});
  }
  return Network(std::make_unique<const State>(std::move(state)));
}

std::size_t Network::inputs() const noexcept { return state_->layers.front().in.size; }
std::size_t Network::outputs() const noexcept { return state_->layers.back().out.size; }
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
