#include "engine/ranking/recommender.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>
#include <unordered_map>
#include <utility>

#include "engine/ranking/contents.h"
#include "engine/ranking/explain/reasons.h"
#include "engine/ranking/retrieve/nearest_name.h"
#include "engine/ranking/retrieve/page_cursor.h"
#include "engine/ranking/score/best_candidates.h"
#include "engine/ranking/score/diversity.h"
#include "engine/ranking/score/network_inputs.h"
#include "engine/ranking/score/ranking_features.h"
#include "engine/ranking/score/upper_bounds.h"
#include "features/geohash.h"

namespace cairn::ranking {

Recommender::Recommender(state::FeatureState& state, const RankingOptions& options, OwnFeatures own,
                         Sentences sentences, std::unique_ptr<gpu::Backend> backend, const PlaceTerms& terms)
    : state_(state),
      options_(options),
      sentences_(std::move(sentences)),
      backend_(std::move(backend)),
      terms_(std::make_shared<const PlaceTerms>(terms)),
      signals_(state, std::move(own)),
      questions_(state_, options_, signals_.own()) {}

Result<std::unique_ptr<Recommender>> Recommender::create(state::FeatureState& state, const RankingOptions& options,
                                                         std::unique_ptr<gpu::Backend> backend, const PlaceTerms& terms,
                                                         std::vector<PlaceRule> rules) {
  // Read first: with a broken ranker nothing is set up.
  CAIRN_ASSIGN_OR_RETURN(RankerModel ranker, configured_ranker(options.ranker_dir));
  return create(state, options, std::move(ranker), std::move(backend), terms, std::move(rules));
}

Result<std::unique_ptr<Recommender>> Recommender::create(state::FeatureState& state, const RankingOptions& options,
                                                         RankerModel model, std::unique_ptr<gpu::Backend> backend,
                                                         const PlaceTerms& terms, std::vector<PlaceRule> rules) {
  CAIRN_RETURN_IF_ERROR(PlaceRules::check(rules));
  CAIRN_ASSIGN_OR_RETURN(auto ranker, Ranker::create(std::move(model), options.weights, options.default_weights));
  CAIRN_ASSIGN_OR_RETURN(OwnFeatures own, OwnFeatures::create(options.features, state.schema(), state.types()));
  CAIRN_ASSIGN_OR_RETURN(Sentences sentences, Sentences::create(options.reasons, options.features));
  if (!backend) {
    // Questions are scanned by the thread that asks them: threads are for questions that come at the same time.
    CAIRN_ASSIGN_OR_RETURN(backend, gpu::make_cpu_backend({.threads = 1}));
  }
  std::unique_ptr<Recommender> made(
      new Recommender(state, options, std::move(own), std::move(sentences), std::move(backend), terms));
  // The index comes first, so that the stored rows that observing hands over find their places' categories.
  {
    const MutexLock lock(made->rebuild_mutex_);
    made->build_index(std::move(ranker), std::move(rules));
  }
  PlaceSignals* const signals = &made->signals_;
  CAIRN_RETURN_IF_ERROR(state.observe_places(
      [signals](auto changes) { signals->update(changes); }, [signals](std::uint64_t place) { signals->forget(place); },
      [signals](std::uint64_t place, auto changes) { signals->replace(place, changes); }));
  if (signals->own().reads_cells()) {
    CAIRN_RETURN_IF_ERROR(state.observe_cells([signals](auto changes) { signals->update_cells(changes); },
                                              [signals](std::uint64_t cell, int letters, auto changes) {
                                                signals->replace_cell({letters, cell}, changes);
                                              }));
  }
  return made;
}

// ---- index --------------------------------------------------------------------------------------------------------

std::shared_ptr<const PlaceScan> Recommender::places() const {
  const MutexLock lock(index_mutex_);
  return places_;
}

bool Recommender::index_current() const {
  const auto places = this->places();
  return places != nullptr && places->index().version() == state_.catalog().version();
}

void Recommender::refresh_index() {
  const MutexLock one_at_a_time(rebuild_mutex_);
  if (!index_current()) build_index(ranker(), places()->rules()->rules());
}

void Recommender::build_index(std::shared_ptr<const Ranker> ranker, std::vector<PlaceRule> rules) {
  // The version is read before the places: an import in between is then newer than the index says, and makes another.
  const std::uint64_t version = state_.catalog().version();
  PlaceIndex::Renamed renamed;
  for (const Category& category : state_.catalog().categories()) {
    for (const std::string& old : category.old_names) renamed[old] = category.name;
  }
  auto index = std::make_shared<const PlaceIndex>(state_.catalog().newer_than(0), state_.category_ids(), version,
                                                  std::move(renamed));
  // Totals before the index that names their categories; requests under way go on with the older index.
  signals_.recategorise(*index);
  PlaceScan::Said said = said_of(index, std::move(rules), std::make_shared<const PlaceFilters>(index, terms_));
  replace_places(std::move(index), served_model(), std::move(ranker), std::move(said));
}

PlaceScan::Said Recommender::said_of(const std::shared_ptr<const PlaceIndex>& index, std::vector<PlaceRule> rules,
                                     std::shared_ptr<const PlaceFilters> filters) const {
  auto made = std::make_shared<const PlaceRules>(std::move(rules), *index, *filters, terms_);
  return {std::move(filters), std::move(made)};
}

Status Recommender::serve_rules(std::vector<PlaceRule> rules) {
  CAIRN_RETURN_IF_ERROR(PlaceRules::check(rules));
  const MutexLock one_at_a_time(rebuild_mutex_);
  const auto before = places();
  if (before->rules()->rules() == rules) return ok_status();
  replace_places(before->shared_index(), served_model(), before->ranker(),
                 said_of(before->shared_index(), std::move(rules), before->said().filters));
  return ok_status();
}

void Recommender::notice_time(EventTime now) {
  const PlaceRules::Set active = places()->rules()->active_at(now);
  if (rules_in_force_.exchange(active, std::memory_order_relaxed) == active) return;
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

void Recommender::serve_model(std::shared_ptr<const model::ServedModel> model) {
  const MutexLock one_at_a_time(rebuild_mutex_);
  replace_places(index(), std::move(model), ranker(), places()->said());
}

Status Recommender::serve_ranker(RankerModel model) {
  CAIRN_ASSIGN_OR_RETURN(auto ranker, Ranker::create(std::move(model), options_.weights, options_.default_weights));
  const MutexLock one_at_a_time(rebuild_mutex_);
  replace_places(index(), served_model(), std::move(ranker), places()->said());
  return ok_status();
}

std::shared_ptr<const model::ServedModel> Recommender::served_model() const {
  const auto places = this->places();
  return places && places->model() ? places->model()->model() : nullptr;
}

void Recommender::replace_places(std::shared_ptr<const PlaceIndex> index,
                                 std::shared_ptr<const model::ServedModel> model, std::shared_ptr<const Ranker> ranker,
                                 PlaceScan::Said said) {
  std::shared_ptr<const ModelScores> scores;
  if (model) scores = std::make_shared<const ModelScores>(index, std::move(model));
  auto places = PlaceScan::create(std::move(index), std::move(scores), std::move(ranker), *backend_, std::move(said),
                                  signals_.own());
  CAIRN_CHECK_MSG(places.ok(), places.status().to_string());  // the backend has no bound, and an index makes sense
  if (const auto before = this->places()) (*places)->prepare_like(*before, signals_);
  std::shared_ptr<const std::string> made_with;
  if (tells_) made_with = std::make_shared<const std::string>(describe_contents(**places, options_));
  {
    const MutexLock lock(index_mutex_);
    places_ = *std::move(places);
    made_with_ = std::move(made_with);
  }
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

void Recommender::tell_what_answers_are_made_with() {
  const MutexLock one_at_a_time(rebuild_mutex_);
  tells_ = true;
  auto made_with = std::make_shared<const std::string>(describe_contents(*places(), options_));
  const MutexLock lock(index_mutex_);
  made_with_ = std::move(made_with);
}

std::shared_ptr<const std::string> Recommender::made_with() const {
  const MutexLock lock(index_mutex_);
  // Rules come into force and go by the clock, each for itself.
  if (places_->rules() != nullptr && !places_->rules()->rules().empty()) return nullptr;
  return made_with_;
}

std::string Recommender::cursor_behind(std::span<const Recommended> items) const {
  std::vector<std::uint64_t> had;
  for (const Recommended& item : items) {
    const auto id = state_.place_ids().find(item.place.id.str());
    if (!id) return {};
    had.push_back(*id);
  }
  std::sort(had.begin(), had.end());
  return make_cursor(state_.id(), had);
}

std::vector<std::string> Recommender::popular_cells(std::size_t count) const {
  // The lock on signals is given up in between, so that events need not wait for all places.
  constexpr std::uint32_t kRowsAtOnce = 4096;
  const auto index = this->index();
  struct Visits {
    features::DecayedSum sum;
    std::size_t places = 0;
  };
  std::unordered_map<std::uint64_t, Visits> by_cell;
  for (std::uint32_t begin = 0; begin < index->size(); begin += kRowsAtOnce) {
    const PlaceSignals::Reader signals(signals_);
    const std::uint32_t end = std::min(index->size(), begin + kRowsAtOnce);
    for (std::uint32_t row = begin; row < end; ++row) {
      Visits& visits = by_cell[index->cell(row)];
      visits.sum = features::add(visits.sum, signals.of(index->place_id(row)).visits_30d);
      ++visits.places;
    }
  }
  struct Cell {
    std::uint64_t bits;
    Visits visits;
  };
  std::vector<Cell> cells;
  cells.reserve(by_cell.size());
  for (const auto& [bits, visits] : by_cell) cells.push_back({bits, visits});
  // All sums are relative to one moment, so they compare as they are.
  const auto before = [](const Cell& a, const Cell& b) {
    const bool a_some = a.visits.sum.mantissa > 0.0;
    const bool b_some = b.visits.sum.mantissa > 0.0;
    if (a_some != b_some) return a_some;
    if (a_some && a.visits.sum.exponent != b.visits.sum.exponent) {
      return a.visits.sum.exponent > b.visits.sum.exponent;
    }
    if (a_some && a.visits.sum.mantissa != b.visits.sum.mantissa) {
      return a.visits.sum.mantissa > b.visits.sum.mantissa;
    }
    if (a.visits.places != b.visits.places) return a.visits.places > b.visits.places;
    return a.bits < b.bits;
  };
  const std::size_t kept = std::min(count, cells.size());
  std::partial_sort(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(kept), cells.end(), before);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kept; ++i) {
    names.push_back(features::geohash_text(cells[i].bits, PlaceIndex::kCellLetters));
  }
  return names;
}

std::uint32_t Recommender::segments() const {
  const auto places = this->places();
  return places->model() ? static_cast<std::uint32_t>(places->model()->model()->model().segments.count()) : 0;
}

void Recommender::prepare(EventTime now) const {
  constexpr std::chrono::minutes kAhead{2};
  const auto places = this->places();
  if (!places->asked()) return;
  for (const EventTime time : {now, now + kAhead}) {
    // Whoever asks makes the columns when this fails.
    const PlaceRules::Set adding = places->rules()->adding(places->rules()->active_at(time));
    (void)places->hour(time, places->index().size(), signals_, adding);
  }
}

std::vector<RankingFeatureInfo> Recommender::features() const {
  std::vector<RankingFeatureInfo> infos = ranking_features();
  const auto ranker = this->ranker();
  for (std::size_t i = 0; i < infos.size(); ++i) infos[i].weight = ranker->linear().weights()[i];
  for (const OwnFeatures::Feature& own : signals_.own().all()) {
    infos.push_back({.name = own.spec.name,
                     .meaning = OwnFeatures::meaning(own),
                     .default_weight = own.spec.weight,
                     .weight = own.spec.weight,
                     .own = true});
  }
  return infos;
}

void Recommender::describe(EngineStatus* status) const {
  status->memory.push_back({"signals", signals_.memory_bytes(), 0});
  const auto places = this->places();
  const PlaceScan::Said& said = places->said();
  status->memory.push_back({"place_columns", places->memory_bytes(), 0});
  status->memory.push_back({"attributes", said.filters->memory_bytes() + said.rules->memory_bytes(), 0});
  status->unreadable_hours = said.filters->unreadable_hours();
  status->idle_rules = said.rules->idle();
}

std::vector<IdleRule> Recommender::idle_rules() const { return places()->rules()->idle(); }

std::vector<PlaceRule> Recommender::rules() const { return places()->rules()->rules(); }

// ---- answering ----------------------------------------------------------------------------------------------------

Status Recommender::wait_for_offset(const CallContext& call, const RecommendRequest& request) const {
  if (!request.min_offset || request.on_stale != OnStale::kWait) return ok_status();
  return state_.wait_for(*request.min_offset, call);
}

Status Recommender::reach(const CallContext& call, const RecommendRequest& request, bool* degraded) const {
  if (!request.min_offset || state_.reached(*request.min_offset)) return ok_status();
  switch (request.on_stale) {
    case OnStale::kWait:
      return wait_for_offset(call, request);
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
  CAIRN_ASSIGN_OR_RETURN(const auto asked, read(call, request, now));
  Asked* const alone[] = {asked.get()};
  return Sitting(*this, alone).answer(call, *asked);
}

Result<std::shared_ptr<Recommender::Asked>> Recommender::read(const CallContext& call, const RecommendRequest& request,
                                                              EventTime now) const {
  CAIRN_RETURN_IF_ERROR(call.check());
  const std::shared_ptr<Asked> asked(new Asked());
  Recommendations& answer = asked->answer;
  CAIRN_RETURN_IF_ERROR(reach(call, request, &answer.degraded));
  // Taken before the rows are read: what is applied meanwhile may be in the answer, but is not promised.
  answer.freshness = state_.freshness();
  // Taken once: rows mean nothing in another index, and an import may put a new one in place at any moment.
  asked->places = places();
  const PlaceScan& places = *asked->places;
  CAIRN_ASSIGN_OR_RETURN(asked->question, questions_.read(request, places, now));
  CAIRN_RETURN_IF_ERROR(call.check());  // a row may have come from the disk
  Question& question = asked->question;
  question.situation.user = &question.user;
  if (clock_ahead_) question.situation.clock_ahead = clock_ahead_(question.situation.time);
  asked->explain = request.explain;
  asked->reasons = request.against ? ReasonsWanted::kAll : ReasonsWanted::kFor;
  asked->language = &sentences_.in(sentences_.language_of(request.language));
  asked->attributes = request.attributes;
  answer.degraded |= question.row_damaged;

  answer.freshness.tier = question.tier;
  answer.known_by = question.known_by;
  if (question.user.last_place) answer.user_event = event_time_from_ms(question.user.last_ms);
  answer.cell = request.cell;
  answer.ranker = places.ranker()->version();
  if (question.model) answer.model = question.model->scores->model()->version();
  if (question.model) answer.segment = question.model->segment;
  if (question.model && question.model->explores()) answer.explored = request.explore->method;
  asked->ranges = places.index().ranges_around(question.situation.position, question.filter.radius_meters);
  CAIRN_ASSIGN_OR_RETURN(asked->hour, hour_for(question, places, asked->ranges));
  return asked;
}

Recommender::Sitting::Sitting(const Recommender& recommender, std::span<Asked* const> asked)
    : recommender_(recommender), signals_(recommender.signals_) {
  for (Asked* one : asked) {
    if (one->hour) prepare(*one);
  }
  // An import or an activation may have come between two of them: each is scanned among its own places.
  std::vector<const PlaceScan*> done;
  std::vector<PlaceScan::Search*> together;
  for (const Asked* first : asked) {
    const PlaceScan* places = first->places.get();
    if (std::find(done.begin(), done.end(), places) != done.end()) continue;
    done.push_back(places);
    together.clear();
    for (const Asked* one : asked) {
      if (one->places.get() == places && one->search) together.push_back(one->search.get());
    }
    places->scan(together);
  }
}

void Recommender::Sitting::prepare(Asked& asked) const {
  const PlaceScan& places = *asked.places;
  const Ranker& ranker = *places.ranker();
  const Question& question = asked.question;
  asked.facts.emplace(question.situation, places.index(), signals_, ranker.week(), question.model.get());
  // Places that are pinned or buried are scanned by themselves, when it is known how many the tier before has.
  if (!asked.hour || places.rules()->tiers(question.rules).several) return;
  asked.search = places.prepare(*asked.facts, question.filter, asked.ranges,
                                wanted_first(question, question.limit, ranker), *asked.hour);
}

Result<Recommendations> Recommender::Sitting::answer(const CallContext& call, Asked& asked) const {
  if (!asked.facts) prepare(asked);
  const PlaceIndex& index = asked.places->index();
  const Ranker& ranker = *asked.places->ranker();
  const Question& question = asked.question;
  Recommendations& answer = asked.answer;
  CAIRN_ASSIGN_OR_RETURN(const Ranked ranked, recommender_.rank(call, asked));
  answer.candidates = ranked.passed;
  answer.by_fallback = ranked.by_fallback;
  std::vector<float> model_scores;
  if (asked.explain) {
    CAIRN_ASSIGN_OR_RETURN(model_scores, model_scores_of(question, ranked, ranker.model_weight()));
  }
  std::vector<Recommended>& items = answer.items.edit();
  for (std::size_t i = 0; i < ranked.places.size(); ++i) {
    const PlaceIndex::Near& near = ranked.places[i];
    Recommended& item = items.emplace_back();
    item.place = index.place(near.row);
    if (!asked.attributes) item.place.attributes = {};
    item.score = static_cast<double>(ranked.scores[i]);
    item.distance_meters = static_cast<double>(near.meters);
    if (asked.explain) {  // for those that are answered only: sentences cost far more than scores
      Explanation why = explain(CandidateFacts(*asked.facts, near, question.user.find_row(near.row), model_scores[i]),
                                ranker.linear().weights(), ranked.added.empty() ? 0.0F : ranked.added[i], asked.reasons,
                                *asked.language);
      item.reasons = std::move(why.reasons);
      item.against = std::move(why.against);
      item.because = std::move(why.because);
      asked.places->rules()->explain(near.row, question.rules, &item.reasons, &item.against);
      if (asked.reasons != ReasonsWanted::kAll) item.against.clear();
      const auto more = [](const Reason& a, const Reason& b) {
        return std::abs(a.contribution) > std::abs(b.contribution);
      };
      std::stable_sort(item.reasons.begin(), item.reasons.end(), more);
      std::stable_sort(item.against.begin(), item.against.end(), more);
    }
  }
  answer.next = recommender_.next_page(question, index, ranked);
  if (answer.items.size() < question.limit)
    answer.shortfall = recommender_.shortfall(question, index, answer.candidates);
  return std::move(answer);
}

/// What the model gave those that are answered, with what its bounds added.
Result<std::vector<float>> Recommender::model_scores_of(const Question& question, const Ranked& ranked,
                                                        double model_weight) {
  std::vector<std::uint32_t> rows;
  for (const PlaceIndex::Near& near : ranked.places) rows.push_back(near.row);
  std::vector<float> scores(rows.size());
  if (!question.model) return scores;
  question.model->scores->score(question.model->query, rows, scores);
  CAIRN_ASSIGN_OR_RETURN(const auto gains, question.model->gains(rows, model_weight));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // A cap by category may let in places from behind those that were raised.
    const bool raised = std::binary_search(ranked.raised.begin(), ranked.raised.end(), rows[i]);
    if (raised || !question.model->has_bounds()) scores[i] += gains[i];
  }
  return scores;
}

/// A short answer says where the places went: unknown, too far, or filtered out.
std::string Recommender::shortfall(const Question& question, const PlaceIndex& index, std::size_t passed) const {
  const double radius = question.filter.radius_meters;
  std::string text = std::to_string(index.size()) + " places known, ";
  if (question.ranks_some) {
    text += std::to_string(question.only.size()) + " of those to rank among them, ";
  } else {
    const std::size_t within = index.within(question.situation.position, radius).size();
    text += std::to_string(within) + " within " + std::to_string(std::llround(radius)) + " m, ";
  }
  text += std::to_string(passed) + " of them pass the filters";
  if (question.said) {
    // Of those in reach, whatever else leaves them out.
    std::size_t removed = 0;
    const auto count = [&](std::uint32_t row) { removed += has_row(*question.said, row) ? 0 : 1; };
    for (const std::uint32_t row : question.only) count(row);
    if (!question.ranks_some) {
      for (const PlaceIndex::Near& near : index.within(question.situation.position, radius)) count(near.row);
    }
    text += ", " + std::to_string(removed) + " were removed by where, open or only";
  }
  if (question.max_per_category > 0) text += ", at most " + std::to_string(question.max_per_category) + " a category";
  return text + misnamed(question);
}

/// What was asked for by a name that nothing has.
std::string Recommender::misnamed(const Question& question) const {
  constexpr std::size_t kNamed = 5;
  constexpr std::size_t kNameBytesMax = 128;
  std::string text;
  if (question.unknown_only > 0) {
    text += "; " + std::to_string(question.unknown_only) + " of the places in only " +
            (question.unknown_only == 1 ? "is" : "are") + " not known";
  }
  if (question.unknown_categories.empty()) return text;
  std::vector<std::string> names;
  for (const Category& category : state_.catalog().categories()) names.push_back(category.name);
  for (std::size_t i = 0; i < std::min(question.unknown_categories.size(), kNamed); ++i) {
    const std::string& name = question.unknown_categories[i];
    if (name.size() > kNameBytesMax) continue;
    text += "; no place has the category '" + name + "'";
    if (const std::string near = nearest_name(name, names); !near.empty()) text += ", did you mean '" + near + "'?";
  }
  return text;
}

Result<std::shared_ptr<PlaceScan::Hour>> Recommender::hour_for(const Question& question, const PlaceScan& places,
                                                               std::span<const gpu::RowRange> ranges) const {
  std::size_t rows = 0;
  for (const gpu::RowRange& range : ranges) rows += range.end - range.begin;
  if (question.ranks_some || rows > options_.candidates_max) return std::shared_ptr<PlaceScan::Hour>();
  return places.hour(question.situation.time, rows, signals_, places.rules()->adding(question.rules));
}

Result<Recommender::Ranked> Recommender::rank(const CallContext& call, Asked& asked) const {
  const Question& question = asked.question;
  Taken taken;
  const PlaceRules::Tiers tiers = asked.places->rules()->tiers(question.rules);
  if (!tiers.several) return rank_tier(call, asked, question.filter, question.limit, &taken);
  Ranked all;
  for (const auto& rows : tiers.rows) {
    if (!rows) continue;
    CandidateFilter filter = question.filter;
    const std::shared_ptr<const RowBits> both[] = {rows, filter.allowed};
    filter.allowed = all_of(std::span(both).first(filter.allowed ? 2 : 1));
    const std::size_t room = question.limit - all.places.size();
    if (room == 0) {  // it is only said how many there are
      CAIRN_ASSIGN_OR_RETURN(const std::size_t passed, count_passing(asked, filter, &all.by_fallback));
      all.passed += passed;
      continue;
    }
    CAIRN_ASSIGN_OR_RETURN(const Ranked tier, rank_tier(call, asked, filter, room, &taken));
    all.passed += tier.passed;
    all.by_fallback = all.by_fallback || tier.by_fallback;
    all.places.insert(all.places.end(), tier.places.begin(), tier.places.end());
    all.scores.insert(all.scores.end(), tier.scores.begin(), tier.scores.end());
    all.added.insert(all.added.end(), tier.added.begin(), tier.added.end());
    all.raised.insert(all.raised.end(), tier.raised.begin(), tier.raised.end());
  }
  std::sort(all.raised.begin(), all.raised.end());
  return all;
}

Result<std::size_t> Recommender::count_passing(Asked& asked, const CandidateFilter& filter, bool* by_fallback) const {
  CAIRN_ASSIGN_OR_RETURN(const PlaceScan::Found scanned, found(asked, nullptr, filter, 1));
  *by_fallback = *by_fallback || scanned.by_fallback;
  if (scanned.by_scan) return scanned.passed;
  const Question& question = asked.question;
  const PlaceIndex& index = asked.places->index();
  return (question.ranks_some ? find_some(question, filter, index) : find_all(question, filter, index)).passed;
}

std::size_t Recommender::wanted_first(const Question& question, std::size_t limit, const Ranker& ranker) {
  const std::size_t pool = std::max(kSecondStage, limit);  // is chosen from, where places are compared
  // A cap by category may pass over many of the best: then more of them are looked for, up to all.
  if (question.max_per_category > 0) return std::max(kSecondStage, 4 * limit);
  const bool reorders =
      ranker.second() != nullptr || question.diversity > 0.0 || (question.model && question.model->has_bounds());
  return reorders ? pool : limit;
}

Result<PlaceScan::Found> Recommender::found(Asked& asked, std::unique_ptr<PlaceScan::Search> search,
                                            const CandidateFilter& filter, std::size_t wanted) {
  if (search) return search->take();
  if (!asked.hour) return PlaceScan::Found{};
  return asked.places->find(*asked.facts, filter, asked.ranges, wanted, *asked.hour);
}

Result<Recommender::Ranked> Recommender::rank_tier(const CallContext& call, Asked& asked, const CandidateFilter& filter,
                                                   std::size_t limit, Taken* taken_before) const {
  const Question& question = asked.question;
  const QuestionFacts& facts = *asked.facts;
  const PlaceScan& places = *asked.places;
  const PlaceIndex& index = places.index();
  const Ranker& ranker = *places.ranker();
  const std::size_t pool = std::max(kSecondStage, limit);
  for (std::size_t wanted = wanted_first(question, limit, ranker);; wanted *= 4) {
    // The first round was scanned together with others.
    CAIRN_ASSIGN_OR_RETURN(PlaceScan::Found found, Recommender::found(asked, std::move(asked.search), filter, wanted));
    const bool by_fallback = found.by_fallback;
    if (!found.by_scan) {
      found = question.ranks_some ? find_some(question, filter, index) : find_all(question, filter, index);
      if (question.max_per_category > 0) wanted = std::max(wanted, found.passed);  // all are here: one round will do
    }
    CAIRN_ASSIGN_OR_RETURN(Linear linear, score_all(
                                              ranker, facts, found.candidates, [&] { return call.check(); },
                                              places.rules(), places.rules()->adding(question.rules)));
    std::vector<std::uint32_t> order = best_candidates(index, found.candidates, linear.scores, wanted);
    CAIRN_RETURN_IF_ERROR(raise_to_bounds(index, question.model.get(), ranker.model_weight(), found.candidates, pool,
                                          order, &linear.scores));
    const Ranked best = in_order(ranker, facts, linear, order);
    Ranked ranked{.passed = found.passed, .by_fallback = by_fallback};
    if (question.model && question.model->has_bounds()) {
      for (const std::uint32_t i : std::span(order).first(std::min(order.size(), pool))) {
        ranked.raised.push_back(found.candidates[i].row);
      }
      std::sort(ranked.raised.begin(), ranked.raised.end());
    }
    Taken taken = *taken_before;
    std::vector<std::uint32_t> chosen(best.places.size());
    std::iota(chosen.begin(), chosen.end(), 0U);
    diversify(index, places.model().get(), best.places, best.scores,
              {question.diversity, pool, limit, question.max_per_category}, chosen);
    for (const std::uint32_t i : chosen) {
      const PlaceIndex::Near& near = best.places[i];
      if (question.max_per_category > 0 && ++taken[index.category(near.row)] > question.max_per_category) continue;
      ranked.places.push_back(near);
      ranked.scores.push_back(best.scores[i]);
      if (!best.added.empty()) ranked.added.push_back(best.added[i]);
      if (ranked.places.size() == limit) break;
    }
    if (ranked.places.size() == limit || wanted >= found.passed) {
      *taken_before = std::move(taken);
      return ranked;
    }
  }
}

namespace {

/// What is added to the scores of `highest` and of all below, so that they come below `lowest`: 0 where they do.
float step_back(float highest, float lowest) {
  const float below = std::nextafter(lowest, std::numeric_limits<float>::lowest());
  return std::min(0.0F, below - highest);
}

}  // namespace

Result<Recommender::Linear> Recommender::score_all(const Ranker& ranker, const QuestionFacts& facts,
                                                   std::span<const PlaceIndex::Near> candidates,
                                                   const std::function<Status()>& go_on, const PlaceRules* rules,
                                                   PlaceRules::Set adding) {
  Linear linear{.candidates = candidates};
  // Of more candidates than a scan leaves, few are among the best: their features are then computed again.
  const bool keep = ranker.second() != nullptr && candidates.size() <= kFeaturesKept;
  CAIRN_RETURN_IF_ERROR(
      ranker.linear().score(facts, candidates, go_on, &linear.scores, keep ? &linear.features : nullptr));
  if (adding == 0) return linear;
  linear.by_rules.resize(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    linear.by_rules[i] = static_cast<float>(rules->added(candidates[i].row, adding));
    linear.scores[i] += linear.by_rules[i];
  }
  return linear;
}

std::vector<float> Recommender::features_of(const QuestionFacts& facts, const Linear& linear,
                                            std::span<const std::uint32_t> chosen) {
  if (linear.features.empty()) {
    std::vector<PlaceIndex::Near> places;
    for (const std::uint32_t i : chosen) places.push_back(linear.candidates[i]);
    return candidate_features(facts, places);
  }
  const std::size_t width = ranking_feature_count();
  std::vector<float> features(chosen.size() * width);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    std::copy_n(linear.features.data() + chosen[i] * width, width, features.data() + i * width);
  }
  return features;
}

/// The network was trained with the ranker's own linear scores, which knew no rules, no weights that somebody named and
/// no features of a deployment's own, the best first: so it sees them without, in that order.
std::vector<float> Recommender::added_by_network(const Ranker& ranker, const QuestionFacts& facts, const Linear& linear,
                                                 std::span<const std::uint32_t> looked_at) {
  const LinearStage& stage = ranker.linear();
  const bool as_trained = facts.signals.own().empty() && std::ranges::equal(stage.weights(), stage.trained_weights());
  std::vector<float> features;
  if (!as_trained) features = features_of(facts, linear, looked_at);
  const std::size_t width = ranking_feature_count();
  std::vector<float> before(looked_at.size());
  for (std::size_t i = 0; i < looked_at.size(); ++i) {
    const std::uint32_t at = looked_at[i];
    before[i] = linear.by_rules.empty() ? linear.scores[at] : linear.scores[at] - linear.by_rules[at];
    if (as_trained) continue;
    double sum = 0.0;
    for (std::size_t f = 0; f < width; ++f) {
      sum += stage.trained_weights()[f] * static_cast<double>(features[i * width + f]);
    }
    before[i] = static_cast<float>(sum);
  }
  std::vector<std::size_t> turn(looked_at.size());
  std::iota(turn.begin(), turn.end(), std::size_t{0});
  if (!linear.by_rules.empty() || !as_trained) {
    std::stable_sort(turn.begin(), turn.end(), [&](std::size_t a, std::size_t b) { return before[a] > before[b]; });
  }
  std::vector<PlaceIndex::Near> places;
  std::vector<float> scores;
  std::vector<std::uint32_t> chosen;
  for (const std::size_t i : turn) {
    places.push_back(linear.candidates[looked_at[i]]);
    scores.push_back(before[i]);
    chosen.push_back(looked_at[i]);
  }
  const std::vector<float> in_turn = ranker.second()->score(facts, places, scores, features_of(facts, linear, chosen));
  std::vector<float> added(looked_at.size());
  for (std::size_t i = 0; i < turn.size(); ++i) added[turn[i]] = in_turn[i];
  return added;
}

Recommender::Ranked Recommender::in_order(const Ranker& ranker, const QuestionFacts& facts, const Linear& linear,
                                          std::span<const std::uint32_t> order) {
  Ranked best;
  for (const std::uint32_t i : order) {
    best.places.push_back(linear.candidates[i]);
    best.scores.push_back(linear.scores[i]);
  }
  if (ranker.second() == nullptr || best.places.empty()) return best;
  const std::size_t looked_at = std::min(best.places.size(), kSecondStage);
  const std::span<const PlaceIndex::Near> first = std::span(best.places).first(looked_at);
  const std::vector<float> added = added_by_network(ranker, facts, linear, order.first(looked_at));
  std::vector<float> sums;
  for (std::size_t i = 0; i < looked_at; ++i) sums.push_back(best.scores[i] + added[i]);
  Ranked ordered;
  for (const std::uint32_t i : best_candidates(facts.index, first, sums, looked_at)) {
    ordered.places.push_back(first[i]);
    ordered.scores.push_back(sums[i]);
    ordered.added.push_back(added[i]);
  }
  // Whom nobody looked at must not pass by those who were: all of them step back together.
  const float behind = looked_at < best.scores.size() ? step_back(best.scores[looked_at], ordered.scores.back()) : 0.0F;
  for (std::size_t i = looked_at; i < best.places.size(); ++i) {
    ordered.places.push_back(best.places[i]);
    ordered.scores.push_back(best.scores[i] + behind);
    ordered.added.push_back(behind);
  }
  return ordered;
}

std::string Recommender::next_page(const Question& question, const PlaceIndex& index, const Ranked& ranked) const {
  std::vector<std::uint64_t> had = question.had;
  for (const PlaceIndex::Near& near : ranked.places) had.push_back(index.place_id(near.row));
  const bool more = ranked.places.size() == question.limit && ranked.passed > ranked.places.size();
  if (!more || had.size() + question.limit > kCursorPlacesMax) return {};
  std::sort(had.begin(), had.end());
  return make_cursor(state_.id(), had);
}

Result<Recommender::Scored> Recommender::score(const UserId& user, GeoPoint position, EventTime time,
                                               double position_age_hours, double radius_meters,
                                               bool exclude_seen) const {
  Scored scored;
  const auto places = this->places();
  scored.index = places->shared_index();
  const Ranker& ranker = *places->ranker();
  CAIRN_ASSIGN_OR_RETURN(const auto row, questions_.user_row(user));
  const UserProfile profile =
      read_user_profile(state_.schema(), row.found.row.get(), *scored.index, ranker.habit(), time, signals_.own());
  CAIRN_ASSIGN_OR_RETURN(const auto asked, questions_.ask_model(*places, row.found.row.get(), {.position = position}));
  const Situation situation{&profile, position, position_age_hours, time};
  // No filters and no bound: whoever measures ranking wants the score of every place in reach.
  scored.candidates = scored.index->within(position, radius_meters);
  if (exclude_seen) {
    std::erase_if(scored.candidates, [&](const auto& near) { return profile.find_row(near.row) != nullptr; });
  }
  if (asked) scored.model = asked->score(scored.candidates);
  const PlaceSignals::Reader signals(signals_);
  const QuestionFacts facts(situation, *scored.index, signals, ranker.week(), asked.get());
  CAIRN_ASSIGN_OR_RETURN(Linear linear, score_all(ranker, facts, scored.candidates, [] { return ok_status(); }));
  if (ranker.second() != nullptr) {
    put_best_first(ranker, facts, std::move(linear), &scored);
  } else {
    scored.scores = std::move(linear.scores);
  }
  return scored;
}

Status Recommender::study(const UserId& user, GeoPoint position, EventTime time, double position_age_hours,
                          bool exclude_seen, std::size_t k, const std::function<void(const Study&)>& see) const {
  const auto places = this->places();
  const PlaceIndex& index = places->index();
  const Ranker& ranker = *places->ranker();
  Question question;
  CAIRN_ASSIGN_OR_RETURN(const auto row, questions_.user_row(user));
  question.user = read_user_profile(state_.schema(), row.found.row.get(), index, ranker.habit(), time, signals_.own());
  CAIRN_ASSIGN_OR_RETURN(question.model, questions_.ask_model(*places, row.found.row.get(), {}));
  question.situation = {&question.user, position, position_age_hours, time};
  question.filter.radius_meters = kEverywhereMeters;
  question.filter.exclude_seen = exclude_seen;
  // Whoever learns asks about most hours: columns are worth it at once.
  CAIRN_ASSIGN_OR_RETURN(const auto hour, places->hour(time, index.size(), signals_));
  const auto ranges = index.ranges_around(position, kEverywhereMeters);
  const PlaceSignals::Reader signals(signals_);
  const QuestionFacts facts(question.situation, index, signals, ranker.week(), question.model.get());
  PlaceScan::Found found;
  if (hour != nullptr) {
    CAIRN_ASSIGN_OR_RETURN(found, places->find(facts, question.filter, ranges, k, *hour));
  }
  if (!found.by_scan) found = find_all(question, question.filter, index);
  CAIRN_ASSIGN_OR_RETURN(const Linear linear, score_all(ranker, facts, found.candidates, [] { return ok_status(); }));
  const std::vector<std::uint32_t> order = best_candidates(index, found.candidates, linear.scores, k);
  std::vector<PlaceIndex::Near> best;
  std::vector<float> best_scores;
  for (const std::uint32_t i : order) {
    best.push_back(found.candidates[i]);
    best_scores.push_back(linear.scores[i]);
  }
  see({facts, best, best_scores, features_of(facts, linear, order)});
  return ok_status();
}

void Recommender::put_best_first(const Ranker& ranker, const QuestionFacts& facts, Linear linear, Scored* scored) {
  const Ranked best =
      in_order(ranker, facts, linear, best_candidates(facts.index, linear.candidates, linear.scores, kSecondStage));
  scored->linear = std::move(linear.scores);
  scored->scores = scored->linear;
  if (best.places.empty()) return;
  std::unordered_map<std::uint32_t, float> by_row;
  for (std::size_t i = 0; i < best.places.size(); ++i) by_row.emplace(best.places[i].row, best.scores[i]);
  std::vector<std::size_t> others;
  float highest = std::numeric_limits<float>::lowest();
  for (std::size_t i = 0; i < scored->scores.size(); ++i) {
    const auto looked_at = by_row.find(scored->candidates[i].row);
    if (looked_at != by_row.end()) {
      scored->scores[i] = looked_at->second;
    } else {
      others.push_back(i);
      highest = std::max(highest, scored->scores[i]);
    }
  }
  const float behind = step_back(highest, best.scores.back());
  for (const std::size_t i : others) scored->scores[i] += behind;
}

PlaceScan::Found Recommender::find_some(const Question& question, const CandidateFilter& filter,
                                        const PlaceIndex& index) {
  PlaceScan::Found found;
  for (const std::uint32_t row : question.only) {
    const double meters = distance_meters(question.situation.position, index.position(row));
    if (meters > filter.radius_meters || !filter.passes(index, question.user, row)) continue;
    found.candidates.push_back({row, static_cast<float>(meters)});
  }
  found.passed = found.candidates.size();
  return found;
}

PlaceScan::Found Recommender::find_all(const Question& question, const CandidateFilter& filter,
                                       const PlaceIndex& index) const {
  PlaceScan::Found found;
  std::vector<PlaceIndex::Near>& candidates = found.candidates;
  candidates = index.within(question.situation.position, filter.radius_meters);
  std::erase_if(candidates,
                [&](const PlaceIndex::Near& near) { return !filter.passes(index, question.user, near.row); });
  found.passed = std::min(candidates.size(), options_.candidates_max);
  // Beyond the bound the nearest are scored. They are brought back in order of rows, which scoring walks along.
  if (candidates.size() == found.passed) return found;
  const auto nearest_first = [](const auto& a, const auto& b) { return a.meters < b.meters; };
  const auto cut = candidates.begin() + static_cast<std::ptrdiff_t>(options_.candidates_max);
  std::nth_element(candidates.begin(), cut, candidates.end(), nearest_first);
  candidates.erase(cut, candidates.end());
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
  return found;
}

}  // namespace cairn::ranking
