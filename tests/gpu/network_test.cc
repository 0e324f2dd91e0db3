#include "gpu/network.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/gpu/every_instruction_set.h"

namespace {

using namespace cairn;
using namespace cairn::gpu;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct LayerValues {
  std::vector<float> weights;
  std::vector<float> biases;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  Activation activation = Activation::kNone;
  std::size_t groups = 1;

  [[nodiscard]] DenseLayer view() const { return {{weights, outputs, inputs / groups}, biases, activation, groups}; }

  /// The weights of an output for all inputs: 0 for those of other groups.
  [[nodiscard]] std::vector<float> row(std::size_t output) const {
    const std::size_t part = inputs / groups;
    const std::size_t group = output / (outputs / groups);
    std::vector<float> all(inputs);
    std::copy_n(weights.data() + output * part, part, all.data() + group * part);
    return all;
  }
};

std::vector<float> random_values(std::mt19937* random, std::size_t count) {
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(*random);
  return values;
}

/// With groups, each layer has so many or one.
std::vector<LayerValues> random_layers(std::mt19937* random, std::size_t groups = 1) {
  std::vector<LayerValues> layers(1 + (*random)() % 4);
  const auto drawn_width = [&] { return groups * (1 + (*random)() % (70 / groups)); };
  std::size_t width = drawn_width();
  for (LayerValues& layer : layers) {
    layer.inputs = width;
    layer.outputs = width = drawn_width();
    layer.groups = (*random)() % 3 == 0 ? 1 : groups;
    layer.weights = random_values(random, layer.inputs / layer.groups * layer.outputs);
    if ((*random)() % 3 != 0) layer.biases = random_values(random, layer.outputs);
    layer.activation = static_cast<Activation>((*random)() % 3);
  }
  return layers;
}

std::vector<float> run(const std::vector<LayerValues>& layers, const NetworkOptions& options,
                       const std::vector<float>& inputs) {
  std::vector<DenseLayer> views;
  for (const LayerValues& layer : layers) views.push_back(layer.view());
  const auto network = Network::make(views, options);
  REQUIRE_MESSAGE(network.ok(), network.status().to_string());
  CHECK(network->inputs() == layers.front().inputs);
  CHECK(network->outputs() == layers.back().outputs);
  const std::size_t rows = inputs.size() / network->inputs();
  std::vector<float> outputs(rows * network->outputs(), 123.0F);
  const Status status = network->run({inputs, rows, network->inputs()}, outputs);
  REQUIRE_MESSAGE(status.ok(), status.to_string());
  return outputs;
}

template <class Number>
Number activated(Activation activation, Number value) {
  if (activation == Activation::kRelu) return value < 0 ? 0 : value;
  if (activation == Activation::kSigmoid) return 1 / (1 + std::exp(-value));
  return value;
}

struct Bounded {
  double value = 0.0;
  double error = 0.0;  ///< how far float arithmetic may end from it
};

/// One row, in double, beside a running bound of the error of float: n + 2 roundings of a sum of n products, four of an
/// activation, none of which steepens what it is given.
std::vector<Bounded> oracle(const std::vector<LayerValues>& layers, const std::vector<float>& inputs) {
  constexpr double kRounding = 6e-8;
  std::vector<Bounded> values;
  for (const float input : inputs) values.push_back({static_cast<double>(input)});
  for (const LayerValues& layer : layers) {
    std::vector<Bounded> next;
    for (std::size_t o = 0; o < layer.outputs; ++o) {
      double sum = layer.biases.empty() ? 0.0 : static_cast<double>(layer.biases[o]);
      double magnitude = std::abs(sum);
      double error = 0.0;
      const std::vector<float> weights = layer.row(o);
      for (std::size_t i = 0; i < layer.inputs; ++i) {
        const double weight = static_cast<double>(weights[i]);
        sum += weight * values[i].value;
        magnitude += std::abs(weight) * (std::abs(values[i].value) + values[i].error);
        error += std::abs(weight) * values[i].error;
      }
      error += static_cast<double>(layer.inputs + 2) * kRounding * magnitude;
      const double value = activated(layer.activation, sum);
      next.push_back({value, error + 4 * kRounding * std::abs(value)});
    }
    values = next;
  }
  return values;
}

struct Codes {
  std::vector<int> codes;
  float scale = 0.0F;
};

Codes coded(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  Codes codes{.scale = largest / 127.0F};
  const float factor = largest == 0.0F ? 0.0F : 127.0F / largest;
  for (const float value : values) codes.codes.push_back(static_cast<int>(std::nearbyint(value * factor)));
  return codes;
}

/// One row by the header's definition of kInt8, with integers of 64 bits.
std::vector<float> int8_oracle(const std::vector<LayerValues>& layers, std::vector<float> values) {
  for (const LayerValues& layer : layers) {
    const std::size_t part = layer.inputs / layer.groups;
    std::vector<float> next;
    for (std::size_t o = 0; o < layer.outputs; ++o) {
      const std::size_t group = o / (layer.outputs / layer.groups);
      const Codes inputs = coded(std::span(values).subspan(group * part, part));
      const Codes weights = coded(std::span(layer.weights).subspan(o * part, part));
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < part; ++i) sum += std::int64_t{inputs.codes[i]} * weights.codes[i];
      const float product = static_cast<float>(sum) * (inputs.scale * weights.scale);
      next.push_back(activated(layer.activation, product + (layer.biases.empty() ? 0.0F : layer.biases[o])));
    }
    values = next;
  }
  return values;
}

