#include "engine/ranking/question.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/ranking/retrieve/page_cursor.h"

namespace cairn::ranking {
namespace {

constexpr double kExploreStrengthMax = 100.0;

Status check_explore(const Explore& explore) {
  if (!(explore.strength >= 0.0 && explore.strength <= kExploreStrengthMax)) {
    return invalid_argument("explore_strength must be from 0, not at all, to 100");
  }
  const bool draws = explore.method == ExploreMethod::kThompson;
  if (draws && !explore.seed) {
    return invalid_argument("explore thompson needs a seed: a new one for each answer, the same for its pages");
  }
  if (!draws && explore.seed) return invalid_argument("a seed is for explore thompson; ucb draws nothing");
  return ok_status();
}

gpu::ExploreOptions options_of(const std::optional<Explore>& explore) {
  using Method = gpu::ExploreOptions::Method;
  if (!explore) return {};
  return {.method = explore->method == ExploreMethod::kThompson ? Method::kThompson : Method::kUpperBound,
          .strength = static_cast<float>(explore->strength),
          .seed = explore->seed.value_or(0)};
}

}  // namespace

Status QuestionReader::check(const RecommendRequest& request) const {
  if (!request.user.str().empty() && !valid_id(request.user.str())) {
    return invalid_argument("user_id must have 1 to 128 bytes and no NUL; a visitor has none");
  }
  if (request.limit == 0 || request.limit > options_.limit_max) {
    return invalid_argument("limit must be 1 to " + std::to_string(options_.limit_max));
  }
  const double radius = request.radius_meters.value_or(options_.radius_meters_default);
  if (!(radius > 0.0 && radius <= options_.radius_meters_max)) {
    return invalid_argument("radius_meters must be above 0 and at most " +
                            std::to_string(std::llround(options_.radius_meters_max)));
  }
  if (request.position && !valid_position(*request.position)) {
    return invalid_argument("lat must be in [-90, 90] and lon in [-180, 180]");
  }
  if (request.open_at && request.open_now) {
    return invalid_argument("open_at names the time at which places are to be open, or it is now; not both");
  }
  if (request.open_unknown && !request.open_at && !request.open_now) {
    return invalid_argument("open_unknown needs open_at");
  }
  if (!(request.diversity >= 0.0 && request.diversity <= 1.0)) {
    return invalid_argument("diversity must be from 0, none, to 1, the most");
  }
  return request.explore ? check_explore(*request.explore) : ok_status();
}

std::optional<std::uint32_t> QuestionReader::row_of(const PlaceIndex& index, std::string_view place) const {
  const auto id = state_.place_ids().find(place);
  const std::uint32_t row = id ? index.row_of(*id) : gpu::kNoRow;
  return row == gpu::kNoRow ? std::nullopt : std::optional(row);
}

/// Places that are not in the catalogue are none of the answers: they are passed over.
std::vector<std::uint32_t> QuestionReader::rows_of(const PlaceIndex& index, std::span<const PlaceId> places) const {
  std::vector<std::uint32_t> rows;
  for (const PlaceId& place : places) {
    if (const auto row = row_of(index, place.str())) rows.push_back(*row);
  }
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

void QuestionReader::read_filter(const RecommendRequest& request, const PlaceIndex& index, Question* question) const {
  CandidateFilter& filter = question->filter;
  filter.exclude_seen = request.exclude_seen;
  filter.radius_meters = request.radius_meters.value_or(options_.radius_meters_default);
  filter.any_category = request.categories.empty();
  const auto id_of = [&](const std::string& name) { return state_.category_ids().find(index.category_now(name)); };
  // A category that no place has is no error: it matches nothing.
  for (const std::string& name : request.categories) {
    if (const auto id = id_of(name)) {
      filter.categories.insert(static_cast<std::uint32_t>(*id));
    } else {
      question->unknown_categories.push_back(name);
    }
  }
  for (const std::string& name : request.exclude_categories) {
    if (const auto id = id_of(name)) filter.excluded_categories.insert(static_cast<std::uint32_t>(*id));
  }
  filter.excluded = rows_of(index, request.exclude);
  for (const std::uint64_t place : question->had) {
    if (const std::uint32_t row = index.row_of(place); row != gpu::kNoRow) filter.excluded.push_back(row);
  }
  std::sort(filter.excluded.begin(), filter.excluded.end());
  filter.excluded.erase(std::unique(filter.excluded.begin(), filter.excluded.end()), filter.excluded.end());
  if (request.rank.empty()) return;
  question->ranks_some = true;
  question->only = rows_of(index, request.rank);
  if (!request.radius_meters) filter.radius_meters = kEverywhereMeters;
}

Status QuestionReader::read_conditions(const RecommendRequest& request, const PlaceScan& places,
                                       Question* question) const {
  std::vector<std::shared_ptr<const RowBits>> all;
  const bool asks_hours = request.open_now || request.open_at;
  if (!request.where.empty() || asks_hours) CAIRN_CHECK(places.said().filters != nullptr);
  if (!request.where.empty()) {
    CAIRN_ASSIGN_OR_RETURN(auto rows, places.said().filters->where(request.where));
    all.push_back(std::move(rows));
  }
  if (asks_hours) {
    const EventTime time = request.open_at.value_or(question->situation.time);
    CAIRN_ASSIGN_OR_RETURN(auto rows, places.said().filters->open_at(time, request.open_unknown));
    all.push_back(std::move(rows));
  }
  if (!request.only.empty()) {
    auto rows = std::make_shared<RowBits>(no_rows(places.index().size()));
    for (const PlaceId& place : request.only) {
      if (const auto row = row_of(places.index(), place.str())) {
        set_row(*row, rows.get());
      } else {
        ++question->unknown_only;
      }
    }
    all.push_back(std::move(rows));
  }
  question->said = all_of(all);
  question->filter.allowed = question->said;
  return ok_status();
}

Status QuestionReader::place(const RecommendRequest& request, const PlaceIndex& index, Question* question) const {
  Situation& situation = question->situation;
  if (request.position) {
    situation.position = *request.position;
    // A position without a time is of the moment asked for; one from the future is as fresh as can be.
    const auto age = situation.time - request.position_time.value_or(situation.time);
    situation.position_age_hours = std::max(0.0, static_cast<double>(age.count()) / 3.6e6);
    return ok_status();
  }
  // Without one the user is taken to be where they looked last, or else went last.
  for (auto recent = request.recent.rbegin(); recent != request.recent.rend(); ++recent) {
    if (const auto row = row_of(index, recent->str())) {
      situation.position = index.position(*row);
      return ok_status();
    }
  }
  if (question->user.last_row != gpu::kNoRow) {
    situation.position = index.position(question->user.last_row);
    situation.position_age_hours = question->user.hours_since_last;
    return ok_status();
  }
  if (request.user.str().empty()) {
    return invalid_argument("no position: name lat and lon, or a place of the visit in recent that is known");
  }
  return invalid_argument(std::string("no position: name lat and lon, since no visit of this user to a known place ") +
                          (question->row_damaged ? "can be read: what is stored of the user is damaged" : "is known"));
}

Result<Question> QuestionReader::read(const RecommendRequest& request, const PlaceScan& places, EventTime now) const {
  CAIRN_RETURN_IF_ERROR(check(request));
  const PlaceIndex& index = places.index();
  Question question;
  question.limit = request.limit;
  question.max_per_category = request.max_per_category;
  question.diversity = request.diversity;
  if (!request.cursor.empty()) {
    CAIRN_ASSIGN_OR_RETURN(question.had, read_cursor(state_.id(), request.cursor));
  }
  read_filter(request, index, &question);
  question.situation.time = request.time.value_or(now);
  CAIRN_RETURN_IF_ERROR(read_conditions(request, places, &question));
  if (places.rules() != nullptr) question.rules = places.rules()->active_at(question.situation.time);

  CAIRN_ASSIGN_OR_RETURN(const UserRow row, user_row(request.user));
  question.row_damaged = row.damaged;
  question.user = read_user_profile(state_.schema(), row.found.row.get(), index, places.ranker()->habit(),
                                    question.situation.time, own_);
  question.tier = !question.user.known ? Tier::kNone : row.found.hit ? Tier::kMemory : Tier::kDisk;
  CAIRN_RETURN_IF_ERROR(place(request, index, &question));
  const ModelTerms terms{request.recent, request.explore, request.segment, question.situation.position};
  CAIRN_ASSIGN_OR_RETURN(question.model, ask_model(places, row.found.row.get(), terms));
  const std::vector<std::uint32_t> recent =
      question.user.known ? std::vector<std::uint32_t>() : rows_of(index, request.recent);
  if (!question.model && !recent.empty()) read_session(recent, index, &question.user);
  const bool model_knows = question.model && !question.model->history.items.empty();
  question.known_by = question.user.known                         ? UserKnownBy::kHistory
                      : model_knows || question.user.by_session   ? UserKnownBy::kRecent
                      : question.model && question.model->segment ? UserKnownBy::kSegment
                                                                  : UserKnownBy::kNothing;
  return question;
}

/// One damaged row is no reason to answer nothing: the user is then one of whom nothing is known.
Result<QuestionReader::UserRow> QuestionReader::user_row(const UserId& user) const {
  if (user.str().empty()) return UserRow{};  // a visitor
  auto found = state_.row(EntityKind::kUser, user.str());
  if (found.ok()) return UserRow{*std::move(found), false};
  if (found.status().code() == StatusCode::kDataLoss) return UserRow{{}, true};
  return found.status();
}

/// A caller that means to explore and does not would take what users do for an answer to questions nobody asked.
Status QuestionReader::check_explores(const PlaceScan& places) const {
  constexpr const char* kRemedy = "activate one that cairn train --kind ials has made, or ask without explore";
  if (!places.model()) return failed_precondition(std::string("explore: no model is in force; ") + kRemedy);
  if (!places.model()->explores()) {
    return failed_precondition(
        std::string("explore: the model in force is not one set of fold-in vectors, and does not know how unsure it "
                    "is; ") +
        kRemedy);
  }
  if (places.ranker()->model_weight() != 0.0) return ok_status();
  return failed_precondition(
      "explore: the weights of ranking give the feature model none; give it one, or ask without explore");
}

Status QuestionReader::check_segment(const PlaceScan& places, std::uint32_t segment) {
  const std::size_t count = places.model() ? places.model()->model()->model().segments.count() : 0;
  if (segment < count) return ok_status();
  if (count > 0) return invalid_argument("segment must be from 0 to " + std::to_string(count - 1));
  return failed_precondition(
      "segment: no model with segments is in force; activate one that cairn train --kind ials --set segments=16 has "
      "made, or ask without segment");
}

/// Does nothing where the model has no segments.
void QuestionReader::ask_segments(const ModelTerms& terms, AskedModel* asked) {
  std::vector<float> shares = asked->scores->segment_shares(terms.position);
  if (shares.empty()) return;
  if (terms.segment) {
    std::fill(shares.begin(), shares.end(), 0.0F);
    shares[*terms.segment] = 1.0F;
  }
  asked->segment = static_cast<std::uint32_t>(std::max_element(shares.begin(), shares.end()) - shares.begin());
  asked->query = asked->scores->ask_segments(shares);
}

Result<std::unique_ptr<const AskedModel>> QuestionReader::ask_model(const PlaceScan& places, const features::Row* row,
                                                                    const ModelTerms& terms) const {
  if (terms.explore) CAIRN_RETURN_IF_ERROR(check_explores(places));
  if (terms.segment) CAIRN_RETURN_IF_ERROR(check_segment(places, *terms.segment));
  if (!places.model() || places.ranker()->model_weight() == 0.0) return std::unique_ptr<const AskedModel>();
  AskedModel asked{.scores = places.model(), .explore = options_of(terms.explore)};
  asked.history = asked.scores->history(state_.schema(), row, state_.place_ids(), terms.recent);
  if (asked.history.items.empty()) ask_segments(terms, &asked);
  if (!asked.segment) {
    CAIRN_ASSIGN_OR_RETURN(asked.query, asked.scores->ask(asked.history, asked.explore));
  }
  return std::make_unique<const AskedModel>(std::move(asked));
}

}  // namespace cairn::ranking
