#include "engine/learning/ranker/fit_network.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "engine/learning/ranker/shuffle.h"
#include "engine/learning/ranker/softmax.h"
#include "engine/ranking/score/network_inputs.h"
#include "gpu/half.h"
#include "gpu/parallel.h"
#include "gpu/train/dense_net.h"

namespace cairn::learning {

namespace {

using ranking::NetworkNumbers;

constexpr std::size_t kBatch = 128;    ///< questions of a step
constexpr std::size_t kChunk = 16;     ///< of them that one thread does at once
constexpr float kExponentMax = 30.0F;  ///< as in answering (ranking/score/second_stage.cc)
constexpr float kHeadScale = 0.5F;     ///< so that no head goes beyond what inputs may be: ln of a sum is below 10

/// Every half as a float: millions are read in each epoch.
const std::vector<float>& floats_of_halves() {
  static const std::vector<float> kFloats = [] {
    std::vector<float> floats(65'536);
    for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = gpu::float_of_half(static_cast<std::uint16_t>(i));
    return floats;
  }();
  return kFloats;
}

/// What inputs become before a layer sees them.
struct Scaling {
  std::vector<float> mean;
  std::vector<float> scale;

  /// One row of inputs.
  void apply(const std::uint16_t* halves, const float* floats, float* to) const {
    constexpr float kMax = NetworkNumbers::kInputMax;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      to[i] = std::clamp((floats[halves[i]] - mean[i]) * scale[i], -kMax, kMax);
    }
  }
};

/// Mean 0 and deviation 1 over the rows of `inputs`, of which at most a million are looked at; less deviation where
/// values would lie beyond what an input may be. The largest are those that matter most.
Scaling scaling_of(std::span<const std::uint16_t> inputs, std::size_t width) {
  Scaling scaling{std::vector<float>(width), std::vector<float>(width)};
  const std::size_t rows = inputs.size() / width;
  const std::size_t step = 1 + rows / 1'000'000;
  for (std::size_t i = 0; i < width; ++i) {
    double sum = 0.0;
    double squares = 0.0;
    double least = 0.0;
    double most = 0.0;
    std::size_t count = 0;
    for (std::size_t r = 0; r < rows; r += step, ++count) {
      const auto value = static_cast<double>(gpu::float_of_half(inputs[r * width + i]));
      sum += value;
      squares += value * value;
      least = count == 0 ? value : std::min(least, value);
      most = count == 0 ? value : std::max(most, value);
    }
    const double mean = count == 0 ? 0.0 : sum / static_cast<double>(count);
    const double variance = count == 0 ? 0.0 : squares / static_cast<double>(count) - mean * mean;
    scaling.mean[i] = static_cast<float>(mean);
    // What never varies says nothing, and must not say something the first time that it does.
    if (!(variance > 1e-9)) continue;
    const double reach = std::max(most - mean, mean - least) / static_cast<double>(NetworkNumbers::kInputMax);
    scaling.scale[i] = static_cast<float>(1.0 / std::max(std::sqrt(variance), reach));
  }
  return scaling;
}

/// The two networks in training.
struct Networks {
  gpu::DenseNet visits;
  gpu::DenseNet places;

  [[nodiscard]] std::size_t heads() const { return visits.outputs(); }
  [[nodiscard]] std::size_t parameters() const { return visits.parameters().size() + places.parameters().size(); }
};

/// What one thread needs to do a chunk.
struct Workspace {
  std::vector<float> visit_inputs;
  std::vector<float> place_inputs;
  std::vector<float> powers;  ///< exp() of what the visits' network says
  std::vector<float> sums;    ///< 1 and the powers of each candidate's visits, by head
  std::vector<std::size_t> candidate_of;
  std::vector<float> by_output;
  std::vector<float> by_place_input;
  std::vector<float> by_visit_output;
  gpu::DenseNet::Pass visits;
  gpu::DenseNet::Pass places;
  std::vector<float> gradient;
  Foresight foresight;  ///< sums
};

class Fit {
 public:
  Fit(const QuestionLog& log, std::size_t measured, const NetworkFitOptions& options)
      : log_(log), measured_(measured), options_(options), visits_(learned_visits()), places_(learned_places()) {}

  Result<NetworkFit> run();