std::vector<float> row_of(const std::vector<float>& values, std::size_t r, std::size_t width) {
  const auto first = values.begin() + static_cast<std::ptrdiff_t>(r * width);
  return {first, first + static_cast<std::ptrdiff_t>(width)};
}

TEST_CASE("fp32 gives what the layers give in double, on every instruction set") {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    const std::vector<LayerValues> layers = random_layers(&random);
    const std::size_t rows = random() % 40;
    const std::vector<float> inputs = random_values(&random, rows * layers.front().inputs);
    for (const InstructionSet set : every_instruction_set()) {
      INFO("seed ", seed, " on ", std::string(to_string(set)));
      const std::vector<float> outputs = run(layers, {.instruction_set = set, .threads = 2}, inputs);
      const std::size_t width = layers.back().outputs;
      for (std::size_t r = 0; r < rows; ++r) {
        const std::vector<Bounded> expected = oracle(layers, row_of(inputs, r, layers.front().inputs));
        for (std::size_t o = 0; o < width; ++o) {
          CHECK(std::abs(static_cast<double>(outputs[r * width + o]) - expected[o].value) <= expected[o].error);
        }
      }
    }
  }
}

TEST_CASE("int8 gives the integers' bits, on every instruction set") {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    const std::vector<LayerValues> layers = random_layers(&random);
    const std::size_t rows = random() % 40;
    const std::vector<float> inputs = random_values(&random, rows * layers.front().inputs);
    for (const InstructionSet set : every_instruction_set()) {
      INFO("seed ", seed, " on ", std::string(to_string(set)));
      const auto outputs = run(layers, {.precision = Precision::kInt8, .instruction_set = set, .threads = 2}, inputs);
      for (std::size_t r = 0; r < rows; ++r) {
        CHECK(row_of(outputs, r, layers.back().outputs) ==
              int8_oracle(layers, row_of(inputs, r, layers.front().inputs)));
      }
    }
  }
}

TEST_CASE("outputs of a group read the inputs of that group alone, on every instruction set") {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const std::vector<LayerValues> layers = random_layers(&random, 2 + seed % 4);
    const std::size_t rows = random() % 40;
    const std::vector<float> inputs = random_values(&random, rows * layers.front().inputs);
    const std::size_t width = layers.back().outputs;
    for (const InstructionSet set : every_instruction_set()) {
      INFO("seed ", seed, " on ", std::string(to_string(set)));
      const auto floats = run(layers, {.instruction_set = set, .threads = 2}, inputs);
      const auto codes = run(layers, {.precision = Precision::kInt8, .instruction_set = set}, inputs);
      for (std::size_t r = 0; r < rows; ++r) {
        const std::vector<float> row = row_of(inputs, r, layers.front().inputs);
        CHECK(row_of(codes, r, width) == int8_oracle(layers, row));
        const std::vector<Bounded> expected = oracle(layers, row);
        for (std::size_t o = 0; o < width; ++o) {
          CHECK(std::abs(static_cast<double>(floats[r * width + o]) - expected[o].value) <= expected[o].error);
        }
      }
    }
  }
}

