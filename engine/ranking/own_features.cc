#include "engine/ranking/own_features.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "engine/ranking/explain/sentences.h"
#include "engine/ranking/score/facts.h"
#include "engine/ranking/score/ranking_features.h"
#include "features/event_changes.h"
#include "features/read.h"

namespace cairn::ranking {

namespace {

using Reads = OwnFeatures::Reads;

constexpr std::size_t kNameBytesMax = 63;

bool valid_name(std::string_view name) noexcept {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto rest = [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kNameBytesMax && lower(name.front()) &&
         std::all_of(name.begin(), name.end(), rest);
}

std::optional<Reads> reads_of(const FeatureViewSpec& view) {
  const bool alone = view.dimension == Dimension::kNone || view.dimension == Dimension::kType;
  switch (view.entity) {
    case EntityKind::kPlace:
      return alone ? std::optional(Reads::kPlace) : std::nullopt;
    case EntityKind::kCell:
      return alone ? std::optional(Reads::kCell) : std::nullopt;
    case EntityKind::kUser:
      break;
  }
  if (view.dimension == Dimension::kPlace) return Reads::kUserPlace;
  if (view.dimension == Dimension::kCategory) return Reads::kUserCategory;
  if (view.dimension == Dimension::kCell) return Reads::kUserCell;
  return std::nullopt;
}

Status check_key(const RankingFeatureSpec& spec, const FeatureViewSpec& view, const InteractionTypes& types) {
  const bool by_type = view.dimension == Dimension::kType;
  if (by_type && spec.key.empty()) {
    return invalid_argument("key: '" + view.name + "' has a value for each type of event; name one of them");
  }
  if (!by_type && !spec.key.empty()) {
    return invalid_argument("key: is for views by type, and '" + view.name + "' is none; leave it out");
  }
  if (by_type && !types.find(spec.key)) return invalid_argument("key: no type of event is named '" + spec.key + "'");
  return ok_status();
}

double transformed(ValueTransform transform, double value) noexcept {
  switch (transform) {
    case ValueTransform::kNone:
      break;
    case ValueTransform::kLog1p:
      return std::copysign(std::log1p(std::abs(value)), value);
    case ValueTransform::kSqrt:
      return std::copysign(std::sqrt(std::abs(value)), value);
    case ValueTransform::kAny:
      return 1.0;
  }
  return value;
}

double bounded(double value) noexcept {
  if (std::isnan(value)) return 0.0;
  return std::clamp(value, -OwnFeatures::kValueMax, OwnFeatures::kValueMax);
}

/// Of places and cells: what is stored, as of the beginning of the hour, so that it stands still within the hour.
std::optional<double> stored_value(const OwnFeatures::Feature& feature, const CandidateFacts& c) noexcept {
  const features::Value* value = nullptr;
  if (feature.reads == Reads::kPlace) {
    value = c.question.signals.own_of_place(feature.slot, c.question.index.place_id(c.near.row));
  } else {
    value = c.question.signals.own_of_cell(feature.slot,
                                           c.question.index.cell(c.near.row, feature.view.spec.cell_precision));
  }
  if (value == nullptr || value->count == 0) return std::nullopt;
  const EventTime hour = event_time_from_ms(std::int64_t{c.question.tile} * 3'600'000);
  if (!features::within_ttl(feature.view, *value, hour)) return std::nullopt;
  return features::value_at(feature.view, *value, hour);
}

std::optional<double> value_in(const OwnFeatures::Feature& feature, const CandidateFacts& c) noexcept {
  const auto of_user = [&](std::uint64_t key) { return c.question.user.own_value(feature.slot, key); };
  switch (feature.reads) {
    case Reads::kPlace:
    case Reads::kCell:
      break;
    case Reads::kUserPlace:
      return of_user(c.question.index.place_id(c.near.row));
    case Reads::kUserCategory:
      return c.category == PlaceIndex::kNoCategory ? std::nullopt : of_user(c.category);
    case Reads::kUserCell:
      return of_user(c.question.index.cell(c.near.row, feature.view.spec.cell_precision));
  }
  return stored_value(feature, c);
}

}  // namespace

Result<Reads> OwnFeatures::check(const RankingFeatureSpec& spec, std::span<const FeatureViewSpec> views,
                                 const InteractionTypes& types) {
  if (!valid_name(spec.name)) {
    return invalid_argument("name: must be a lower-case letter, then up to 62 of a-z, 0-9 and _");
  }
  if (find_ranking_feature(spec.name) || spec.name == kNetworkReason) {
    return invalid_argument("name: '" + spec.name + "' is a built-in ranking feature; choose another");
  }
  if (!(std::abs(spec.weight) <= kRankingWeightMax)) {
    return invalid_argument("weight: must be from -1e6 to 1e6");
  }
  const auto view = std::find_if(views.begin(), views.end(), [&](const auto& one) { return one.name == spec.view; });
  if (view == views.end()) return invalid_argument("view: no feature view is named '" + spec.view + "'");
  if (view->aggregate == Aggregate::kSequence) {
    return invalid_argument("view: '" + spec.view + "' is a sequence, which is no number; name a view of another kind");
  }
  const std::optional<Reads> reads = reads_of(*view);
  if (!reads) {
    return invalid_argument("view: '" + spec.view +
                            "' tells no place from another; name a view of a place or a cell, alone or by type, or of "
                            "a user by place, category or cell");
  }
  CAIRN_RETURN_IF_ERROR(check_key(spec, *view, types));
  CAIRN_RETURN_IF_ERROR(check_own_template("reason", spec.reason));
  return *reads;
}

Result<OwnFeatures> OwnFeatures::create(std::span<const RankingFeatureSpec> specs, const features::Schema& schema,
                                        const InteractionTypes& types) {
  std::vector<FeatureViewSpec> views;
  for (const features::View& view : schema.views()) views.push_back(view.spec);
  OwnFeatures made;
  std::set<std::string_view> names;
  for (const RankingFeatureSpec& spec : specs) {
    const Result<Reads> reads = check(spec, views, types);
    const std::string where = "ranking feature '" + spec.name + "': ";
    if (!reads.ok()) return invalid_argument(where + reads.status().message());
    if (!names.insert(spec.name).second) return invalid_argument(where + "name: is declared twice");
    const features::View& view = *schema.find(spec.view);
    const std::uint64_t dimension = spec.key.empty() ? 0 : types.find(spec.key)->value;
    std::size_t& slots = *reads == Reads::kPlace  ? made.of_places_
                         : *reads == Reads::kCell ? made.of_cells_
                                                  : made.of_users_;
    made.features_.push_back({spec, *reads, view, dimension, slots++});
  }
  return made;
}

std::string OwnFeatures::meaning(const Feature& feature) {
  constexpr std::string_view kOf[] = {
      " of the place, as of the beginning of the hour", " of the cell of the place, as of the beginning of the hour",
      " of the user and the place", " of the user and the place's category", " of the user and the cell of the place"};
  const RankingFeatureSpec& spec = feature.spec;
  std::string value = spec.view + (spec.key.empty() ? "" : "[" + spec.key + "]");
  if (spec.transform == ValueTransform::kLog1p) value = "ln(1 + " + value + ")";
  if (spec.transform == ValueTransform::kSqrt) value = "the square root of " + value;
  if (spec.transform == ValueTransform::kAny) value = "1 where there is " + value;
  return value + std::string(kOf[static_cast<std::size_t>(feature.reads)]) + "; 0 where there is none";
}

double OwnFeatures::plain_value(const Feature& feature, const CandidateFacts& candidate) noexcept {
  const std::optional<double> value = value_in(feature, candidate);
  return value ? bounded(*value) : 0.0;
}

double OwnFeatures::value(const Feature& feature, const CandidateFacts& candidate) noexcept {
  const std::optional<double> value = value_in(feature, candidate);
  return value ? transformed(feature.spec.transform, bounded(*value)) : 0.0;
}

double OwnFeatures::weighted_sum(const CandidateFacts& candidate) const noexcept {
  double sum = 0.0;
  for (const Feature& feature : features_) sum += feature.spec.weight * value(feature, candidate);
  return sum;
}

double OwnFeatures::weighted_part(Reads reads, const CandidateFacts& candidate) const noexcept {
  double sum = 0.0;
  for (const Feature& feature : features_) {
    if (feature.reads == reads) sum += feature.spec.weight * value(feature, candidate);
  }
  return sum;
}

}  // namespace cairn::ranking
