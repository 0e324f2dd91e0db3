#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/options.h"
#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/model/served_model.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/recommender.h"
#include "engine/state/feature_state.h"
#include "storage/state_store.h"

namespace cairn::learning {

/// The engine's own feature state and ranking, in memory, to which a history is told interaction by interaction. One
/// thread.
class ReplayEngine {
 public:
  /// With `ranker`, or where that is absent the one that `options` name. Interactions count by `types`, as they do in
  /// an engine that has these. Returns: what the state and the recommender return.
  [[nodiscard]] static Result<std::unique_ptr<ReplayEngine>> open(std::span<const Place> places,
                                                                  const RankingOptions& options,
                                                                  std::optional<ranking::RankerModel> ranker,
                                                                  const InteractionTypes& types = {});

  /// From here on this model's scores are the ranking feature `model` (null: 0). Users are folded in from their rows,
  /// as these are when a question is asked.
  void serve_model(std::shared_ptr<const model::ServedModel> model) { recommender_->serve_model(std::move(model)); }

  /// What is learned is known to every question after it.
  [[nodiscard]] Status learn(std::span<const Interaction> interactions);

  /// What a user did last, as far as that place is known.
  struct Previous {
    std::uint32_t row = gpu::kNoRow;
    EventTime time;
  };
  /// Returns: null when there is none.
  [[nodiscard]] const Previous* previous(const UserId& user) const;
  /// The same of visits alone.
  [[nodiscard]] const Previous* last_visit(const UserId& user) const;
  /// The place's row in the index, or gpu::kNoRow.
  [[nodiscard]] std::uint32_t row_of(const PlaceId& place) const;
  [[nodiscard]] const InteractionTypes& types() const noexcept { return state_->types(); }
  [[nodiscard]] const ranking::Recommender& recommender() const noexcept { return *recommender_; }

 private:
  ReplayEngine() = default;

  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<state::FeatureState> state_;
  std::unique_ptr<ranking::Recommender> recommender_;
  std::unordered_map<std::string, std::uint32_t> rows_;
  std::unordered_map<std::string, Previous> previous_;
  std::unordered_map<std::string, Previous> last_visits_;
};

/// Whether a user went to a place, which is what is to be foreseen: the type is a visit, or counts as one.
[[nodiscard]] bool is_visit(const Interaction& one, const InteractionTypes& types) noexcept;

/// Hours between two moments, 0 where the second is not later.
[[nodiscard]] double hours_between(EventTime before, EventTime after) noexcept;

}  // namespace cairn::learning
