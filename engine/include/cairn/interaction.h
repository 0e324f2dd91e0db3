#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
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

/// What an event of a declared type counts as in the views that ranking reads: so many events of a built-in type, with
/// its time and its value.
struct CountsAs {
  std::string type;          ///< a built-in one
  std::uint32_t weight = 1;  ///< 1 to InteractionTypes::kCountsMax
};

/// The types of interaction that a deployment knows: the six built-in ones at indexes 0 to 5, in the order below,
/// then those its configuration declares, in the order declared. Indexes are stored in state, so a deployment may
/// append types and must not reorder them. Immutable after construction; readable from any thread.
class InteractionTypes {
 public:
  static constexpr std::size_t kTypesMax = 64;
  static constexpr std::string_view kBuiltIn[] = {"view", "click", "visit", "rate", "save", "dismiss"};

  /// Of CountsAs::weight. A history keeps so many visits apart, so it may not be any number.
  static constexpr std::uint32_t kCountsMax = 100;

  /// CountsAs, looked up.
  struct Counted {
    TypeIndex as;
    std::uint32_t weight = 1;
  };

  InteractionTypes() : names_(std::begin(kBuiltIn), std::end(kBuiltIn)) {}

  /// Appends declared types. `counts_as`: what some of them count as, by name; the others count in no built-in view.
  /// Returns: INVALID_ARGUMENT for an empty, overlong (> 32 bytes) or repeated name, or more than kTypesMax in all; for
  /// a name in `counts_as` that is not declared, a type there that is not built in, a weight that is out of range; the
  /// message has the weight that was given.
  [[nodiscard]] static Result<InteractionTypes> with_declared(const std::vector<std::string>& declared,
                                                              const std::map<std::string, CountsAs>& counts_as = {}) {
    InteractionTypes types;
    for (const std::string& name : declared) {
      if (name.empty() || name.size() > 32)
        return invalid_argument("interaction type '" + name + "' must have 1 to 32 bytes");
      if (types.find(name)) return invalid_argument("interaction type '" + name + "' is declared twice");
      if (types.names_.size() == kTypesMax) return invalid_argument("more than 64 interaction types");
      types.names_.push_back(name);
    }
    for (const auto& [name, counts] : counts_as) {
      if (const Status status = types.count(name, counts); !status.ok()) return status;
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
  /// Nullopt: the type counts as itself alone.
  [[nodiscard]] std::optional<Counted> counts_as(TypeIndex type) const noexcept {
    const auto found = counts_as_.find(type.value);
    return found == counts_as_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  [[nodiscard]] Status count(const std::string& name, const CountsAs& counts) {
    const std::optional<TypeIndex> type = find(name);
    const std::optional<TypeIndex> as = find(counts.type);
    const std::size_t built_in = std::size(kBuiltIn);
    if (!type) return invalid_argument("'" + name + "' counts as '" + counts.type + "', and is not declared");
    if (type->value < built_in) return invalid_argument("'" + name + "' is built in, and counts as itself");
    if (!as || as->value >= built_in) {
      return invalid_argument("'" + name + "' must count as view, click, visit, rate, save or dismiss, and not as '" +
                              counts.type + "'");
    }
    if (counts.weight < 1 || counts.weight > kCountsMax) {
      return invalid_argument("the weight of '" + name + "' must be a whole number from 1 to " +
                              std::to_string(kCountsMax) + ", not " + std::to_string(counts.weight));
    }
    counts_as_[type->value] = {*as, counts.weight};
    return ok_status();
  }

  std::vector<std::string> names_;
  std::map<std::uint8_t, Counted> counts_as_;
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
