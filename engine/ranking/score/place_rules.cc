#include "engine/ranking/score/place_rules.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "cairn/utf8.h"
#include "features/geohash.h"

namespace cairn::ranking {

namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kTiersKept = 16;
constexpr PlaceRules::Set kOne = 1;

Status check_rule(const PlaceRule& rule) {
  const bool plain =
      std::none_of(rule.name.begin(), rule.name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (rule.name.empty() || rule.name.size() > kNameBytesMax || !is_utf8(rule.name) || !plain) {
    return invalid_argument("name: must have 1 to 64 bytes of UTF-8 in one line");
  }
  if (!rule.when.empty()) {
    const auto read = features::Condition::parse(rule.when);
    if (!read.ok()) return invalid_argument("when: " + read.status().message());
  }
  for (const std::string& cell : rule.cells) {
    if (!features::parse_geohash(cell))
      return invalid_argument("cells: '" + cell + "' is no geohash of 1 to 12 letters");
  }
  if (!rule.active.empty()) {
    const auto read = features::OpeningHours::parse(rule.active);
    if (!read.ok()) return invalid_argument("active: " + read.status().message());
  }
  if (rule.effect == RuleEffect::kAdd && !(rule.add != 0.0 && std::abs(rule.add) <= kRuleAddMax)) {
    return invalid_argument("add: must be from -1000 to 1000 and not 0; effect = \"bury\" or \"pin\" needs none");
  }
  if (rule.effect != RuleEffect::kAdd && rule.add != 0.0) {
    return invalid_argument("add: is for effect = \"add\"; a rule that buries or pins adds nothing");
  }
  return ok_status();
}

std::string shown(double number) { return (number > 0.0 ? "+" : "") + number_text(number); }

}  // namespace

Status PlaceRules::check(const std::vector<PlaceRule>& rules) {
  if (rules.size() > kRulesMax) return invalid_argument("rule[64].name: there are at most 64 rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const std::string key = "rule[" + std::to_string(i) + "].";
    if (const Status one = check_rule(rules[i]); !one.ok()) return invalid_argument(key + one.message());
    for (std::size_t k = 0; k < i; ++k) {
      if (rules[k].name == rules[i].name) {
        return invalid_argument(key + "name: '" + rules[i].name + "' is the name of rule[" + std::to_string(k) +
                                "] already");
      }
    }
  }
  return ok_status();
}

PlaceRules::PlaceRules(std::vector<PlaceRule> rules, const PlaceIndex& index, const PlaceFilters& filters,
                       std::shared_ptr<const PlaceTerms> terms)
    : rules_(std::move(rules)), terms_(std::move(terms)), matches_(rules_.empty() ? 0 : index.size()) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const PlaceRule& rule = rules_[i];
    const Set bit = kOne << i;
    (rule.effect == RuleEffect::kAdd ? adding_ : rule.effect == RuleEffect::kPin ? pinning_ : burying_) |= bit;
    times_.push_back(rule.active.empty() ? std::nullopt : std::optional(*features::OpeningHours::parse(rule.active)));
    const RowBits rows =
        rule.when.empty() ? all_rows(index.size()) : filters.matching(*features::Condition::parse(rule.when));
    std::vector<std::pair<std::uint64_t, int>> cells;
    for (const std::string& cell : rule.cells) {
      cells.emplace_back(*features::parse_geohash(cell), static_cast<int>(cell.size()));
    }
    bool any = false;
    for (std::uint32_t row = 0; row < index.size(); ++row) {
      const auto lies_in = [&](const auto& cell) {
        return features::geohash_bits(index.position(row), cell.second) == cell.first;
      };
      const bool here = cells.empty() || std::any_of(cells.begin(), cells.end(), lies_in);
      if (!here || !has_row(rows, row)) continue;
      matches_[row] |= bit;
      any = true;
    }
    if (index.size() > 0) note_idle(rule, any, filters);
  }
}

void PlaceRules::note_idle(const PlaceRule& rule, bool matches_any, const PlaceFilters& filters) {
  const Status asked = rule.when.empty() ? ok_status() : filters.check(*features::Condition::parse(rule.when));
  if (!asked.ok()) {
    constexpr std::string_view kOf = "where: ";
    const std::string& why = asked.message();
    idle_.push_back({rule.name, why.starts_with(kOf) ? why.substr(kOf.size()) : why});
  } else if (!matches_any) {
    idle_.push_back({rule.name, "it matches none of the places"});
  }
}

PlaceRules::Set PlaceRules::active_at(EventTime time) const {
  Set active = 0;
  std::optional<features::LocalMinute> minute;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (times_[i] && !minute) minute = minute_of(terms_->clock, time);
    const bool now = !times_[i] || times_[i]->at(*minute, terms_->holidays) == features::Openness::kOpen;
    if (now) active |= kOne << i;
  }
  return active;
}

double PlaceRules::added(std::uint32_t row, Set active) const noexcept {
  double sum = 0.0;
  if ((active & adding_) == 0) return sum;  // without rules nothing is known of rows
  for (Set left = matches_[row] & active & adding_; left != 0; left &= left - 1) {
    sum += rules_[static_cast<std::size_t>(std::countr_zero(left))].add;
  }
  return sum;
}

PlaceRules::Tiers PlaceRules::tiers(Set active) const {
  const Set pinning = active & pinning_;
  const Set burying = active & burying_;
  const Set key = pinning | burying;
  if (key == 0) return {};
  {
    const MutexLock lock(mutex_);
    if (const auto found = tiers_.find(key); found != tiers_.end()) return found->second;
  }
  RowBits rows[3] = {no_rows(matches_.size()), no_rows(matches_.size()), no_rows(matches_.size())};
  bool any[3] = {};
  for (std::uint32_t row = 0; row < matches_.size(); ++row) {
    const std::size_t tier = (matches_[row] & burying) != 0 ? 2 : (matches_[row] & pinning) != 0 ? 0 : 1;
    set_row(row, &rows[tier]);
    any[tier] = true;
  }
  Tiers made;
  made.several = any[0] || any[2];
  for (std::size_t tier = 0; made.several && tier < 3; ++tier) {
    if (any[tier]) made.rows[tier] = std::make_shared<const RowBits>(std::move(rows[tier]));
  }
  const MutexLock lock(mutex_);
  if (tiers_.size() >= kTiersKept) tiers_.clear();
  tiers_[key] = made;
  return made;
}

void PlaceRules::explain(std::uint32_t row, Set active, std::vector<Reason>* reasons,
                         std::vector<Reason>* against) const {
  const Set here = active == 0 ? 0 : matches_[row] & active;
  if (here == 0) return;
  for (Set left = here; left != 0; left &= left - 1) {
    const PlaceRule& rule = rules_[static_cast<std::size_t>(std::countr_zero(left))];
    const char* verb = rule.effect == RuleEffect::kPin ? " pins it" : " buries it";
    const bool speaks_for = rule.effect == RuleEffect::kPin || (rule.effect == RuleEffect::kAdd && rule.add > 0.0);
    (speaks_for ? reasons : against)
        ->push_back({"rule:" + rule.name, 1.0, rule.add,
                     "rule " + rule.name + (rule.effect == RuleEffect::kAdd ? " adds " + shown(rule.add) : verb)});
  }
}

}  // namespace cairn::ranking
