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
  /// `scores` and its `features`, a row a candidate. Requires: candidates have different rows.
  [[nodiscard]] std::vector<float> score(const QuestionFacts& question, std::span<const PlaceIndex::Near> candidates,
                                         std::span<const float> scores, std::span<const float> features) const;

 private:
  /// Members of one shape, which are run as one: they scale what is known of visits and places alike.
  struct Crew {
    gpu::Network visits;  ///< a visit ► its number for each head of each member
    gpu::Network places;  ///< a candidate, then what it got of those ► what each member says
  };
  explicit SecondStage(std::vector<Crew> crews, std::size_t members) : crews_(std::move(crews)), members_(members) {}
  [[nodiscard]] static Result<Crew> join(std::span<const RankerNetwork::Member> members, const Options& options);

  std::vector<Crew> crews_;
  std::size_t members_;
};

/// What each of `candidates` places gets of each head: ln(1 + the sum of exp(number) over its visits), a row a place.
/// `numbers` has a row of `heads` a visit, and `candidate_of` says which place each visit went to.
[[nodiscard]] std::vector<float> gather_heads(std::span<const float> numbers, std::size_t heads,
                                              std::span<const std::uint32_t> candidate_of, std::size_t candidates);

}  // namespace cairn::ranking
