#pragma once

#include <vector>

#include "cairn/recommendation.h"
#include "engine/ranking/score/linear_stage.h"

namespace cairn::ranking {

/// Says in words why a place stands where it does. Used within one answer; all references must outlive it.
class ReasonWriter {
 public:
  ReasonWriter(const LinearStage& ranking, const RankingContext& context, const PlaceIndex& index,
               const PlaceSignals& signals)
      : ranking_(ranking), context_(context), index_(index), signals_(signals) {}

  /// Which of the candidate's features (`values`, from LinearStage::explain) move its score: the largest first by
  /// magnitude, at most five.
  [[nodiscard]] std::vector<Reason> write(PlaceIndex::Near candidate, const FeatureValues& values) const;

 private:
  [[nodiscard]] std::string text(RankingFeature feature, PlaceIndex::Near candidate) const;

  const LinearStage& ranking_;
  const RankingContext& context_;
  const PlaceIndex& index_;
  const PlaceSignals& signals_;
};

}  // namespace cairn::ranking