 private:
  // Scales come from what is learned from alone.
  [[nodiscard]] Scaling learned_visits() const {
    return scaling_of(std::span(log_.visit_inputs).first(log_.visits_before(measured_) * visit_width_), visit_width_);
  }
  [[nodiscard]] Scaling learned_places() const {
    return scaling_of(std::span(log_.place_inputs).first(log_.candidates_before(measured_) * place_width_),
                      place_width_);
  }

  void forward(const Networks& networks, std::span<const std::uint32_t> questions, Workspace* work) const;
  /// From outputs to the losses and, when `work->gradient` has room, the gradient by the parameters.
  void backward(const Networks& networks, std::span<const std::uint32_t> questions, Workspace* work) const;
  void judge(const QuestionLog::Question& question, std::span<const float> outputs, std::span<float> by_output,
             Foresight* foresight) const;
  Foresight measure(const Networks* networks) const;
  [[nodiscard]] ranking::RankerNetwork::Member numbers_of(const Networks& networks) const;
  [[nodiscard]] Networks drawn(std::uint64_t seed) const;
  /// Learns from the first `questions`, in an order that is drawn.
  [[nodiscard]] Status train(std::size_t questions, std::size_t epochs, std::uint64_t seed, Networks* networks,
                             const std::function<void(std::size_t)>& after_epoch);
  void add_gradients(const Networks& networks, std::span<const std::uint32_t> batch, std::vector<Workspace>* work,
                     std::span<float> gradient) const;

