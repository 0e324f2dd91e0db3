#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "engine/ranking/ranker_network.h"
#include "engine/ranking/score/facts.h"
#include "gpu/backend.h"
#include "gpu/network.h"

namespace cairn::ranking {

/// A network with its scaling, ready to be run.
class ScaledNetwork {
 public:
  /// Returns: what gpu::Network::make() returns.
  [[nodiscard]] static Result<ScaledNetwork> create(const NetworkNumbers& numbers, gpu::Precision precision,
                                                    std::optional<gpu::InstructionSet> instruction_set);

  [[nodiscard]] std::size_t inputs() const noexcept { return mean_.size(); }
  [[nodiscard]] std::size_t outputs() const noexcept { return network_.outputs(); }

  /// `inputs` (rows × inputs()) are scaled where they stand: they are of this call alone. Row r gives `outputs[r *
  /// outputs() ..]`, each from
  /// -`bound` to `bound`.
  void run(std::span<float> inputs, float bound, std::span<float> outputs) const;

 private:
  ScaledNetwork(const NetworkNumbers& numbers, gpu::Network network)
      : mean_(numbers.mean), scale_(numbers.scale), network_(std::move(network)) {}

  std::vector<float> mean_;
  std::vector<float> scale_;
  gpu::Network network_;
};

/// Says of the best candidates of the linear stage how much better or worse each is, knowing what came of such
/// situations (RankerNetwork). What it says is added to the linear score.
///
/// With kInt8 the numbers have the same bits on all instruction sets. Immutable. Threads: any.
class SecondStage {
 public:
  struct Options {
    gpu::Precision precision = gpu::Precision::kInt8;
    std::optional<gpu::InstructionSet> instruction_set = {};  ///< absent: the best there is
  };
  /// No magnitude that is added to a score is larger.
  static constexpr float kAddedMax = 1e6F;

  /// Returns: what gpu::Network::make() returns.
  [[nodiscard]] static Result<SecondStage> create(const RankerNetwork& network, const Options& options);
  [[nodiscard]] static Result<SecondStage> create(const RankerNetwork& network) { return create(network, Options()); }

  /// What is added to the score of each candidate. They are the best by the linear stage, best first, with its
  /// `scores`. Requires: candidates have different rows.
  [[nodiscard]] std::vector<float> score(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                                         std::span<const float> scores) const;

 private:
  struct Member {
    ScaledNetwork visits;
    ScaledNetwork places;
  };
  explicit SecondStage(std::vector<Member> members) : members_(std::move(members)) {}

  std::vector<Member> members_;
};

/// What each of `candidates` places gets of each head: ln(1 + the sum of exp(number) over its visits), a row a place.
/// `numbers` has a row of `heads` a visit, and `candidate_of` says which place each visit went to.
[[nodiscard]] std::vector<float> gather_heads(std::span<const float> numbers, std::size_t heads,
                                              std::span<const std::uint32_t> candidate_of, std::size_t candidates);

}  // namespace cairn::ranking
