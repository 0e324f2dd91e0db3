#include "features/schema.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <string>
#include <utility>

namespace cairn::features {
namespace {

constexpr std::chrono::seconds kDurationMax = std::chrono::days(36'500);  // keeps milliseconds well inside int64
constexpr std::uint32_t kMaxEntriesMax = 65'536;
constexpr std::size_t kNameBytesMax = 63;
/// So many unknown places of one user (at least) can be filled in later.
constexpr std::uint32_t kWaitingEntries = 4096;

/// Collects problems, one a line, each with the name of its view.
class Problems {
 public:
  void set_view(const FeatureViewSpec& spec, std::size_t index) {
    view_ = spec.name.empty() ? "feature view " + std::to_string(index + 1) : "feature view '" + spec.name + "'";
  }
  void add(const std::string& what) {
    if (!text_.empty()) text_ += '\n';
    text_ += view_ + ": " + what;
  }
  [[nodiscard]] Status status() const { return text_.empty() ? ok_status() : invalid_argument(text_); }

 private:
  std::string view_;
  std::string text_;
};

bool valid_name(std::string_view name) noexcept {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto rest = [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kNameBytesMax && lower(name.front()) &&
         std::all_of(name.begin(), name.end(), rest);
}

// Levenshtein's distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string unknown_type(std::string_view name, const InteractionTypes& types) {
  name = name.substr(0, 64);  // twice the longest there is
  std::string nearest;
  std::string all;
  std::size_t distance = name.size() / 2 + 1;  // further than half the name away is no misspelling of it
  for (std::size_t i = 0; i < types.size(); ++i) {
    const std::string& type = types.name(TypeIndex{static_cast<std::uint8_t>(i)});
    all += (all.empty() ? "" : ", ") + type;
    const std::size_t d = edit_distance(name, type);
    if (d < distance) {
      distance = d;
      nearest = type;
    }
  }
  const std::string problem = "interaction type '" + std::string(name) + "' in events is unknown; ";
  if (!nearest.empty()) return problem + "did you mean '" + nearest + "'? (known: " + all + ")";
  return problem + "use one of " + all + ", or declare it as an interaction type";
}

void check_kinds(const FeatureViewSpec& spec, Problems* problems) {
  if (spec.entity < EntityKind::kUser || spec.entity > EntityKind::kCell) {
    problems->add("entity is unknown; use user, place or cell");
  }
  if (spec.dimension > Dimension::kHour) {
    problems->add("dimension is unknown; use none, place, category, cell, hour_of_week, type or hour");
  }
  if (spec.aggregate < Aggregate::kCount || spec.aggregate > Aggregate::kSequence) {
    problems->add("aggregate is unknown; use count, sum, mean, min, max, last, decayed_sum or sequence");
  }
  if (spec.aggregate == Aggregate::kSequence && spec.dimension == Dimension::kNone) {
    problems->add("a sequence needs a dimension to record; set dimension, for example to place");
  }
}

void check_durations(const FeatureViewSpec& spec, Problems* problems) {
  const bool decays = spec.aggregate == Aggregate::kDecayedSum;
  if (decays && spec.half_life <= std::chrono::seconds(0)) {
    problems->add("decayed_sum needs half_life of at least 1s; set it, for example to 30d");
  }
  if (!decays && spec.half_life != std::chrono::seconds(0)) {
    problems->add("half_life has a meaning for decayed_sum only; remove it or set aggregate to decayed_sum");
  }
  if (spec.half_life > kDurationMax) problems->add("half_life exceeds 36500d; use sum for what does not decay");
  if (spec.ttl < std::chrono::seconds(0)) problems->add("ttl is negative; use 0 for values that never expire");
  if (spec.ttl > kDurationMax) problems->add("ttl exceeds 36500d; use 0 for values that never expire");
}

void check_bounds(const FeatureViewSpec& spec, Problems* problems) {
  if (spec.max_entries < 1 || spec.max_entries > kMaxEntriesMax) {
    problems->add("max_entries is " + std::to_string(spec.max_entries) + "; use 1 to 65536");
  }
  if (spec.cell_precision < 1 || spec.cell_precision > 12) {
    problems->add("cell_precision is " + std::to_string(spec.cell_precision) + "; use 1 to 12 letters");
  }
}

std::optional<Expression> compile(const EventWeight& event, Problems* problems) {
  Result<Expression> expression = Expression::parse(event.expression);
  if (expression.ok()) return std::move(expression).value();
  problems->add("weight of '" + event.type + "', \"" + event.expression + "\", " + expression.status().message());
  return std::nullopt;
}

std::vector<std::optional<Expression>> compile_weights(const FeatureViewSpec& spec, const InteractionTypes& types,
                                                       Problems* problems) {
  std::vector<std::optional<Expression>> weights(types.size());
  // A view that names no events counts all types alike.
  if (spec.events.empty()) std::fill(weights.begin(), weights.end(), *Expression::parse("1"));
  std::set<std::string_view> seen;
  for (const EventWeight& event : spec.events) {
    if (!seen.insert(event.type).second) {
      problems->add("events names '" + event.type + "' more than once; keep one weight");
      continue;
    }
    const std::optional<TypeIndex> type = types.find(event.type);
    if (!type) problems->add(unknown_type(event.type, types));
    // Compiled also for an unknown type, so that one run reports every problem.
    std::optional<Expression> weight = compile(event, problems);
    if (type) weights[type->value] = std::move(weight);
  }
  return weights;
}

/// Types that count as another one have its weight, where the view does not name them.
void count_as(const InteractionTypes& types, View* view) {
  if (!view->spec.counts_as || view->spec.events.empty()) return;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto counted = types.counts_as(TypeIndex{static_cast<std::uint8_t>(i)});
    if (!counted || view->weights[i] || !view->weights[counted->as.value]) continue;
    view->weights[i] = view->weights[counted->as.value];
    view->times.resize(types.size(), 1);
    view->times[i] = counted->weight;
  }
}

View check_view(const FeatureViewSpec& spec, const InteractionTypes& types, Problems* problems) {
  if (!valid_name(spec.name)) {
    problems->add("name must be a lower-case letter, then up to 62 of a-z, 0-9 and _");
  }
  check_kinds(spec, problems);
  check_durations(spec, problems);
  check_bounds(spec, problems);
  View view{.id = 0, .spec = spec, .weights = compile_weights(spec, types, problems)};
  count_as(types, &view);
  return view;
}

bool depends_on_place(Dimension dimension) noexcept {
  return dimension == Dimension::kCategory || dimension == Dimension::kCell;
}

}  // namespace

Result<Schema> Schema::build(std::span<const FeatureViewSpec> specs, const InteractionTypes& types,
                             ViewRegistry* registry) {
  Schema schema;
  Problems problems;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    problems.set_view(specs[i], i);
    if (!specs[i].name.empty() && !names.insert(specs[i].name).second) {
      problems.add("declared more than once; give each view a name of its own");
    }
    schema.views_.push_back(check_view(specs[i], types, &problems));
  }
  CAIRN_RETURN_IF_ERROR(problems.status());
  // Ids last: a registry must not remember definitions that were refused.
  for (View& view : schema.views_) view.id = registry->id_of(view.spec);
  schema.add_waiting(registry);
  return schema;
}

