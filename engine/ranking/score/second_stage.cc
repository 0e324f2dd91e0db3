#include "engine/ranking/score/second_stage.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/ranking/score/network_inputs.h"
#include "gpu/elementary.h"

namespace cairn::ranking {

namespace {

constexpr float kExponentMax = 30.0F;  ///< of what exp() is taken of

bool same_layers(const NetworkNumbers& a, const NetworkNumbers& b) {
  return std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(),
                    [](const auto& x, const auto& y) { return x.inputs == y.inputs && x.outputs == y.outputs; });
}

bool same_scaling(const NetworkNumbers& a, const NetworkNumbers& b, std::size_t inputs) {
  const auto same = [&](const std::vector<float>& x, const std::vector<float>& y) {
    return std::equal(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(inputs), y.begin());
  };
  return same(a.mean, b.mean) && same(a.scale, b.scale);
}

/// They can be run as one. What is scaled alike is all that both read.
bool alike(const RankerNetwork::Member& a, const RankerNetwork::Member& b) {
  return same_layers(a.visits, b.visits) && same_layers(a.places, b.places) &&
         same_scaling(a.visits, b.visits, visit_input_names().size()) &&
         same_scaling(a.places, b.places, place_input_names().size());
}

/// Networks of one shape as one. Each reads the first `shared` inputs, and then some of its own, which stand one
/// network's behind the other's.
class JoinedNetwork {
 public:
  JoinedNetwork(const NetworkNumbers& first, std::size_t shared) : shared_(shared), parts_(first.layers.size()) {
    mean_.assign(first.mean.begin(), first.mean.begin() + static_cast<std::ptrdiff_t>(shared));
    scale_.assign(first.scale.begin(), first.scale.begin() + static_cast<std::ptrdiff_t>(shared));
  }

  void add(const NetworkNumbers& numbers) {
    mean_.insert(mean_.end(), numbers.mean.begin() + static_cast<std::ptrdiff_t>(shared_), numbers.mean.end());
    scale_.insert(scale_.end(), numbers.scale.begin() + static_cast<std::ptrdiff_t>(shared_), numbers.scale.end());
    members_.push_back(&numbers);
    for (std::size_t l = 0; l < parts_.size(); ++l) {
      const NetworkNumbers::Layer& layer = numbers.layers[l];
      parts_[l].biases.insert(parts_[l].biases.end(), layer.biases.begin(), layer.biases.end());
    }
  }

  [[nodiscard]] Result<gpu::Network> make(const SecondStage::Options& options) {
    add_first_layer();
    std::vector<gpu::DenseLayer> layers;
    for (std::size_t l = 0; l < parts_.size(); ++l) {
      if (l > 0) {
        for (const NetworkNumbers* one : members_) {
          parts_[l].weights.insert(parts_[l].weights.end(), one->layers[l].weights.begin(),
                                   one->layers[l].weights.end());
        }
      }
      const std::size_t inputs = l == 0 ? mean_.size() : members_[0]->layers[l].inputs;
      layers.push_back({.weights = {parts_[l].weights, parts_[l].biases.size(), inputs},
                        .biases = parts_[l].biases,
                        .activation = l + 1 == parts_.size() ? gpu::Activation::kNone : gpu::Activation::kRelu,
                        .groups = l == 0 ? 1 : members_.size()});
    }
    return gpu::Network::make(layers, {.precision = options.precision,
                                       .instruction_set = options.instruction_set,
                                       .threads = 1,
                                       .scaling = gpu::InputScaling{mean_, scale_, NetworkNumbers::kInputMax}});
  }

 private:
  struct Layer {
    std::vector<float> weights;
    std::vector<float> biases;
  };

  /// Where inputs are another network's, a weight is 0.
  void add_first_layer() {
    const std::size_t own = members_[0]->inputs() - shared_;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      const NetworkNumbers::Layer& layer = members_[m]->layers[0];
      for (std::size_t o = 0; o < layer.outputs; ++o) {
        std::vector<float> row(mean_.size());
        const float* from = layer.weights.data() + o * layer.inputs;
        std::copy_n(from, shared_, row.data());
        std::copy_n(from + shared_, own, row.data() + shared_ + m * own);
        parts_[0].weights.insert(parts_[0].weights.end(), row.begin(), row.end());
      }
    }
  }

  std::size_t shared_;
  std::vector<const NetworkNumbers*> members_;
  std::vector<float> mean_;
  std::vector<float> scale_;
  std::vector<Layer> parts_;
};

