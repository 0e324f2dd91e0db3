#include <charconv>
#include <cmath>

#include "cairn/interaction.h"
#include "cairn/rfc3339.h"
#include "engine/learning/event_stream.h"
#include "engine/learning/interactions.h"
#include "engine/learning/text_lines.h"
#include "sql/interaction_counts.h"

namespace cairn::learning {
namespace {

constexpr float kWeightMax = 1e6F;
constexpr std::string_view kDismiss = "dismiss";

/// Weights of interactions by type, as the readers apply them.
class Weigher {
 public:
  explicit Weigher(const TypeWeights& weights) : weights_(weights) {}

  [[nodiscard]] Repeats repeats() const noexcept { return weights_.empty() ? Repeats::kOnce : Repeats::kSum; }
  /// 0: does not count.
  [[nodiscard]] float weight(std::string_view type) const {
    if (weights_.empty()) return type == kDismiss ? 0.0F : 1.0F;
    const auto found = weights_.find(type);
    return found == weights_.end() ? 0.0F : found->second;
  }

 private:
  const TypeWeights& weights_;
};

Result<InteractionTypes> types_with(const TypeWeights& weights) {
  std::vector<std::string> declared;
  const InteractionTypes built_in;
  for (const auto& [type, weight] : weights) {
    if (!built_in.find(type)) declared.push_back(type);
  }
  return InteractionTypes::with_declared(declared);
}

}  // namespace

Result<TypeWeights> parse_type_weights(std::string_view text) {
  TypeWeights weights;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(','));
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
    const std::size_t equals = entry.find('=');
    const std::string_view type = entry.substr(0, equals);
    const std::string_view number = equals == std::string_view::npos ? "" : entry.substr(equals + 1);
    float weight = 0.0F;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
    const bool is_number = error == std::errc() && end == number.data() + number.size();
    if (type.empty() || !is_number || !(std::abs(weight) <= kWeightMax)) {
      return invalid_argument(shown(entry) + " is no weight; write TYPE=NUMBER, like visit=1,save=2.5,dismiss=-1");
    }
    if (!weights.emplace(type, weight).second) return invalid_argument(shown(type) + " is weighed twice");
  }
  if (weights.empty()) return invalid_argument("no weight is given; write TYPE=NUMBER, like visit=1,save=2.5");
  return weights;
}

Result<Interactions> read_events(std::span<const std::string> files, const TypeWeights& weights) {
  CAIRN_ASSIGN_OR_RETURN(const InteractionTypes types, types_with(weights));
  const Weigher weigher(weights);
  InteractionsBuilder builder(weigher.repeats());
  CAIRN_RETURN_IF_ERROR(for_each_event(files, types, [&](const Interaction& one) {
    const float weight = weigher.weight(types.name(one.type));
    if (weight != 0.0F) builder.add(one.user.str(), one.place.str(), weight);
  }));
  return std::move(builder).finish();
}

Result<SplitInteractions> read_split_events(std::span<const std::string> files, EventTime at) {
  const TypeWeights none;
  const Weigher weigher(none);
  const InteractionTypes types;
  InteractionsBuilder before(weigher.repeats());
  InteractionsBuilder after(weigher.repeats());
  CAIRN_RETURN_IF_ERROR(for_each_event(files, types, [&](const Interaction& one) {
    if (weigher.weight(types.name(one.type)) == 0.0F) return;
    (one.time < at ? before : after).add(one.user.str(), one.place.str());
  }));
  for (const InteractionsBuilder* part : {&before, &after}) {
    if (part->pairs() > 0) continue;
    return invalid_argument(std::string("no event lies ") + (part == &before ? "before " : "at or after ") +
                            format_rfc3339(at) + "; choose another time to split at");
  }
  return SplitInteractions{std::move(before).finish(), std::move(after).finish()};
}

Result<Interactions> read_sql(const std::string& dsn, const std::string& schema, const TypeWeights& weights) {
  const Weigher weigher(weights);
  InteractionsBuilder builder(weigher.repeats());
  const auto take = [&](const sql::InteractionCount& row) {
    const float weight = weigher.weight(row.type);
    if (weight != 0.0F) builder.add(row.user, row.place, weight * static_cast<float>(row.count));
  };
  SqlOptions options;
  options.dsn = dsn;
  options.schema = schema;
  CAIRN_RETURN_IF_ERROR(sql::for_each_interaction_count(options, take));
  return std::move(builder).finish();
}

}  // namespace cairn::learning
