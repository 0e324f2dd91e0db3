#include "engine/ranking/score/second_stage.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/ranking/score/network_inputs.h"
#include "gpu/elementary.h"

namespace cairn::ranking {

namespace {

constexpr float kExponentMax = 30.0F;  ///< of what exp() is taken of

}  // namespace

Result<ScaledNetwork> ScaledNetwork::create(const NetworkNumbers& numbers, gpu::Precision precision,
                                            std::optional<gpu::InstructionSet> instruction_set) {
  std::vector<gpu::DenseLayer> layers;
  for (std::size_t i = 0; i < numbers.layers.size(); ++i) {
    const NetworkNumbers::Layer& layer = numbers.layers[i];
    const bool last = i + 1 == numbers.layers.size();
    layers.push_back({.weights = {layer.weights, layer.outputs, layer.inputs},
                      .biases = layer.biases,
                      .activation = last ? gpu::Activation::kNone : gpu::Activation::kRelu});
  }
  CAIRN_ASSIGN_OR_RETURN(auto network, gpu::Network::make(layers, {precision, instruction_set, 1}));
  return ScaledNetwork(numbers, std::move(network));
}

void ScaledNetwork::run(std::span<float> inputs, float bound, std::span<float> outputs) const {
  constexpr float kMax = NetworkNumbers::kInputMax;
  const std::size_t width = mean_.size();
  const std::size_t rows = inputs.size() / width;
  const float* __restrict mean = mean_.data();
  const float* __restrict scale = scale_.data();
  for (std::size_t r = 0; r < rows; ++r) {
    float* __restrict row = inputs.data() + r * width;
    for (std::size_t i = 0; i < width; ++i) {
      float value = (row[i] - mean[i]) * scale[i];
      value = value > kMax ? kMax : value;
      row[i] = value < -kMax ? -kMax : value;
    }
  }
  const Status ran = network_.run({inputs, rows, width}, outputs);
  CAIRN_CHECK_MSG(ran.ok(), ran.to_string());  // shapes fit
  // Huge weights may lead beyond what a float holds. Then nothing can be said.
  for (float& value : outputs) value = std::isfinite(value) ? std::clamp(value, -bound, bound) : 0.0F;
}

Result<SecondStage> SecondStage::create(const RankerNetwork& network, const Options& options) {
  std::vector<Member> members;
  for (const RankerNetwork::Member& member : network.members) {
    CAIRN_ASSIGN_OR_RETURN(auto visits,
                           ScaledNetwork::create(member.visits, options.precision, options.instruction_set));
    CAIRN_ASSIGN_OR_RETURN(auto places,
                           ScaledNetwork::create(member.places, options.precision, options.instruction_set));
    members.push_back({std::move(visits), std::move(places)});
  }
  return SecondStage(std::move(members));
}

std::vector<float> gather_heads(std::span<const float> numbers, std::size_t heads,
                                std::span<const std::uint32_t> candidate_of, std::size_t candidates) {
  std::vector<double> powers(numbers.begin(), numbers.end());
  gpu::exp_each(powers);
  std::vector<double> sums(candidates * heads, 1.0);
  for (std::size_t i = 0; i < candidate_of.size(); ++i) {
    for (std::size_t h = 0; h < heads; ++h) sums[candidate_of[i] * heads + h] += powers[i * heads + h];
  }
  gpu::ln_each(sums);
  return {sums.begin(), sums.end()};
}

std::vector<float> SecondStage::score(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                                      std::span<const float> scores) const {
  std::vector<float> added(candidates.size());
  if (candidates.empty()) return added;
  // What all members read is computed once.
  const CandidateVisits visits = visits_to(candidates, question.user);
  std::vector<float> of_visits(visits.visits.size() * visit_input_names().size());
  fill_visit_inputs(question, visits.visits, of_visits);
  const std::size_t own = place_input_names().size();
  std::vector<float> of_places(candidates.size() * own);
  fill_place_inputs(question, candidates, scores, of_places);
  const float share = 1.0F / static_cast<float>(members_.size());
  std::vector<float> inputs;
  std::vector<float> outputs;
  for (const Member& member : members_) {
    inputs = of_visits;
    outputs.resize(visits.visits.size() * member.visits.outputs());
    member.visits.run(inputs, kExponentMax, outputs);
    const std::size_t heads = member.visits.outputs();
    const std::vector<float> gathered = gather_heads(outputs, heads, visits.candidates, candidates.size());
    inputs.resize(candidates.size() * (own + heads));
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      float* row = inputs.data() + i * (own + heads);
      std::copy_n(of_places.data() + i * own, own, row);
      std::copy_n(gathered.data() + i * heads, heads, row + own);
    }
    outputs.resize(candidates.size());
    member.places.run(inputs, kAddedMax, outputs);
    for (std::size_t i = 0; i < added.size(); ++i) added[i] += share * outputs[i];
  }
  return added;
}

}  // namespace cairn::ranking