/// Each from -`bound` to `bound`.
void run(const gpu::Network& network, std::span<const float> inputs, float bound, std::span<float> outputs) {
  const Status ran = network.run({inputs, inputs.size() / network.inputs(), network.inputs()}, outputs);
  CAIRN_CHECK_MSG(ran.ok(), ran.to_string());  // shapes fit
  // Huge weights may lead beyond what a float holds. Then nothing can be said.
  for (float& value : outputs) value = std::isfinite(value) ? std::clamp(value, -bound, bound) : 0.0F;
}

}  // namespace

Result<SecondStage::Crew> SecondStage::join(std::span<const RankerNetwork::Member> members, const Options& options) {
  JoinedNetwork visits(members[0].visits, visit_input_names().size());
  JoinedNetwork places(members[0].places, place_input_names().size());
  for (const RankerNetwork::Member& member : members) {
    visits.add(member.visits);
    places.add(member.places);
  }
  CAIRN_ASSIGN_OR_RETURN(auto of_visits, visits.make(options));
  CAIRN_ASSIGN_OR_RETURN(auto of_places, places.make(options));
  return Crew{std::move(of_visits), std::move(of_places)};
}

Result<SecondStage> SecondStage::create(const RankerNetwork& network, const Options& options) {
  std::vector<Crew> crews;
  const std::span<const RankerNetwork::Member> members = network.members;
  for (std::size_t first = 0; first < members.size();) {
    std::size_t count = 1;
    while (first + count < members.size() && alike(members[first], members[first + count])) ++count;
    CAIRN_ASSIGN_OR_RETURN(Crew crew, join(members.subspan(first, count), options));
    crews.push_back(std::move(crew));
    first += count;
  }
  return SecondStage(std::move(crews), members.size());
}

std::vector<float> gather_heads(std::span<const float> numbers, std::size_t heads,
                                std::span<const std::uint32_t> candidate_of, std::size_t candidates) {
  std::vector<double> powers(numbers.begin(), numbers.end());
  gpu::exp_each(powers);
  // Most places have had no visit, and get 0. The others are summed one behind the other, as they are come by.
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::vector<std::uint32_t> place_of(candidates, kNone);
  std::vector<double> sums;
  for (std::size_t i = 0; i < candidate_of.size(); ++i) {
    std::uint32_t& place = place_of[candidate_of[i]];
    if (place == kNone) {
      place = static_cast<std::uint32_t>(sums.size());
      sums.resize(sums.size() + heads, 1.0);
    }
    for (std::size_t h = 0; h < heads; ++h) sums[place + h] += powers[i * heads + h];
  }
  gpu::ln_each(sums);
  std::vector<float> gathered(candidates * heads);
  for (std::size_t i = 0; i < candidates; ++i) {
    if (place_of[i] == kNone) continue;
    for (std::size_t h = 0; h < heads; ++h) gathered[i * heads + h] = static_cast<float>(sums[place_of[i] + h]);
  }
  return gathered;
}

std::vector<float> SecondStage::score(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                                      std::span<const float> scores, std::span<const float> features) const {
  std::vector<float> added(candidates.size());
  if (candidates.empty()) return added;
  // What all members read is computed once.
  const CandidateVisits visits = visits_to(candidates, question.user);
  std::vector<float> of_visits(visits.visits.size() * visit_input_names().size());
  fill_visit_inputs(question, visits.visits, of_visits);
  const std::size_t own = place_input_names().size();
  std::vector<float> of_places(candidates.size() * own);
  fill_place_inputs(question, candidates, scores, features, of_places);
  const float share = 1.0F / static_cast<float>(members_);
  std::vector<float> inputs;
  std::vector<float> outputs;
  for (const Crew& crew : crews_) {
    const std::size_t heads = crew.visits.outputs();
    outputs.resize(visits.visits.size() * heads);
    run(crew.visits, of_visits, kExponentMax, outputs);
    const std::vector<float> gathered = gather_heads(outputs, heads, visits.candidates, candidates.size());
    inputs.resize(candidates.size() * (own + heads));
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      float* row = inputs.data() + i * (own + heads);
      std::copy_n(of_places.data() + i * own, own, row);
      std::copy_n(gathered.data() + i * heads, heads, row + own);
    }
    const std::size_t members = crew.places.outputs();
    outputs.resize(candidates.size() * members);
    run(crew.places, inputs, kAddedMax, outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) added[i / members] += share * outputs[i];
  }
  return added;
}

}  // namespace cairn::ranking