TEST_CASE("inputs are scaled before the first layer, and bounded") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    const std::vector<LayerValues> layers = random_layers(&random, 1 + seed % 3);
    const std::size_t inputs = layers.front().inputs;
    const std::vector<float> mean = random_values(&random, inputs);
    const std::vector<float> factors = random_values(&random, inputs);
    const std::vector<float> values = random_values(&random, 20 * inputs);
    std::vector<float> scaled;
    for (std::size_t i = 0; i < values.size(); ++i) {
      scaled.push_back(std::clamp((values[i] - mean[i % inputs]) * factors[i % inputs], -1.5F, 1.5F));
    }
    for (const InstructionSet set : every_instruction_set()) {
      for (const Precision precision : {Precision::kFp32, Precision::kInt8}) {
        INFO("seed ", seed, " on ", std::string(to_string(set)));
        NetworkOptions options{.precision = precision, .instruction_set = set};
        const std::vector<float> expected = run(layers, options, scaled);
        options.scaling = InputScaling{mean, factors, 1.5F};
        CHECK(run(layers, options, values) == expected);
      }
    }
  }
}

TEST_CASE("a value that is not finite stays so when inputs are scaled") {
  const LayerValues layer{.weights = {1, 1}, .inputs = 2, .outputs = 1};
  const std::vector<float> mean{0, 0};
  const std::vector<float> factors{1, 1};
  for (const InstructionSet set : every_instruction_set()) {
    for (const Precision precision : {Precision::kFp32, Precision::kInt8}) {
      const NetworkOptions options{
          .precision = precision, .instruction_set = set, .scaling = InputScaling{mean, factors, 5.0F}};
      CHECK(std::isnan(run({layer}, options, {std::nanf(""), 1})[0]));
      CHECK(run({layer}, options, {kInfinity, 1})[0] == doctest::Approx(6.0).epsilon(0.01));
    }
  }
}

