#include "engine/learning/evaluate/replay_engine.h"

#include <algorithm>
#include <utility>

#include "engine/ranking/builtin_views.h"
#include "features/row.h"

namespace cairn::learning {

Result<std::unique_ptr<ReplayEngine>> ReplayEngine::open(std::span<const Place> places, const RankingOptions& options,
                                                         std::optional<ranking::RankerModel> ranker,
                                                         const InteractionTypes& types) {
  std::unique_ptr<ReplayEngine> made(new ReplayEngine());
  made->store_ = storage::open_memory_store(features::merge_encoded_rows);
  CAIRN_ASSIGN_OR_RETURN(made->state_, state::FeatureState::open(
                                           *made->store_, {.views = ranking::builtin_views(), .sync = false}, types));
  CAIRN_RETURN_IF_ERROR(made->state_->catalog().upsert(places));
  if (ranker) {
    CAIRN_ASSIGN_OR_RETURN(made->recommender_,
                           ranking::Recommender::create(*made->state_, options, *std::move(ranker)));
  } else {
    CAIRN_ASSIGN_OR_RETURN(made->recommender_, ranking::Recommender::create(*made->state_, options));
  }
  const auto index = made->recommender_->index();
  for (std::uint32_t row = 0; row < index->size(); ++row) made->rows_.emplace(index->place(row).id.str(), row);
  return made;
}

Status ReplayEngine::learn(std::span<const Interaction> interactions) {
  for (const Interaction& one : interactions) {
    const std::uint32_t row = row_of(one.place);
    if (row == gpu::kNoRow) continue;
    previous_[one.user.str()] = {row, one.time};
    if (is_visit(one, types())) last_visits_[one.user.str()] = {row, one.time};
  }
  return state_->apply({"replay", interactions, {}, 0});
}

namespace {

template <class Map>
auto find_or_null(const Map& map, const UserId& user) {
  const auto found = map.find(user.str());
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

const ReplayEngine::Previous* ReplayEngine::previous(const UserId& user) const { return find_or_null(previous_, user); }

const ReplayEngine::Previous* ReplayEngine::last_visit(const UserId& user) const {
  return find_or_null(last_visits_, user);
}

std::uint32_t ReplayEngine::row_of(const PlaceId& place) const {
  const auto found = rows_.find(place.str());
  return found == rows_.end() ? gpu::kNoRow : found->second;
}

bool is_visit(const Interaction& one, const InteractionTypes& types) noexcept {
  static const TypeIndex kVisit = *InteractionTypes().find("visit");
  const auto counted = types.counts_as(one.type);
  return one.type == kVisit || (counted && counted->as == kVisit);
}

double hours_between(EventTime before, EventTime after) noexcept {
  return std::max(0.0, static_cast<double>((after - before).count()) / 3.6e6);
}

}  // namespace cairn::learning
