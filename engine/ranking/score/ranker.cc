#include "engine/ranking/score/ranker.h"

#include <utility>

#include "engine/ranking/score/ranking_features.h"

namespace cairn::ranking {

Ranker::Ranker(const RankerModel& model, LinearStage linear, std::optional<SecondStage> second)
    : version_(model.version),
      network_digest_(model.network && second ? model.network->digest : 0),
      habit_(model.habit),
      week_(model.week),
      linear_(std::move(linear)),
      second_(std::move(second)) {}

Result<std::shared_ptr<const Ranker>> Ranker::create(RankerModel model, const std::map<std::string, double>& named,
                                                     bool defaults) {
  CAIRN_ASSIGN_OR_RETURN(LinearStage linear, LinearStage::create(std::move(model.weights), named, defaults));
  std::optional<SecondStage> second;
  if (model.network && defaults) {
    CAIRN_ASSIGN_OR_RETURN(second, SecondStage::create(*model.network));
  }
  return std::shared_ptr<const Ranker>(new Ranker(model, std::move(linear), std::move(second)));
}

double Ranker::model_weight() const noexcept { return linear_.weights()[model_feature()]; }

}  // namespace cairn::ranking
