#include "engine/ranking/score/place_scan.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>

#include "engine/ranking/score/ranking_features.h"
#include "features/calendar.h"
#include "gpu/scan.h"

namespace cairn::ranking {

namespace {

constexpr std::size_t kColumnBytesMax = 64u << 20;  ///< of all hours that are kept, as far as there are two of them
constexpr std::size_t kHoursMin = 2;
constexpr std::size_t kHoursMax = 48;
constexpr std::size_t kRowsAtOnce = 4096;  ///< that are looked up while writers of signals wait
constexpr double kHalfWayMeters = std::numbers::pi * kEarthRadiusMeters;
constexpr double kRounding = 1.0 / (1 << 24);  ///< of a float, as a share of it

EventTime beginning_of(std::int64_t tile) { return event_time_from_ms(tile * 3'600'000); }

/// The situation of nobody: what is known of places alone depends on the hour, and on nothing else of it.
Situation at_hour(const UserProfile& nobody, std::int64_t tile) { return {&nobody, {}, 0.0, beginning_of(tile)}; }

/// The part of a scan's error of a distance that grows with it, for distances of up to `km`.
double distance_share(double km) {
  const gpu::ScanError& by = gpu::kScanError;
  return km <= by.distance_km_max ? by.distance_share : by.far_share;
}

double norm_of(std::span<const float> vector) {
  double sum = 0.0;
  for (const float value : vector) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

}  // namespace

struct PlaceScan::Hour {
  std::int64_t tile = 0;
  PlaceRules::Set adding = 0;  ///< rules whose additions are in the column
  Mutex mutex;  ///< while columns are made or patched. Scans read them without it: they hold the signals still
  std::uint64_t changes CAIRN_GUARDED_BY(mutex) = 0;  ///< of the signals, which the columns reflect
  std::unique_ptr<gpu::ScanColumn> prior;
  std::unique_ptr<gpu::ScanColumn> logs;
  float largest_prior = 0.0F;  ///< no magnitude in the column is larger
  /// Whether anybody has been anywhere near this hour. Until then hour_popularity is 0, of which the columns hold
  /// nothing.
  bool has_visits = false;
};

/// A radius as a scan takes it. Who stands so near it that a float cannot tell on which side is measured again.
struct PlaceScan::Rim {
  float inner_km = std::numeric_limits<float>::infinity();
  float outer_km = std::numeric_limits<float>::infinity();

  explicit Rim(double radius_meters) {
    if (radius_meters >= kHalfWayMeters) return;
    const double km = radius_meters / 1000.0;
    const double margin = 2.0 * (gpu::kScanError.distance_km + km * (distance_share(km) + 2 * kRounding));
    inner_km = static_cast<float>(km - margin);
    outer_km = static_cast<float>(km + margin);
  }
};

/// The terms of the distance, as a scan takes them, and how far they may be wrong together.
struct PlaceScan::Distances {
  gpu::ScanQuery::DistanceTerm logarithms[2];
  gpu::ScanQuery::DistanceTerm exponential;
  double error = 0.0;
  double largest = 0.0;  ///< no magnitude of the terms together is larger

  Distances(const QuestionFacts& question, std::span<const double> weights, double meters_max);
};

PlaceScan::Distances::Distances(const QuestionFacts& question, std::span<const double> weights, double meters_max) {
  const gpu::ScanError& by = gpu::kScanError;
  const double km_max = meters_max / 1000.0;
  const double share = distance_share(km_max);
  std::size_t used = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0.0 || ranking_feature_varies_by(i) != VariesBy::kDistance) continue;
    const DistanceForm form = ranking_feature_form(i, question);
    const double weight = weights[i] * form.scale;
    if (weight == 0.0) continue;
    const gpu::ScanQuery::DistanceTerm term{static_cast<float>(weight), static_cast<float>(form.per_km)};
    if (form.of == DistanceForm::Of::kLogarithm) {
      CAIRN_CHECK(used < 2);
      logarithms[used++] = term;
      const double most = std::log1p(form.per_km * km_max);
      // d/dx ln(1 + b x) is at most b, and x times it at most 1.
      error += std::abs(weight) * (form.per_km * by.distance_km + share + by.ln * std::max(1.0, most) + 4 * kRounding);
      largest += std::abs(weight) * most;
    } else {
      CAIRN_CHECK(exponential.weight == 0.0F);
      exponential = term;
      // d/dx exp(-b x) is at most b, and x times it at most 1/e.
      error += std::abs(weight) * (form.per_km * by.distance_km + share + by.exp + 4 * kRounding);
      largest += std::abs(weight);
    }
  }
}

