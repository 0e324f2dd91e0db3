#include "gpu/train/dense_net.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "gpu/network.h"

namespace {

using namespace cairn::gpu;

std::vector<float> drawn(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

constexpr std::size_t kSizes[] = {5, 7, 4, 2};

TEST_CASE("a network in training computes what the same network computes when it answers") {
  const DenseNet net(kSizes, 11, 1.0F);
  std::vector<DenseLayer> layers;
  for (std::size_t i = 0; i < net.layers(); ++i) {
    layers.push_back({net.weights(i), net.biases(i), i + 1 < net.layers() ? Activation::kRelu : Activation::kNone});
  }
  auto answering = Network::make(layers);
  REQUIRE(answering.ok());
  constexpr std::size_t kRows = 33;
  const std::vector<float> inputs = drawn(kRows * net.inputs(), 3);
  std::vector<float> expected(kRows * net.outputs());
  REQUIRE(answering->run({inputs, kRows, net.inputs()}, expected).ok());
  DenseNet::Pass pass;
  const auto outputs = net.forward({inputs, kRows, net.inputs()}, &pass);
  REQUIRE(outputs.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(outputs[i] == doctest::Approx(expected[i]).epsilon(1e-4));
}

TEST_CASE("a gradient is how much the outputs change when a number does") {
  DenseNet net(kSizes, 5, 1.0F);
  constexpr std::size_t kRows = 6;
  std::vector<float> inputs = drawn(kRows * net.inputs(), 7);
  // What is differentiated is the sum of the outputs, each times a factor of its own.
  const std::vector<float> factors = drawn(kRows * net.outputs(), 8);
  DenseNet::Pass pass;
  const auto value = [&] {
    const auto outputs = net.forward({inputs, kRows, net.inputs()}, &pass);
    double sum = 0.0;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      sum += static_cast<double>(outputs[i]) * static_cast<double>(factors[i]);
    }
    return sum;
  };
  (void)value();
  std::vector<float> gradient(net.parameters().size(), 1.0F);  // what is there is added to
  std::vector<float> by_input(inputs.size());
  net.backward({inputs, kRows, net.inputs()}, factors, &pass, gradient, by_input);

  const auto slope = [&](float* number) {
    constexpr float kStep = 1e-3F;
    const float before = *number;
    *number = before + kStep;
    const double above = value();
    *number = before - kStep;
    const double below = value();
    *number = before;
    return (above - below) / (2.0 * static_cast<double>(kStep));
  };
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    CAPTURE(i);
    CHECK(static_cast<double>(gradient[i]) - 1.0 == doctest::Approx(slope(&net.parameters()[i])).epsilon(0.02));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(i);
    CHECK(static_cast<double>(by_input[i]) == doctest::Approx(slope(&inputs[i])).epsilon(0.02));
  }
}

TEST_CASE("no rows have no gradient") {
  const DenseNet net(kSizes, 1, 1.0F);
  DenseNet::Pass pass;
  CHECK(net.forward({{}, 0, net.inputs()}, &pass).empty());
  std::vector<float> gradient(net.parameters().size());
  net.backward({{}, 0, net.inputs()}, {}, &pass, gradient, {});
  for (const float value : gradient) CHECK(value == 0.0F);
}

TEST_CASE("a network whose last layer begins at nothing answers nothing, and the same seed draws the same numbers") {
  const DenseNet net(kSizes, 42, 0.0F);
  const std::vector<float> inputs = drawn(4 * net.inputs(), 2);
  DenseNet::Pass pass;
  for (const float value : net.forward({inputs, 4, net.inputs()}, &pass)) CHECK(value == 0.0F);
  const DenseNet again(kSizes, 42, 0.0F);
  CHECK(std::equal(net.parameters().begin(), net.parameters().end(), again.parameters().begin()));
  const DenseNet other(kSizes, 43, 0.0F);
  CHECK_FALSE(std::equal(net.parameters().begin(), net.parameters().end(), other.parameters().begin()));
}

TEST_CASE("Adam's steps are those of the paper") {
  // By hand, from algorithm 1 with the gradients 2 and then -1, rate 0.1: m = 0.2, v = 0.004, so 0.1 * 2 / 2 = 0.1
  // down; then m = 0.9 * 0.2 - 0.1 = 0.08 over 0.19, v = 0.999 * 0.004 + 0.001 = 0.004996 over 0.001999.
  Adam adam(1, 0.0F);
  std::vector<float> number = {1.0F};
  adam.step(0.1F, std::vector<float>{2.0F}, number);
  CHECK(number[0] == doctest::Approx(0.9).epsilon(1e-5));
  adam.step(0.1F, std::vector<float>{-1.0F}, number);
  const double step = 0.1 * (0.08 / 0.19) / std::sqrt(0.004996 / 0.001999);
  CHECK(number[0] == doctest::Approx(0.9 - step).epsilon(1e-4));
}

TEST_CASE("decay pulls numbers to nothing where the gradient says nothing") {
  Adam adam(2, 0.1F);
  std::vector<float> numbers = {3.0F, -2.0F};
  for (int i = 0; i < 2000; ++i) adam.step(0.01F, std::vector<float>{0.0F, 0.0F}, numbers);
  CHECK(std::abs(numbers[0]) < 0.05F);
  CHECK(std::abs(numbers[1]) < 0.05F);
}

}  // namespace