  const QuestionLog& log_;
  const std::size_t measured_;
  const NetworkFitOptions& options_;
  const std::size_t visit_width_ = ranking::visit_input_names().size();
  const std::size_t place_width_ = ranking::place_input_names().size();
  const Scaling visits_;
  const Scaling places_;
  std::size_t done_ = 0;  ///< questions, of total_, each once an epoch
  std::size_t total_ = 0;
};

void Fit::forward(const Networks& networks, std::span<const std::uint32_t> questions, Workspace* work) const {
  const std::size_t heads = networks.heads();
  const float* floats = floats_of_halves().data();
  std::size_t candidates = 0;
  std::size_t visits = 0;
  for (const std::uint32_t q : questions) {
    candidates += log_.questions[q].candidates;
    visits += log_.questions[q].visits;
  }
  work->candidate_of.resize(visits);
  work->visit_inputs.resize(visits * visit_width_);
  work->place_inputs.resize(candidates * (place_width_ + heads));
  std::size_t visit = 0;
  std::size_t candidate = 0;
  for (const std::uint32_t q : questions) {
    const QuestionLog::Question& question = log_.questions[q];
    for (std::size_t v = question.first_visit; v < question.first_visit + question.visits; ++v, ++visit) {
      work->candidate_of[visit] = candidate + log_.candidate_of[v];
      visits_.apply(log_.visit_inputs.data() + v * visit_width_, floats,
                    work->visit_inputs.data() + visit * visit_width_);
    }
    for (std::size_t c = 0; c < question.candidates; ++c) {
      places_.apply(log_.place_inputs.data() + (question.first_candidate + c) * place_width_, floats,
                    work->place_inputs.data() + (candidate + c) * (place_width_ + heads));
    }
    candidate += question.candidates;
  }
  const auto said = networks.visits.forward({work->visit_inputs, visits, visit_width_}, &work->visits);
  work->powers.resize(visits * heads);
  work->sums.assign(candidates * heads, 1.0F);
  for (std::size_t v = 0; v < visits; ++v) {
    for (std::size_t h = 0; h < heads; ++h) {
      work->powers[v * heads + h] = std::exp(std::clamp(said[v * heads + h], -kExponentMax, kExponentMax));
      work->sums[work->candidate_of[v] * heads + h] += work->powers[v * heads + h];
    }
  }
  for (std::size_t c = 0; c < candidates; ++c) {
    float* to = work->place_inputs.data() + c * (place_width_ + heads) + place_width_;
    for (std::size_t h = 0; h < heads; ++h) {
      to[h] = std::min(kHeadScale * std::log(work->sums[c * heads + h]), NetworkNumbers::kInputMax);
    }
  }
  (void)networks.places.forward({work->place_inputs, candidates, place_width_ + heads}, &work->places);
}

void Fit::judge(const QuestionLog::Question& question, std::span<const float> outputs, std::span<float> by_output,
                Foresight* foresight) const {
  std::vector<double> logits(question.candidates);
  std::vector<double> finals(question.candidates);
  for (std::size_t c = 0; c < question.candidates; ++c) {
    const std::size_t at = question.first_candidate + c;
    finals[c] = static_cast<double>(log_.scores[at]) + (outputs.empty() ? 0.0 : static_cast<double>(outputs[c]));
    logits[c] = finals[c] + static_cast<double>(log_.log_weights[at]);
  }
  std::size_t better = 0;
  for (const double one : finals) better += one > finals[question.truth];
  foresight->loss += to_probabilities(question.truth, &logits);
  foresight->acc_at_1 += better == 0 ? 1.0 : 0.0;
  foresight->mrr += 1.0 / static_cast<double>(1 + better);
  if (by_output.empty()) return;
  for (std::size_t c = 0; c < question.candidates; ++c) {
    by_output[c] = static_cast<float>(logits[c] - (c == question.truth ? 1.0 : 0.0));
  }
}

void Fit::backward(const Networks& networks, std::span<const std::uint32_t> questions, Workspace* work) const {
  const std::size_t heads = networks.heads();
  const std::span<const float> outputs = work->places.layers.back();
  const bool learns = !work->gradient.empty();
  work->by_output.resize(learns ? outputs.size() : 0);
  std::size_t first = 0;
  for (const std::uint32_t q : questions) {
    const QuestionLog::Question& question = log_.questions[q];
    judge(question, outputs.subspan(first, question.candidates),
          learns ? std::span(work->by_output).subspan(first, question.candidates) : std::span<float>(),
          &work->foresight);
    first += question.candidates;
  }
  if (!learns) return;
  const std::size_t width = place_width_ + heads;
  const std::size_t of_visits = networks.visits.parameters().size();
  work->by_place_input.resize(first * width);
  networks.places.backward({work->place_inputs, first, width}, work->by_output, &work->places,
                           std::span(work->gradient).subspan(of_visits), work->by_place_input);
  const std::size_t visits = work->candidate_of.size();
  work->by_visit_output.resize(visits * heads);
  for (std::size_t v = 0; v < visits; ++v) {
    for (std::size_t h = 0; h < heads; ++h) {
      const std::size_t candidate = work->candidate_of[v];
      // The derivative of ln(1 + sum) by the number of one visit is its share of the sum.
      const float share = work->powers[v * heads + h] / work->sums[candidate * heads + h];
      work->by_visit_output[v * heads + h] =
          kHeadScale * share * work->by_place_input[candidate * width + place_width_ + h];
    }
  }
  networks.visits.backward({work->visit_inputs, visits, visit_width_}, work->by_visit_output, &work->visits,
                           std::span(work->gradient).first(of_visits), {});
}

Foresight Fit::measure(const Networks* networks) const {
  const std::size_t count = log_.questions.size() - measured_;
  const std::size_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<Foresight> parts(chunks);
  gpu::parallel_for(options_.threads, chunks, [&](std::size_t chunk) {
    Workspace work;
    std::vector<std::uint32_t> questions;
    for (std::size_t q = chunk * kChunk; q < std::min(count, (chunk + 1) * kChunk); ++q) {
      questions.push_back(static_cast<std::uint32_t>(measured_ + q));
    }
    if (networks != nullptr) {
      forward(*networks, questions, &work);
      backward(*networks, questions, &work);
    } else {
      for (const std::uint32_t q : questions) judge(log_.questions[q], {}, {}, &work.foresight);
    }
    parts[chunk] = work.foresight;
  });
  Foresight mean;
  for (const Foresight& part : parts) {
    mean.loss += part.loss / static_cast<double>(count);
    mean.acc_at_1 += part.acc_at_1 / static_cast<double>(count);
    mean.mrr += part.mrr / static_cast<double>(count);
  }
  return mean;
}

NetworkNumbers numbers(const gpu::DenseNet& net, Scaling scaling) {
  NetworkNumbers made{.mean = std::move(scaling.mean), .scale = std::move(scaling.scale)};
  for (std::size_t i = 0; i < net.layers(); ++i) {
    const gpu::MatrixView weights = net.weights(i);
    const std::span<const float> biases = net.biases(i);
    made.layers.push_back({.inputs = weights.dim,
                           .outputs = weights.rows,
                           .weights = {weights.values.begin(), weights.values.end()},
                           .biases = {biases.begin(), biases.end()}});
  }
  return made;
}

ranking::RankerNetwork::Member Fit::numbers_of(const Networks& networks) const {
  Scaling places = places_;
  places.mean.resize(places.mean.size() + networks.heads(), 0.0F);
  places.scale.resize(places.scale.size() + networks.heads(), kHeadScale);
  return {.visits = numbers(networks.visits, visits_), .places = numbers(networks.places, std::move(places))};
}

Networks Fit::drawn(std::uint64_t seed) const {
  const std::vector<std::size_t> of_visits = {visit_width_, options_.visit_hidden, options_.heads};
  const std::vector<std::size_t> of_places = {place_width_ + options_.heads, options_.hidden, options_.hidden, 1};
  const std::uint64_t visits_seed = gpu::next_bits(&seed);
  return {gpu::DenseNet(of_visits, visits_seed, 1.0F), gpu::DenseNet(of_places, gpu::next_bits(&seed), 0.1F)};
}

Status Fit::train(std::size_t questions, std::size_t epochs, std::uint64_t seed, Networks* networks,
                  const std::function<void(std::size_t)>& after_epoch) {
  const std::size_t of_visits = networks->visits.parameters().size();
  gpu::Adam visits_adam(of_visits, options_.decay);
  gpu::Adam places_adam(networks->places.parameters().size(), options_.decay);
  const std::size_t steps = epochs * ((questions + kBatch - 1) / kBatch);
  std::vector<Workspace> work((kBatch + kChunk - 1) / kChunk);
  std::vector<float> gradient(networks->parameters());
  for (std::size_t step = 0, epoch = 1; epoch <= epochs; ++epoch) {
    const std::vector<std::uint32_t> order = shuffled(questions, &seed);
    for (std::size_t begin = 0; begin < questions; begin += kBatch, ++step) {
      const auto batch = std::span(order).subspan(begin, std::min(kBatch, questions - begin));
      done_ += batch.size();
      if (options_.progress && !options_.progress(done_, total_)) {
        return {StatusCode::kCancelled, "the training was given up"};
      }
      add_gradients(*networks, batch, &work, gradient);
      const float rate = options_.rate * (1.0F - static_cast<float>(step) / static_cast<float>(steps));
      visits_adam.step(rate, std::span(gradient).first(of_visits), networks->visits.parameters());
      places_adam.step(rate, std::span(gradient).subspan(of_visits), networks->places.parameters());
    }
    if (after_epoch) after_epoch(epoch);
  }
  return ok_status();
}

/// The mean gradient over a batch, the same for any number of threads.
void Fit::add_gradients(const Networks& networks, std::span<const std::uint32_t> batch, std::vector<Workspace>* work,
                        std::span<float> gradient) const {
  const std::size_t chunks = (batch.size() + kChunk - 1) / kChunk;
  gpu::parallel_for(options_.threads, chunks, [&](std::size_t chunk) {
    const auto questions = batch.subspan(chunk * kChunk, std::min(kChunk, batch.size() - chunk * kChunk));
    (*work)[chunk].gradient.assign(networks.parameters(), 0.0F);
    forward(networks, questions, &(*work)[chunk]);
    backward(networks, questions, &(*work)[chunk]);
  });
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += (*work)[chunk].gradient[i];
  }
  for (float& value : gradient) value /= static_cast<float>(batch.size());
}

Result<NetworkFit> Fit::run() {
  NetworkFit fit;
  fit.before = fit.after = measure(nullptr);
  const std::size_t all = log_.questions.size();
  total_ = options_.epochs * (measured_ + options_.members * all);
  std::uint64_t random = options_.seed;
  Networks first = drawn(gpu::next_bits(&random));
  CAIRN_RETURN_IF_ERROR(train(measured_, options_.epochs, gpu::next_bits(&random), &first, [&](std::size_t epoch) {
    const Foresight foresight = measure(&first);
    if (options_.measured) options_.measured(epoch, foresight);
    if (!(foresight.loss < fit.after.loss)) return;
    fit.after = foresight;
    fit.epochs = epoch;
  }));
  if (fit.epochs == 0) return fit;
  for (std::size_t m = 0; m < options_.members; ++m) {
    Networks member = drawn(gpu::next_bits(&random));
    CAIRN_RETURN_IF_ERROR(train(all, fit.epochs, gpu::next_bits(&random), &member, {}));
    fit.network.members.push_back(numbers_of(member));
  }
  return fit;
}

}  // namespace

Result<NetworkFit> fit_network(const QuestionLog& log, std::size_t measured, const NetworkFitOptions& options) {
  return Fit(log, measured, options).run();
}

}  // namespace cairn::learning