PlaceScan::PlaceScan(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const ModelScores> model,
                     std::shared_ptr<const Ranker> ranker, Said said)
    : index_(std::move(index)), model_(std::move(model)), ranker_(std::move(ranker)), said_(std::move(said)) {
  for (std::size_t i = 0; i < ranker_->linear().weights().size(); ++i) {
    const double weight = ranker_->linear().weights()[i];
    if (ranking_feature_varies_by(i) == VariesBy::kHourOfPlace) hour_weight_ += weight;
    if (ranking_feature_varies_by(i) == VariesBy::kCell && weight != 0.0) cells_weigh_ = true;
  }
  collect_tags();
  if (cells_weigh_) collect_cells();
}

/// A tag is a category that some place has, none being one of them: ids of categories may be many more.
void PlaceScan::collect_tags() {
  std::unordered_map<std::uint32_t, std::uint32_t> tag_of;
  tags_.reserve(index_->size());
  for (std::uint32_t row = 0; row < index_->size(); ++row) {
    const auto [tag, is_new] = tag_of.try_emplace(index_->category(row), static_cast<std::uint32_t>(tag_of.size()));
    if (is_new) row_of_tag_.push_back(row);
    tags_.push_back(tag->second);
  }
}

void PlaceScan::collect_cells() {
  cells_.reserve(index_->size());
  for (std::uint32_t row = 0; row < index_->size(); ++row) cells_.emplace_back(index_->cell(row), row);
  std::sort(cells_.begin(), cells_.end());
}

Result<std::unique_ptr<PlaceScan>> PlaceScan::create(std::shared_ptr<const PlaceIndex> index,
                                                     std::shared_ptr<const ModelScores> model,
                                                     std::shared_ptr<const Ranker> ranker, gpu::Backend& backend,
                                                     Said said) {
  std::unique_ptr<PlaceScan> made(
      new PlaceScan(std::move(index), std::move(model), std::move(ranker), std::move(said)));
  const PlaceIndex& places = *made->index_;
  gpu::ScanRows rows{.x = places.x(),
                     .y = places.y(),
                     .z = places.z(),
                     .tags = made->tags_,
                     .tag_count = std::max<std::size_t>(made->row_of_tag_.size(), 1)};
  std::vector<float> vectors;
  if (made->model_ && made->ranker_->model_weight() != 0.0) {
    // Codes are read at a quarter of the cost, and what they may be wrong by is allowed for: answers are scored in
    // full.
    vectors = made->model_->place_vectors();
    rows.vectors = vectors;
    rows.dim = vectors.empty() ? 0 : made->model_->vector_dim();
    rows.int8 = true;
    for (std::size_t i = 0; i < vectors.size(); i += rows.dim) {
      made->largest_norm_ = std::max(made->largest_norm_, norm_of(rows.vectors.subspan(i, rows.dim)));
    }
  }
  CAIRN_ASSIGN_OR_RETURN(made->table_, backend.make_scan_table(rows));
  return made;
}

// ---- columns ------------------------------------------------------------------------------------------------------

PlaceScan::Known PlaceScan::known_of(const QuestionFacts& question, bool has_visits, std::uint32_t row,
                                     PlaceRules::Set adding) const {
  const CandidateFacts place(question, {row, 0.0F}, nullptr);
  double prior = weighted_part<VariesBy::kPlace>(place, ranker_->linear().weights());
  if (adding != 0) prior += said_.rules->added(row, adding);
  if (hour_weight_ == 0.0 || !has_visits) return {static_cast<float>(prior), 0.0F};
  // hour_popularity is ln(visits near the hour + smoothing by category) - ln(visits + smoothing) - ln(everyone's). The
  // first needs the category's visits, which move with every event: it is left to the scan, the last to its tables.
  prior -= hour_weight_ * std::log(static_cast<double>(place.place.visits) + kHourSmoothing);
  return {static_cast<float>(prior), static_cast<float>(question.week.of(place.place))};
}

