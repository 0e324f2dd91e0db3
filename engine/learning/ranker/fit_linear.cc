#include "engine/learning/ranker/fit_linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>
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

using ranking::HabitCoefficients;

constexpr std::size_t kBatch = 256;  ///< questions
constexpr std::size_t kChunk = 32;   ///< of them that one thread does at once

/// A coefficient of the habit kernel and the visit input that it multiplies; empty: 1.
struct Term {
  double HabitCoefficients::*coefficient;
  std::string_view input;
};
constexpr std::array<Term, 12> kTerms = {{
    {&HabitCoefficients::constant, ""},
    {&HabitCoefficients::age, "log_age"},
    {&HabitCoefficients::hour_close, "hour_close"},
    {&HabitCoefficients::hour_wide, "hour_wide"},
    {&HabitCoefficients::same_day, "same_day"},
    {&HabitCoefficients::hour_when_fresh, "hour_fresh"},
    {&HabitCoefficients::hour_same_kind_of_day, "hour_same_kind"},
    {&HabitCoefficients::same_gap, "same_gap"},
    {&HabitCoefficients::near_start, "near_start_fresh"},
    {&HabitCoefficients::same_start, "same_start_fresh"},
    {&HabitCoefficients::same_start_and_gap, "same_start_and_gap"},
    {&HabitCoefficients::same_second, "same_second"},
}};

template <class Names>
std::size_t position(const Names& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  CAIRN_CHECK(found != names.end());
  return static_cast<std::size_t>(found - names.begin());
}

/// The likelihood of questions as a function of weights and coefficients, which stand one behind the other.
class Likelihood {
 public:
  Likelihood(const QuestionLog& log, std::size_t features) : log_(log), features_(features) {
    habit_ = position(ranking::place_input_names(), "habit");
    for (const Term& term : kTerms) {
      inputs_.push_back(term.input.empty() ? kOne : position(ranking::visit_input_names(), term.input));
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return features_ + kTerms.size(); }

  /// The negative logarithm of the likelihood of what came true. Adds its gradient, unless that is empty.
  double question(const QuestionLog::Question& asked, std::span<const float> numbers,
                  std::span<double> gradient) const {
    const std::size_t place_width = ranking::place_input_names().size();
    std::vector<double> powers;  // by visit
    const std::vector<double> sums = sum_habits(asked, numbers, &powers);
    std::vector<double> logits(asked.candidates);
    for (std::size_t c = 0; c < asked.candidates; ++c) {
      const std::uint16_t* inputs = log_.place_inputs.data() + (asked.first_candidate + c) * place_width;
      double logit = static_cast<double>(log_.log_weights[asked.first_candidate + c]);
      for (std::size_t i = 0; i < features_; ++i) {
        logit += static_cast<double>(numbers[i]) *
                 (i == habit_ ? std::log1p(sums[c]) : static_cast<double>(gpu::float_of_half(inputs[i])));
      }
      logits[c] = logit;
    }
    const double loss = to_probabilities(asked.truth, &logits);
    if (gradient.empty()) return loss;
    logits[asked.truth] -= 1.0;  // now the gradient by each logit
    for (std::size_t c = 0; c < asked.candidates; ++c) {
      const std::uint16_t* inputs = log_.place_inputs.data() + (asked.first_candidate + c) * place_width;
      for (std::size_t i = 0; i < features_; ++i) {
        gradient[i] +=
            logits[c] * (i == habit_ ? std::log1p(sums[c]) : static_cast<double>(gpu::float_of_half(inputs[i])));
      }
    }
    for (std::size_t v = 0; v < asked.visits; ++v) {
      const std::size_t c = log_.candidate_of[asked.first_visit + v];
      const double by_power = logits[c] * static_cast<double>(numbers[habit_]) / (1.0 + sums[c]);
      for (std::size_t t = 0; t < kTerms.size(); ++t) {
        gradient[features_ + t] += by_power * powers[v] * value(asked.first_visit + v, t);
      }
    }
    return loss;
  }

 private:
  static constexpr std::size_t kOne = static_cast<std::size_t>(-1);

  [[nodiscard]] double value(std::size_t visit, std::size_t term) const {
    if (inputs_[term] == kOne) return 1.0;
    const std::size_t width = ranking::visit_input_names().size();
    return static_cast<double>(gpu::float_of_half(log_.visit_inputs[visit * width + inputs_[term]]));
  }

  /// The sum of exp() over each candidate's visits.
  [[nodiscard]] std::vector<double> sum_habits(const QuestionLog::Question& asked, std::span<const float> numbers,
                                               std::vector<double>* powers) const {
    std::vector<double> sums(asked.candidates);
    for (std::size_t v = 0; v < asked.visits; ++v) {
      double z = 0.0;
      for (std::size_t t = 0; t < kTerms.size(); ++t) {
        z += static_cast<double>(numbers[features_ + t]) * value(asked.first_visit + v, t);
      }
      powers->push_back(std::exp(std::min(z, 30.0)));
      sums[log_.candidate_of[asked.first_visit + v]] += powers->back();
    }
    return sums;
  }

  const QuestionLog& log_;
  const std::size_t features_;
  std::size_t habit_ = 0;
  std::vector<std::size_t> inputs_;
};

std::vector<float> numbers_of(const ranking::RankerModel& ranker) {
  std::vector<float> numbers(ranker.weights.begin(), ranker.weights.end());
  for (const Term& term : kTerms) numbers.push_back(static_cast<float>(ranker.habit.*term.coefficient));
  return numbers;
}

/// What was not moved keeps all digits that it had.
void put_numbers(std::span<const float> numbers, std::span<const float> origin, ranking::RankerModel* ranker) {
  const std::size_t features = ranker->weights.size();
  for (std::size_t i = 0; i < features; ++i) {
    if (numbers[i] != origin[i]) ranker->weights[i] = static_cast<double>(numbers[i]);
  }
  for (std::size_t t = 0; t < kTerms.size(); ++t) {
    if (numbers[features + t] == origin[features + t]) continue;
    // The bounds of what a ranker may hold (ranking/format.md).
    ranker->habit.*kTerms[t].coefficient = std::clamp(static_cast<double>(numbers[features + t]), -25.0, 25.0);
  }
}

/// The mean loss of questions [begin, end), and the gradient of their sum.
double over(const Likelihood& likelihood, const QuestionLog& log, std::span<const std::uint32_t> questions,
            std::span<const float> numbers, std::size_t threads, std::vector<double>* gradient) {
  // Chunks are cut by the questions alone and added in their order, so that threads change nothing.
  const std::size_t chunks = (questions.size() + kChunk - 1) / kChunk;
  std::vector<double> losses(chunks);
  std::vector<std::vector<double>> gradients(chunks);
  gpu::parallel_for(threads, chunks, [&](std::size_t chunk) {
    if (gradient != nullptr) gradients[chunk].resize(likelihood.size());
    const std::size_t begin = chunk * kChunk;
    for (const std::uint32_t q : questions.subspan(begin, std::min(kChunk, questions.size() - begin))) {
      losses[chunk] += likelihood.question(log.questions[q], numbers, gradients[chunk]);
    }
  });
  if (gradient != nullptr) {
    gradient->assign(likelihood.size(), 0.0);
    for (const auto& one : gradients) {
      for (std::size_t i = 0; i < one.size(); ++i) (*gradient)[i] += one[i];
    }
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(1, questions.size()));
}

}  // namespace

