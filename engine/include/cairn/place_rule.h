#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

/// What a rule does to the places that it matches.
enum class RuleEffect : std::uint8_t {
  kAdd,   ///< its number is added to the score
  kBury,  ///< they come after all places that no rule buries
  kPin,   ///< they come before all places that no rule pins; whom one rule pins and another buries is buried
};
[[nodiscard]] constexpr std::string_view to_string(RuleEffect effect) noexcept {
  constexpr std::string_view kNames[] = {"add", "bury", "pin"};
  return kNames[static_cast<std::size_t>(effect)];
}

/// A score of a rule lies between this and its negative.
inline constexpr double kRuleAddMax = 1'000.0;
inline constexpr std::size_t kRulesMax = 64;

/// An operator's word on where places stand, whatever is known of them. It matches a place when all that it names
/// holds: the condition, the cells, the time.
struct PlaceRule {
  std::string name;                ///< shown in reasons; unique
  std::string when;                ///< condition, as RecommendRequest::where; empty: any place
  std::vector<std::string> cells;  ///< geohashes, one of which the place lies in; empty: anywhere
  std::string active;              ///< times in the syntax of opening hours, by PlaceOptions::time_zone; empty: always
  RuleEffect effect = RuleEffect::kAdd;
  double add = 0.0;  ///< with kAdd: not 0; -kRuleAddMax to kRuleAddMax

  friend bool operator==(const PlaceRule&, const PlaceRule&) = default;
};

}  // namespace cairn