/// A few rows at a time, so that writers of signals need not wait for all. What changes meanwhile is patched later.
Status PlaceScan::fill(const Situation& hour, const PlaceSignals& signals, Hour* made) const {
  std::vector<float> prior(index_->size());
  std::vector<float> logs(hour_weight_ == 0.0 ? 0 : index_->size());
  float largest = 0.0F;
  std::optional<std::uint64_t> changes;  // before the first row was looked up
  for (std::size_t begin = 0; begin < prior.size() || !changes; begin += kRowsAtOnce) {
    const PlaceSignals::Reader reader(signals);
    if (!changes) changes = reader.changes();
    const QuestionFacts question(hour, *index_, reader, ranker_->week());
    if (begin == 0) made->has_visits = question.hour_share_of_all > 0.0;
    const std::size_t end = std::min(prior.size(), begin + kRowsAtOnce);
    for (std::size_t row = begin; row < end; ++row) {
      const Known known = known_of(question, made->has_visits, static_cast<std::uint32_t>(row), made->adding);
      prior[row] = known.prior;
      if (!logs.empty()) logs[row] = known.logs;
      largest = std::max(largest, std::abs(known.prior));
    }
  }
  CAIRN_ASSIGN_OR_RETURN(made->prior, table_->make_column(prior));
  if (!logs.empty()) {
    CAIRN_ASSIGN_OR_RETURN(made->logs, table_->make_column(logs));
  }
  made->largest_prior = largest;
  const MutexLock lock(made->mutex);
  made->changes = *changes;
  return ok_status();
}

