#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/geo.h"
#include "cairn/ids.h"
#include "cairn/status.h"

namespace cairn {

/// Index of an interaction type in InteractionTypes.
using TypeIndex = StrongInt<struct TypeTag, std::uint8_t>;

/// The types of interaction that a deployment knows: the six built-in ones at indexes 0 to 5, in the order below,
/// then those its configuration declares, in the order declared. Indexes are stored in state, so a deployment may
/// append types and must not reorder them. Immutable after construction; readable from any thread.
class InteractionTypes {
 public:
  static constexpr std::size_t kTypesMax = 64;
  static constexpr std::string_view kBuiltIn[] = {"view", "click", "visit", "rate", "save", "dismiss"};

  InteractionTypes() : names_(std::begin(kBuiltIn), std::end(kBuiltIn)) {}

  /// Appends declared types.
  /// Returns: INVALID_ARGUMENT for an empty, overlong (> 32 bytes) or repeated name, or more than kTypesMax in all.
  [[nodiscard]] static Result<InteractionTypes> with_declared(const std::vector<std::string>& declared) {
    InteractionTypes types;
    for (const std::string& name : declared) {
      if (name.empty() || name.size() > 32)
        return invalid_argument("interaction type '" + name + "' must have 1 to 32 bytes");
      if (types.find(name)) return invalid_argument("interaction type '" + name + "' is declared twice");
      if (types.names_.size() == kTypesMax) return invalid_argument("more than 64 interaction types");
      types.names_.push_back(name);
    }
    return types;
  }

  [[nodiscard]] std::optional<TypeIndex> find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return TypeIndex{static_cast<std::uint8_t>(i)};
    }
    return std::nullopt;
  }
  [[nodiscard]] const std::string& name(TypeIndex type) const { return names_.at(type.value); }
  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }

 private:
  std::vector<std::string> names_;
};

/// The largest |value| that is accepted. Values are summed in millionths of 64 bits, which nine of these fill.
inline constexpr double kInteractionValueMax = 1e12;

/// One thing a user did with a place: what Cairn consumes.
struct Interaction {
  UserId user;
  PlaceId place;
  TypeIndex type;
  EventTime time;                    ///< when it happened, by the event's own word
  std::optional<double> value;       ///< finite; a rating, seconds of dwell
  std::optional<GeoPoint> position;  ///< where it happened
  std::string event_id;              ///< empty, or a name under which a repeat is recognised
  /// It says that the event of this event_id, which had these very contents, did not happen (cairn/correction.h).
  bool retracts = false;
};

}  // namespace cairn