TEST_CASE("the largest codes neither saturate nor overflow") {
  for (const float sign : {1.0F, -1.0F}) {
    const std::size_t inputs = 131'072;
    const LayerValues layer{.weights = std::vector<float>(inputs, sign), .inputs = inputs, .outputs = 1};
    for (const InstructionSet set : every_instruction_set()) {
      const auto outputs =
          run({layer}, {.precision = Precision::kInt8, .instruction_set = set}, std::vector<float>(inputs, 1.0F));
      CHECK(outputs[0] == doctest::Approx(static_cast<double>(sign) * 131'072.0));
    }
  }
}

TEST_CASE("int8 is within half a code of weights and of inputs from fp32") {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    INFO("seed ", seed);
    std::mt19937 random(seed);
    LayerValues layer{.inputs = 1 + random() % 200, .outputs = 1 + random() % 50};
    layer.weights = random_values(&random, layer.inputs * layer.outputs);
    const std::vector<float> inputs = random_values(&random, layer.inputs);
    const auto outputs = run({layer}, {.precision = Precision::kInt8}, inputs);
    const std::vector<Bounded> expected = oracle({layer}, inputs);
    const double input_half = static_cast<double>(coded(inputs).scale) / 2;
    for (std::size_t o = 0; o < layer.outputs; ++o) {
      // |x w - x' w'| <= |x| |w - w'| + |w| |x - x'| + |w - w'| |x - x'|, summed; and float arithmetic.
      const std::vector<float> weights = row_of(layer.weights, o, layer.inputs);
      const double weight_half = static_cast<double>(coded(weights).scale) / 2;
      double bound = 0.0;
      for (std::size_t i = 0; i < layer.inputs; ++i) {
        bound += std::abs(static_cast<double>(inputs[i])) * weight_half +
                 std::abs(static_cast<double>(weights[i])) * input_half + weight_half * input_half;
      }
      CHECK(std::abs(static_cast<double>(outputs[o]) - expected[o].value) <= bound + expected[o].error);
    }
  }
}

TEST_CASE("activations by hand") {
  for (const Precision precision : {Precision::kFp32, Precision::kInt8}) {
    for (const InstructionSet set : every_instruction_set()) {
      LayerValues layer{.weights = {1, -1, 0}, .biases = {0, 0, 0.5F}, .inputs = 1, .outputs = 3};
      const auto outputs = [&](Activation activation) {
        layer.activation = activation;
        return run({layer}, {.precision = precision, .instruction_set = set}, {2.0F});
      };
      CHECK(outputs(Activation::kNone) == std::vector<float>{2, -2, 0.5F});
      CHECK(outputs(Activation::kRelu) == std::vector<float>{2, 0, 0.5F});
      const std::vector<float> sigmoids = outputs(Activation::kSigmoid);
      CHECK(sigmoids[0] == doctest::Approx(0.8807970779778823));
      CHECK(sigmoids[1] == doctest::Approx(0.1192029220221176));
      CHECK(sigmoids[2] == doctest::Approx(0.6224593312018546));
    }
  }
}

TEST_CASE("NaN passes through layers and activations, and stays in its row") {
  std::mt19937 random(1);
  for (const Precision precision : {Precision::kFp32, Precision::kInt8}) {
    for (const InstructionSet set : every_instruction_set()) {
      std::vector<LayerValues> layers(2);
      layers[0] = {random_values(&random, 15), {}, 3, 5, Activation::kRelu};
      layers[1] = {random_values(&random, 10), {}, 5, 2, Activation::kSigmoid};
      const std::vector<float> inputs{1, 2, 3, 4, std::nanf(""), 6, 7, 8, 9};
      const auto outputs = run(layers, {.precision = precision, .instruction_set = set}, inputs);
      for (std::size_t i = 0; i < 6; ++i) CHECK(std::isnan(outputs[i]) == (i == 2 || i == 3));
    }
  }
}

TEST_CASE("infinities are values in fp32, and NaN in int8") {
  const LayerValues layer{.weights = {1, 2, -1, 3}, .inputs = 2, .outputs = 2};
  for (const InstructionSet set : every_instruction_set()) {
    const std::vector<float> fp32 = run({layer}, {.instruction_set = set}, {kInfinity, 1.0F});
    CHECK(fp32 == std::vector<float>{kInfinity, -kInfinity});
    for (const float bad : {kInfinity, -kInfinity}) {
      const auto int8 = run({layer}, {.precision = Precision::kInt8, .instruction_set = set}, {bad, 1.0F});
      CHECK(std::isnan(int8[0]));
      CHECK(std::isnan(int8[1]));
    }
  }
}

TEST_CASE("zeros, and values too small for codes, give the biases") {
  const LayerValues layer{.weights = {1, 2, 0, 0}, .biases = {3, 4}, .inputs = 2, .outputs = 2};
  for (const InstructionSet set : every_instruction_set()) {
    const NetworkOptions options{.precision = Precision::kInt8, .instruction_set = set};
    CHECK(run({layer}, options, {0, 0}) == std::vector<float>{3, 4});
    CHECK(run({layer}, options, {1e-40F, -1e-38F}) == std::vector<float>{3, 4});
  }
}

TEST_CASE("a row's outputs depend neither on the rows beside it nor on the threads") {
  std::mt19937 random(9);
  const std::vector<LayerValues> layers = random_layers(&random);
  const std::size_t width = layers.back().outputs;
  const std::vector<float> inputs = random_values(&random, 50 * layers.front().inputs);
  for (const Precision precision : {Precision::kFp32, Precision::kInt8}) {
    for (const InstructionSet set : every_instruction_set()) {
      const auto all = run(layers, {.precision = precision, .instruction_set = set, .threads = 3}, inputs);
      for (std::size_t r = 0; r < 50; ++r) {
        const auto one =
            run(layers, {.precision = precision, .instruction_set = set}, row_of(inputs, r, layers.front().inputs));
        CHECK(one == row_of(all, r, width));
      }
    }
  }
}

TEST_CASE("networks that make no sense are refused") {
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  const std::vector<float> two{1, 2};
  const auto code = [](std::vector<DenseLayer> layers, Precision precision = Precision::kFp32) {
    return Network::make(layers, {.precision = precision}).status().code();
  };
  CHECK(code({{{six, 2, 3}, two}}) == StatusCode::kOk);
  CHECK(code({{{six, 2, 3}, two}, {{two, 1, 2}, {}}}) == StatusCode::kOk);
  CHECK(code({}) == StatusCode::kInvalidArgument);
  CHECK(code({{{six, 2, 2}, {}}}) == StatusCode::kInvalidArgument);
  CHECK(code({{{six, 3, 2}, two}}) == StatusCode::kInvalidArgument);
  CHECK(code({{{{}, 0, 2}, {}}}) == StatusCode::kInvalidArgument);
  CHECK(code({{{{}, 2, 0}, {}}}) == StatusCode::kInvalidArgument);
  CHECK(code({{{six, 3, 2}, {}}, {{two, 1, 2}, {}}}) == StatusCode::kInvalidArgument);
  CHECK(code({{{six, 2, 3}, {}, static_cast<Activation>(77)}}) == StatusCode::kInvalidArgument);
  CHECK(code({{{six, 2, 3}, {}}}, Precision::kFp16) == StatusCode::kInvalidArgument);
  CHECK(code({{{six, 2, 3}, {}}}, Precision::kInt4) == StatusCode::kInvalidArgument);
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    const std::vector<float> bad_two{1, bad};
    CHECK(code({{{bad_two, 1, 2}, {}}}) == StatusCode::kInvalidArgument);
    CHECK(code({{{six, 2, 3}, bad_two}}) == StatusCode::kInvalidArgument);
  }
  const std::vector<float> four{1, 2, 3, 4};
  const auto grouped = [](std::span<const float> weights, std::size_t outputs, std::size_t inputs, std::size_t groups) {
    return DenseLayer{{weights, outputs, inputs}, {}, Activation::kNone, groups};
  };
  CHECK(code({grouped(four, 4, 1, 2)}) == StatusCode::kOk);
  CHECK(code({grouped(four, 4, 1, 2), grouped(four, 2, 2, 2)}) == StatusCode::kOk);
  CHECK(code({grouped(four, 4, 1, 4), grouped(four, 2, 2, 2)}) == StatusCode::kInvalidArgument);
  CHECK(code({grouped(four, 4, 1, 3)}) == StatusCode::kInvalidArgument);
  CHECK(code({grouped(four, 4, 1, 0)}) == StatusCode::kInvalidArgument);
  CHECK(code({grouped(four, 4, 1, 2), grouped(four, 1, 4, 1)}) == StatusCode::kOk);
  CHECK(code({grouped(four, 4, 1, 2), grouped(four, 2, 2, 1)}) == StatusCode::kInvalidArgument);
  const auto scaled = [&](std::span<const float> mean, std::span<const float> factors, float bound) {
    const std::vector<DenseLayer> layers{{{two, 1, 2}, {}}};
    return Network::make(layers, {.scaling = InputScaling{mean, factors, bound}}).status().code();
  };
  CHECK(scaled(two, two, 1.0F) == StatusCode::kOk);
  CHECK(scaled(six, two, 1.0F) == StatusCode::kInvalidArgument);
  CHECK(scaled(two, {}, 1.0F) == StatusCode::kInvalidArgument);
  CHECK(scaled(two, two, kInfinity) == StatusCode::kInvalidArgument);
  const std::vector<float> many(131'073);
  CHECK(code({{{many, 1, 131'073}, {}}}) == StatusCode::kOk);
  CHECK(code({{{many, 1, 131'073}, {}}}, Precision::kInt8) == StatusCode::kInvalidArgument);
}

TEST_CASE("inputs and outputs that do not fit are refused") {
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  const std::vector<DenseLayer> layers{{{six, 2, 3}, {}}};
  const auto network = Network::make(layers);
  REQUIRE(network.ok());
  std::vector<float> room(4);
  CHECK(network->run({six, 2, 3}, room).ok());
  CHECK(network->run({six, 3, 2}, room).code() == StatusCode::kInvalidArgument);
  CHECK(network->run({six, 1, 3}, room).code() == StatusCode::kInvalidArgument);
  CHECK(network->run({six, 2, 3}, std::span(room).first(3)).code() == StatusCode::kInvalidArgument);
  CHECK(network->run({{}, 0, 3}, {}).ok());
}

}  // namespace