/// Nobody scans these columns meanwhile: whoever does holds the signals as this caller does, has been here before, and
/// found them as new as the signals.
void PlaceScan::bring_up_to_date(const QuestionFacts& question, Hour& hour) const {
  const MutexLock lock(hour.mutex);
  const std::uint64_t changes = question.signals.changes();
  if (hour.changes == changes) return;
  std::vector<std::uint32_t> rows;
  // The first visit near an hour gives every place something that the columns have not held of any.
  const bool has_visits = question.hour_share_of_all > 0.0;
  const auto places = has_visits == hour.has_visits ? question.signals.changed_after(hour.changes) : std::nullopt;
  hour.has_visits = has_visits;
  if (places) {
    for (const std::uint64_t place : *places) {
      if (const std::uint32_t row = index_->row_of(place); row != gpu::kNoRow) rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  } else {
    rows.resize(index_->size());
    for (std::uint32_t row = 0; row < rows.size(); ++row) rows[row] = row;
  }
  const UserProfile nobody;
  const Situation situation = at_hour(nobody, hour.tile);
  const QuestionFacts alone(situation, *index_, question.signals, ranker_->week());
  std::vector<float> prior;
  std::vector<float> logs;
  for (const std::uint32_t row : rows) {
    const Known known = known_of(alone, hour.has_visits, row, hour.adding);
    prior.push_back(known.prior);
    logs.push_back(known.logs);
    hour.largest_prior = std::max(hour.largest_prior, std::abs(known.prior));
  }
  hour.prior->set(rows, prior);
  if (hour.logs) hour.logs->set(rows, logs);
  hour.changes = changes;
}

PlaceScan::Kept& PlaceScan::kept(std::int64_t tile, PlaceRules::Set adding) const {
  const auto at = std::find_if(kept_.begin(), kept_.end(),
                               [&](const Kept& one) { return one.tile == tile && one.adding == adding; });
  if (at != kept_.end()) {
    std::rotate(at, at + 1, kept_.end());
    return kept_.back();
  }
  const std::size_t bytes = std::max<std::size_t>(index_->size(), 1) * 2 * sizeof(float);
  const std::size_t most = std::clamp(kColumnBytesMax / bytes, kHoursMin, kHoursMax);
  if (kept_.size() >= most) kept_.erase(kept_.begin());
  return kept_.emplace_back(Kept{.tile = tile, .adding = adding});
}

Result<std::shared_ptr<PlaceScan::Hour>> PlaceScan::hour(EventTime time, std::size_t rows,
                                                         const PlaceSignals& signals, PlaceRules::Set adding) const {
  {
    const MutexLock lock(mutex_);
    Kept& kept = this->kept(features::hour_tile(time), adding);
    if (kept.hour) return kept.hour;
    kept.rows_scored += rows;
    if (kept.rows_scored < index_->size()) return std::shared_ptr<Hour>();
  }
  return make_hour(time, signals, adding);
}

Result<std::shared_ptr<PlaceScan::Hour>> PlaceScan::make_hour(EventTime time, const PlaceSignals& signals,
                                                              PlaceRules::Set adding) const {
  auto hour = std::make_shared<Hour>();
  hour->tile = features::hour_tile(time);
  hour->adding = adding;
  const UserProfile nobody;
  CAIRN_RETURN_IF_ERROR(fill(at_hour(nobody, hour->tile), signals, hour.get()));
  const MutexLock lock(mutex_);
  Kept& kept = this->kept(hour->tile, adding);
  if (!kept.hour) kept.hour = std::move(hour);  // two may have made it at once
  return kept.hour;
}

std::vector<std::int64_t> PlaceScan::tiles() const {
  std::vector<std::int64_t> tiles;
  const MutexLock lock(mutex_);
  for (const Kept& kept : kept_) {
    if (kept.hour) tiles.push_back(kept.tile);
  }
  return tiles;
}

bool PlaceScan::asked() const { return !tiles().empty(); }

void PlaceScan::prepare_like(const PlaceScan& other, const PlaceSignals& signals) const {
  // Rules may have changed in between: those in force at the beginning of an hour mostly are for all of it.
  for (const std::int64_t tile : other.tiles()) {
    const EventTime time = beginning_of(tile);
    (void)make_hour(time, signals, rules() != nullptr ? rules()->adding(rules()->active_at(time)) : 0);
  }
}

std::size_t PlaceScan::memory_bytes() const {
  const MutexLock lock(mutex_);
  std::size_t hours = 0;
  for (const Kept& kept : kept_) hours += kept.hour ? 1 : 0;
  return table_->resident_bytes() + tags_.capacity() * sizeof(tags_[0]) + cells_.capacity() * sizeof(cells_[0]) +
         hours * index_->size() * (hour_weight_ == 0.0 ? 1 : 2) * sizeof(float);
}

// ---- finding ------------------------------------------------------------------------------------------------------

void PlaceScan::add_if_within(const QuestionFacts& question, const CandidateFilter& filter, std::uint32_t row,
                              Found* found) const {
  const double meters = distance_meters(question.situation.position, index_->position(row));
  if (meters > filter.radius_meters) return;
  ++found->passed;
  found->candidates.push_back({row, static_cast<float>(meters)});
}

/// The places that the user has visited, looked at or dismissed are found whatever their score. `own` gets their rows
/// within the ranges, ascending.
void PlaceScan::add_own_places(const QuestionFacts& question, const CandidateFilter& filter,
                               std::span<const gpu::RowRange> ranges, std::vector<std::uint32_t>* own,
                               Found* found) const {
  const UserProfile& user = question.user;
  const auto add = [&](std::uint32_t row) {
    if (row == gpu::kNoRow) return;
    const auto after = std::upper_bound(ranges.begin(), ranges.end(), row,
                                        [](std::uint32_t r, const gpu::RowRange& range) { return r < range.begin; });
    if (after != ranges.begin() && row < (after - 1)->end) own->push_back(row);
  };
  for (const VisitedPlace& place : user.visited) add(place.row);
  for (const auto& [place, value] : user.interest) add(index_->row_of(place));
  for (const auto& [place, value] : user.dismissed) add(index_->row_of(place));
  std::sort(own->begin(), own->end());
  own->erase(std::unique(own->begin(), own->end()), own->end());
  for (const std::uint32_t row : *own) {
    if (filter.passes(*index_, user, row)) add_if_within(question, filter, row, found);
  }
}

void PlaceScan::fill_tables(const QuestionFacts& question, const CandidateFilter& filter, std::vector<float>* table,
                            std::vector<float>* logs) const {
  const bool has_visits = question.hour_share_of_all > 0.0;
  const double everyones =
      has_visits && hour_weight_ != 0.0 ? hour_weight_ * std::log(question.hour_share_of_all) : 0.0;
  for (const std::uint32_t row : row_of_tag_) {
    const CandidateFacts any = CandidateFacts::blank(question, row);
    const bool passes = filter.passes_category(any.category);
    const double sum = weighted_part<VariesBy::kCategory>(any, ranker_->linear().weights()) - everyones;
    table->push_back(passes ? static_cast<float>(sum) : -std::numeric_limits<float>::infinity());
    logs->push_back(static_cast<float>(kHourSmoothing * any.expected_hour_share));
  }
}

/// What the cells of the user's profile are worth, for the rows in them.
void PlaceScan::add_cells(const QuestionFacts& question, Additions* additions) const {
  if (!cells_weigh_) return;
  std::vector<std::pair<std::uint32_t, float>> found;
  for (const auto& [cell, value] : question.user.cells) {
    auto at = std::lower_bound(cells_.begin(), cells_.end(), std::pair{cell, std::uint32_t{0}});
    if (at == cells_.end() || at->first != cell) continue;
    const CandidateFacts any = CandidateFacts::blank(question, at->second);
    const double worth = weighted_part<VariesBy::kCell>(any, ranker_->linear().weights());
    additions->largest = std::max(additions->largest, std::abs(worth));
    for (; at != cells_.end() && at->first == cell; ++at) found.emplace_back(at->second, static_cast<float>(worth));
  }
  std::sort(found.begin(), found.end());
  for (const auto& [row, worth] : found) {
    additions->rows.push_back(row);
    additions->values.push_back(worth);
  }
}

/// What the model's scores are worth, for all rows, where they are not products of vectors.
void PlaceScan::add_model(const QuestionFacts& question, Additions* additions) const {
  const double weight = ranker_->model_weight();
  if (question.model == nullptr || weight == 0.0 || asks_vectors(question)) return;
  std::vector<float> values = question.model->scores->score_all(question.model->query);
  double largest = 0.0;
  for (float& value : values) {
    const double worth = weight * static_cast<double>(value);
    largest = std::max(largest, std::abs(worth));
    value = static_cast<float>(worth);
  }
  for (std::size_t i = 0; i < additions->rows.size(); ++i) values[additions->rows[i]] += additions->values[i];
  additions->largest += largest;
  additions->rows.resize(values.size());
  std::iota(additions->rows.begin(), additions->rows.end(), 0U);
  additions->values = std::move(values);
}

bool PlaceScan::asks_vectors(const QuestionFacts& question) const {
  return question.model != nullptr && table_->dim() > 0 && question.model->query.kind == ModelQuery::Kind::kVector;
}

/// How far the query's score of a place may be from the score in full, as a float: each part's own error, and the
/// rounding of the sum, in which no part is larger than all magnitudes together.
double PlaceScan::error_of(const gpu::ScanQuery& query, const Hour& hour, double largest_addition,
                           const Distances& distances) const {
  const gpu::ScanError& by = gpu::kScanError;
  double largest_table = 0.0;
  for (const float value : query.tag_table) {
    if (std::isfinite(value)) largest_table = std::max(largest_table, std::abs(static_cast<double>(value)));
  }
  double largest = static_cast<double>(hour.largest_prior) + largest_addition + distances.largest + largest_table;
  double error = distances.error;
  if (query.logs != nullptr) {
    const double most = 50.0;  // |ln| of anything that is a count: of 1e-20 to 1e20
    largest += std::abs(hour_weight_) * most;
    error += std::abs(hour_weight_) * (by.ln * most + 4 * kRounding);
  }
  if (!query.vector.empty()) {
    // Codes are off by a known error, and the score in full by what each of its multiply-adds rounds.
    const double weight = std::abs(ranker_->model_weight());
    const double product = norm_of(query.vector) * largest_norm_;
    const double rounded = static_cast<double>(query.vector.size()) * kRounding * product;
    largest += weight * product;
    error += weight * (static_cast<double>(table_->vector_error(query.vector)) + rounded);
  }
  const double by_rules = hour.adding != 0 ? 2.0 : 0.0;  // added in the column here, and to a float in full
  return error + largest * (by.operations + 4 + by_rules) * kRounding;
}

std::unique_ptr<PlaceScan::Search> PlaceScan::prepare(const QuestionFacts& question, const CandidateFilter& filter,
                                                      std::span<const gpu::RowRange> ranges, std::size_t k,
                                                      Hour& hour) const {
  const Rim rim(filter.radius_meters);
  if (rim.inner_km < 0.0F) return nullptr;  // a circle of centimetres: a float cannot tell who is within
  bring_up_to_date(question, hour);

  std::unique_ptr<Search> search(new Search(question, filter));
  search->own.by_scan = true;
  std::vector<std::uint32_t> own;
  add_own_places(question, filter, ranges, &own, &search->own);
  fill_tables(question, filter, &search->table, &search->logs_table);
  add_cells(question, &search->additions);
  add_model(question, &search->additions);

  const double meters_max = std::min(filter.radius_meters, kHalfWayMeters);
  const Distances distances(question, ranker_->linear().weights(), meters_max);
  gpu::ScanQuery& query = search->query;
  query.position = gpu::fixed_point(question.situation.position.lat, question.situation.position.lon);
  query.prior = hour.prior.get();
  query.tag_table = search->table;
  if (hour.logs && question.hour_share_of_all > 0.0) {
    query.logs = hour.logs.get();
    query.logs_table = search->logs_table;
    query.logs_weight = static_cast<float>(hour_weight_);
  }
  std::copy(std::begin(distances.logarithms), std::end(distances.logarithms), query.log_distance);
  query.exp_distance = distances.exponential;
  query.added_rows = search->additions.rows;
  query.added = search->additions.values;
  query.ranges = ranges;
  std::set_union(own.begin(), own.end(), filter.excluded.begin(), filter.excluded.end(),
                 std::back_inserter(search->excluded));
  query.excluded = search->excluded;
  if (filter.allowed) query.allowed = *filter.allowed;
  query.k = k;
  query.radius_km = rim.inner_km;
  query.rim_km = rim.outer_km;

  if (asks_vectors(question)) {
    query.vector = question.model->query.values;
    query.vector_weight = static_cast<float>(ranker_->model_weight());
  }
  query.slack = static_cast<float>(2.0 * error_of(query, hour, search->additions.largest, distances) * (1.0 + 1e-6));
  return search;
}

void PlaceScan::scan(std::span<Search* const> searches) const {
  if (searches.empty()) return;
  std::vector<gpu::ScanQuery> queries;
  queries.reserve(searches.size());
  for (const Search* search : searches) queries.push_back(search->query);
  std::vector<gpu::ScanAnswer> answers;
  const Status scanned = table_->scan(queries, &answers);
  if (!scanned.ok() && searches.size() > 1) {
    // One query that is refused refuses all of them: then each is asked for itself.
    for (Search* search : searches) ask_alone(*search);
    return;
  }
  for (std::size_t i = 0; i < searches.size(); ++i) {
    searches[i]->found_ = scanned.ok() ? Result<Found>(found(*searches[i], answers[i])) : scanned;
  }
}

void PlaceScan::ask_alone(Search& search) const {
  Search* const one[] = {&search};
  scan(one);
}

PlaceScan::Found PlaceScan::found(const Search& search, const gpu::ScanAnswer& answer) const {
  Found found = search.own;
  found.by_fallback = answer.by_fallback;
  found.passed += answer.passed;
  for (const std::uint32_t row : answer.rows) {
    const double meters = distance_meters(search.question.situation.position, index_->position(row));
    found.candidates.push_back({row, static_cast<float>(meters)});
  }
  for (const std::uint32_t row : answer.rim) add_if_within(search.question, search.filter, row, &found);
  std::sort(found.candidates.begin(), found.candidates.end(),
            [](const PlaceIndex::Near& a, const PlaceIndex::Near& b) { return a.row < b.row; });
  return found;
}

Result<PlaceScan::Found> PlaceScan::find(const QuestionFacts& question, const CandidateFilter& filter,
                                         std::span<const gpu::RowRange> ranges, std::size_t k, Hour& hour) const {
  const std::unique_ptr<Search> search = prepare(question, filter, ranges, k, hour);
  if (!search) return Found{};
  ask_alone(*search);
  return search->take();
}

}  // namespace cairn::ranking
