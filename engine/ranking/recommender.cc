#include "engine/ranking/recommender.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "engine/ranking/explain/reasons.h"
#include "engine/ranking/score/best_candidates.h"

namespace cairn::ranking {

/// A request with its defaults filled in.
struct Recommender::Question {
  UserProfile user;
  bool row_damaged = false;  ///< answered as if nothing were known of the user
  Tier tier = Tier::kNone;
  Situation situation;
  std::size_t limit = 0;
  double radius_meters = 0.0;
  std::unordered_set<std::uint32_t> categories;
  bool any_category = true;
  bool exclude_seen = false;
};

Recommender::Recommender(state::FeatureState& state, const RankingOptions& options, RankerModel ranker,
                         LinearStage stage)
    : state_(state), options_(options), ranker_(std::move(ranker)), stage_(std::move(stage)), signals_(state) {}

Result<std::unique_ptr<Recommender>> Recommender::create(state::FeatureState& state, const RankingOptions& options) {
  // Read first: with a broken ranker nothing is set up.
  RankerModel ranker = default_ranker();
  if (!options.ranker_dir.empty()) {
    CAIRN_ASSIGN_OR_RETURN(ranker, read_ranker(options.ranker_dir));
  }
  CAIRN_ASSIGN_OR_RETURN(LinearStage stage, LinearStage::create(ranker.weights, options.weights));
  std::unique_ptr<Recommender> made(new Recommender(state, options, std::move(ranker), std::move(stage)));
  // The index comes first, so that the stored rows that observing hands over find their places' categories.
  made->refresh_index();
  CAIRN_RETURN_IF_ERROR(state.observe_places([signals = &made->signals_](auto changes) { signals->update(changes); }));
  return made;
}

// ---- index --------------------------------------------------------------------------------------------------------

std::shared_ptr<const PlaceIndex> Recommender::index() const {
  const MutexLock lock(index_mutex_);
  return index_;
}

bool Recommender::index_current() const {
  const auto index = this->index();
  return index != nullptr && index->version() == state_.catalog().version();
}

void Recommender::refresh_index() {
  const MutexLock one_at_a_time(rebuild_mutex_);
  if (index_current()) return;
  // The version is read before the places: an import in between is then newer than the index says, and makes another.
  const std::uint64_t version = state_.catalog().version();
  auto index = std::make_shared<const PlaceIndex>(state_.catalog().newer_than(0), state_.category_ids(), version);
  // Totals before the index that names their categories; requests under way go on with the older index.
  signals_.recategorise(*index);
  const MutexLock lock(index_mutex_);
  index_ = std::move(index);
}

// ---- answering ----------------------------------------------------------------------------------------------------

Status Recommender::reach(const CallContext& call, const RecommendRequest& request, bool* degraded) const {
  if (!request.min_offset || state_.reached(*request.min_offset)) return ok_status();
  switch (request.on_stale) {
    case OnStale::kWait:
      return state_.wait_for(*request.min_offset, call);
    case OnStale::kDegrade:
      *degraded = true;
      return ok_status();
    case OnStale::kFail:
      break;
  }
  return failed_precondition("features have not reached the offset asked for");
}

Result<Recommendations> Recommender::recommend(const CallContext& call, const RecommendRequest& request,
                                               EventTime now) const {
  CAIRN_RETURN_IF_ERROR(call.check());
  Recommendations answer;
  CAIRN_RETURN_IF_ERROR(reach(call, request, &answer.degraded));
  // Taken before the rows are read: what is applied meanwhile may be in the answer, but is not promised.
  answer.freshness = state_.freshness();
  // Taken once: rows mean nothing in another index, and an import may put a new one in place at any moment.
  const auto index = this->index();
  CAIRN_ASSIGN_OR_RETURN(Question question, understand(request, *index, now));
  CAIRN_RETURN_IF_ERROR(call.check());  // a row may have come from the disk
  question.situation.user = &question.user;
  answer.degraded |= question.row_damaged;

  std::vector<PlaceIndex::Near> candidates = index->within(question.situation.position, question.radius_meters);
  const std::size_t in_radius = candidates.size();
  filter(question, *index, &candidates);

  answer.candidates = candidates.size();
  answer.freshness.tier = question.tier;
  // The lock on signals is held to the end: reasons are told from the same signals as scores.
  const PlaceSignals::Reader signals(signals_);
  const QuestionFacts facts(question.situation, *index, signals, ranker_.week);
  std::vector<float> scores;
  CAIRN_RETURN_IF_ERROR(stage_.score(
      facts, candidates, [&] { return call.check(); }, &scores));

  for (const std::uint32_t i : best_candidates(*index, candidates, scores, question.limit)) {
    const PlaceIndex::Near& near = candidates[i];
    Recommended& item = answer.items.emplace_back();
    item.place = index->place(near.row);
    item.score = static_cast<double>(scores[i]);
    item.distance_meters = static_cast<double>(near.meters);
    if (request.explain) {  // for those that are answered only: sentences cost far more than scores
      item.reasons = reasons_for(CandidateFacts(facts, near, question.user.find_row(near.row)), stage_.weights());
    }
  }
  // A short answer says where the places went: unknown, too far, or filtered out.
  if (answer.items.size() < question.limit) {
    answer.shortfall = std::to_string(index->size()) + " places known, " + std::to_string(in_radius) + " within " +
                       std::to_string(std::llround(question.radius_meters)) + " m, " +
                       std::to_string(answer.candidates) + " of them pass the filters";
  }
  return answer;
}

/// One damaged row is no reason to answer nothing: the user is then one of whom nothing is known.
Result<Recommender::UserRow> Recommender::user_row(const UserId& user) const {
  auto found = state_.row(EntityKind::kUser, user.str());
  if (found.ok()) return UserRow{*std::move(found), false};
  if (found.status().code() == StatusCode::kDataLoss) return UserRow{{}, true};
  return found.status();
}

Result<Recommender::Scored> Recommender::score(const UserId& user, GeoPoint position, EventTime time,
                                               double position_age_hours, double radius_meters) const {
  Scored scored;
  scored.index = index();
  CAIRN_ASSIGN_OR_RETURN(const UserRow row, user_row(user));
  const UserProfile profile =
      read_user_profile(state_.schema(), row.found.row.get(), *scored.index, ranker_.habit, time);
  const Situation situation{&profile, position, position_age_hours, time};
  // No filters and no bound: whoever measures ranking wants the score of every place in reach.
  scored.candidates = scored.index->within(position, radius_meters);
  const PlaceSignals::Reader signals(signals_);
  const QuestionFacts facts(situation, *scored.index, signals, ranker_.week);
  CAIRN_RETURN_IF_ERROR(stage_.score(
      facts, scored.candidates, [] { return ok_status(); }, &scored.scores));
  return scored;
}

// What costs nothing to check is checked before the user's row is read.
Result<Recommender::Question> Recommender::understand(const RecommendRequest& request, const PlaceIndex& index,
                                                      EventTime now) const {
  if (!valid_id(request.user.str())) return invalid_argument("user_id must have 1 to 128 bytes and no NUL");
  if (request.limit == 0 || request.limit > options_.limit_max) {
    return invalid_argument("limit must be 1 to " + std::to_string(options_.limit_max));
  }
  Question question;
  question.limit = request.limit;
  question.exclude_seen = request.exclude_seen;
  question.radius_meters = request.radius_meters.value_or(options_.radius_meters_default);
  if (!(question.radius_meters > 0.0 && question.radius_meters <= options_.radius_meters_max)) {
    return invalid_argument("radius_meters must be above 0 and at most " +
                            std::to_string(std::llround(options_.radius_meters_max)));
  }
  if (request.position && !valid_position(*request.position)) {
    return invalid_argument("lat must be in [-90, 90] and lon in [-180, 180]");
  }
  question.any_category = request.categories.empty();
  for (const std::string& name : request.categories) {
    // A category that no place has is no error: it matches nothing.
    if (const auto id = state_.category_ids().find(name)) question.categories.insert(static_cast<std::uint32_t>(*id));
  }
  question.situation.time = request.time.value_or(now);

  CAIRN_ASSIGN_OR_RETURN(const UserRow row, user_row(request.user));
  question.row_damaged = row.damaged;
  question.user =
      read_user_profile(state_.schema(), row.found.row.get(), index, ranker_.habit, question.situation.time);
  question.tier = !question.user.known ? Tier::kNone : row.found.hit ? Tier::kMemory : Tier::kDisk;
  if (request.position) {
    question.situation.position = *request.position;
    // A position without a time is of the moment asked for; one from the future is as fresh as can be.
    const auto age = question.situation.time - request.position_time.value_or(question.situation.time);
    question.situation.position_age_hours = std::max(0.0, static_cast<double>(age.count()) / 3.6e6);
  } else if (question.user.last_row != gpu::kNoRow) {
    question.situation.position = index.position(question.user.last_row);
    question.situation.position_age_hours = question.user.hours_since_last;
  } else {
    return invalid_argument(
        std::string("no position: name lat and lon, since no visit of this user to a known place ") +
        (row.damaged ? "can be read: what is stored of the user is damaged" : "is known"));
  }
  return question;
}

void Recommender::filter(const Question& question, const PlaceIndex& index,
                         std::vector<PlaceIndex::Near>* candidates) const {
  std::erase_if(*candidates, [&](const PlaceIndex::Near& near) {
    if (!question.any_category && !question.categories.contains(index.category(near.row))) return true;
    return question.exclude_seen && question.user.find_row(near.row) != nullptr;
  });
  // Beyond the bound the nearest are scored. They are brought back in order of rows, which scoring walks along.
  if (candidates->size() <= options_.candidates_max) return;
  const auto nearest_first = [](const auto& a, const auto& b) { return a.meters < b.meters; };
  const auto cut = candidates->begin() + static_cast<std::ptrdiff_t>(options_.candidates_max);
  std::nth_element(candidates->begin(), cut, candidates->end(), nearest_first);
  candidates->erase(cut, candidates->end());
  std::sort(candidates->begin(), candidates->end(), [](const auto& a, const auto& b) { return a.row < b.row; });
}

}  // namespace cairn::ranking