Result<LinearFit> fit_linear(const QuestionLog& log, std::size_t measured, const ranking::RankerModel& start,
                             const LinearFitOptions& options) {
  const Likelihood likelihood(log, start.weights.size());
  const std::vector<float> origin = numbers_of(start);
  std::vector<std::uint32_t> measures(log.questions.size() - measured);
  std::iota(measures.begin(), measures.end(), static_cast<std::uint32_t>(measured));
  LinearFit fit{.ranker = start};
  fit.loss_before = over(likelihood, log, measures, origin, options.threads, nullptr);
  fit.loss_after = fit.loss_before;

  std::vector<float> numbers = origin;
  std::vector<double> sum;
  std::vector<float> gradient(numbers.size());
  gpu::Adam adam(numbers.size(), 0.0F);
  std::uint64_t random = options.seed;
  const std::size_t batches = (measured + kBatch - 1) / kBatch;
  const std::size_t steps = options.epochs * batches;
  for (std::size_t step = 0, epoch = 0; epoch < options.epochs; ++epoch) {
    const std::vector<std::uint32_t> order = shuffled(measured, &random);
    for (std::size_t begin = 0; begin < measured; begin += kBatch, ++step) {
      if (options.progress && !options.progress(step, steps))
        return Status{StatusCode::kCancelled, "the training was given up"};
      const auto batch = std::span(order).subspan(begin, std::min(kBatch, measured - begin));
      (void)over(likelihood, log, batch, numbers, options.threads, &sum);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const float pulled = options.pull * (numbers[i] - origin[i]);
        const bool is_fixed = i < start.weights.size() && start.weights[i] == 0.0;
        gradient[i] = is_fixed ? 0.0F : static_cast<float>(sum[i] / static_cast<double>(batch.size())) + pulled;
      }
      adam.step(options.rate * (1.0F - static_cast<float>(step) / static_cast<float>(steps)), gradient, numbers);
    }
    const double loss = over(likelihood, log, measures, numbers, options.threads, nullptr);
    if (!(loss < fit.loss_after)) continue;
    fit.loss_after = loss;
    put_numbers(numbers, origin, &fit.ranker);
  }
  return fit;
}

}  // namespace cairn::learning