void Schema::add_waiting(ViewRegistry* registry) {
  bool any = false;
  for (std::size_t i = 0; i < views_.size(); ++i) {
    const bool by_unknown = depends_on_place(views_[i].spec.dimension);
    any |= by_unknown || views_[i].spec.entity == EntityKind::kCell;
    if (!by_unknown) continue;
    WaitingView& waiting = waiting_.emplace_back(WaitingView{views_[i], i});
    // No declared view can have a name with blanks. The id of the view stands for its definition.
    waiting.by_place.spec.name = "waiting for places, view " + std::to_string(views_[i].id);
    waiting.by_place.spec.dimension = Dimension::kPlace;
    waiting.by_place.spec.max_entries = std::max(views_[i].spec.max_entries, kWaitingEntries);
    waiting.by_place.id = registry->id_of(waiting.by_place.spec);
  }
  if (!any) return;
  FeatureViewSpec events;
  events.name = "events that wait for a place";
  waiting_events_ = View{.id = registry->id_of(events), .spec = events, .weights = {}};
}

const View* Schema::find(std::string_view name) const noexcept {
  const auto it = std::find_if(views_.begin(), views_.end(), [&](const View& view) { return view.spec.name == name; });
  return it == views_.end() ? nullptr : &*it;
}

const View* Schema::find(std::uint32_t id) const noexcept {
  const auto it = std::find_if(views_.begin(), views_.end(), [&](const View& view) { return view.id == id; });
  return it == views_.end() ? nullptr : &*it;
}

}  // namespace cairn::features
