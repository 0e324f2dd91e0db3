#include "engine/ranking/retrieve/place_filters.h"

#include <algorithm>
#include <map>

#include "engine/ranking/retrieve/nearest_name.h"

namespace cairn::ranking {

namespace {

using features::AttributeTest;
using features::Condition;
using features::Openness;

constexpr std::size_t kKeptBytesMax = 32u << 20;
constexpr std::size_t kKeptMin = 8;
constexpr std::size_t kKeptMax = 512;

constexpr std::string_view kKinds[] = {"booleans", "numbers", "texts"};
constexpr std::string_view kTypes[] = {"boolean", "number", "string"};

}  // namespace

PlaceFilters::PlaceFilters(std::shared_ptr<const PlaceIndex> index, std::shared_ptr<const PlaceTerms> terms)
    : index_(std::move(index)),
      terms_(std::move(terms)),
      clocks_{terms_->clock},
      hours_known_(no_rows(index_->size())) {
  if (terms_->attributes.hours() != nullptr) read_hours();
}

// ---- conditions ---------------------------------------------------------------------------------------------------

template <class Make>
Result<PlaceFilters::Bits> PlaceFilters::kept(const std::string& key, Make make) const {
  {
    const MutexLock lock(mutex_);
    if (const auto found = kept_.find(key); found != kept_.end()) {
      found->second.used = ++uses_;
      return found->second.bits;
    }
  }
  CAIRN_ASSIGN_OR_RETURN(RowBits made, make());
  auto bits = std::make_shared<const RowBits>(std::move(made));
  const std::size_t bytes = bits->size() * sizeof(std::uint64_t) + key.size() + sizeof(Kept);
  const MutexLock lock(mutex_);
  while (kept_.size() >= std::clamp(kKeptBytesMax / bytes, kKeptMin, kKeptMax)) {
    kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                                 [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  kept_[key] = {bits, ++uses_};
  return Bits(std::move(bits));
}

Result<PlaceFilters::Bits> PlaceFilters::where(std::string_view condition) const {
  return kept("where " + std::string(condition), [&]() -> Result<RowBits> {
    auto read = Condition::parse(condition);
    if (!read.ok()) return Status(read.status()).with_context("where");
    CAIRN_RETURN_IF_ERROR(check(*read));
    return matching(*read);
  });
}

AttributeTest PlaceFilters::conformed(AttributeTest test) const {
  // In `category < "m"` no name is meant.
  const bool names = test.name == "category" && test.is == AttributeTest::Is::kIn;
  for (AttributeScalar& value : test.values) {
    value = terms_->attributes.conform(test.name, std::move(value));
    auto* text = std::get_if<std::string>(&value);
    if (names && text != nullptr) *text = index_->category_now(*text);
    if (auto* number = std::get_if<double>(&value)) *number += 0.0;  // as the index has it
  }
  return test;
}

RowBits PlaceFilters::matching(const Condition& condition) const {
  const std::size_t rows = index_->size();
  if (condition.kind() == Condition::Kind::kTest) {
    RowBits bits = no_rows(rows);
    if (const auto* column = index_->attributes().find(condition.test().name)) {
      column->find(conformed(condition.test()), &bits);
    }
    return bits;
  }
  RowBits bits = matching(condition.parts().front());
  if (condition.kind() == Condition::Kind::kNot) {
    const RowBits all = all_rows(rows);
    for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = all[i] & ~bits[i];
    return bits;
  }
  for (std::size_t part = 1; part < condition.parts().size(); ++part) {
    const RowBits more = matching(condition.parts()[part]);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      bits[i] = condition.kind() == Condition::Kind::kAll ? bits[i] & more[i] : bits[i] | more[i];
    }
  }
  return bits;
}

Status PlaceFilters::check(const Condition& condition) const {
  if (condition.kind() == Condition::Kind::kTest) return check(condition.test());
  for (const Condition& part : condition.parts()) CAIRN_RETURN_IF_ERROR(check(part));
  return ok_status();
}

/// A value of a kind that the attribute has nowhere finds nothing for ever: numbers that came as texts, mostly.
Status PlaceFilters::check(const AttributeTest& test) const {
  const auto* column = index_->attributes().find(test.name);
  if (column == nullptr) {
    const bool declared = terms_->attributes.find(test.name) != nullptr || test.name == "category";
    return declared ? ok_status() : unknown_name(test.name);
  }
  const AttributeTest asked = conformed(test);
  if (asked.values.empty()) return ok_status();
  const auto there = [&](const AttributeScalar& value) { return column->has_kind(value.index()); };
  if (std::any_of(asked.values.begin(), asked.values.end(), there)) return ok_status();
  const std::size_t kind = asked.values.front().index();
  std::size_t has = 0;
  while (!column->has_kind(has)) ++has;
  std::string text = "where: attribute '" + test.name + "' holds " + std::string(kKinds[has]) +
                     ", and is compared with " + std::string(kKinds[kind]);
  if (terms_->attributes.find(test.name) == nullptr && test.name != "category") {
    text +=
        "; declare what it is, [[attribute]] name = \"" + test.name + "\" type = \"" + std::string(kTypes[kind]) + "\"";
  }
  return invalid_argument(text);
}

Status PlaceFilters::unknown_name(const std::string& name) const {
  std::vector<std::string> names = index_->attributes().names();
  for (const AttributeSpec& spec : terms_->attributes.specs()) names.push_back(spec.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text = "where: no place has an attribute '" + name + "'";
  if (const std::string near = nearest_name(name, names); !near.empty())
    return invalid_argument(text + "; did you mean '" + near + "'?");
  constexpr std::size_t kNamed = 20;
  text += names.empty() ? "; no place has any" : "; there are ";
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > kNamed) text += " and " + std::to_string(names.size() - kNamed) + " more";
  return invalid_argument(text);
}

// ---- hours --------------------------------------------------------------------------------------------------------

/// Which of clocks_ each row goes by. A zone that nobody knows any more has a clock that is empty.
std::vector<std::size_t> PlaceFilters::clock_of_rows() {
  std::vector<std::size_t> clocks(index_->size(), 0);
  const auto* zones = index_->attributes().find(kTimeZoneAttribute);
  for (std::size_t value = 0; zones != nullptr && value < zones->values.size(); ++value) {
    const auto* name = std::get_if<std::string>(&zones->values[value]);
    clocks_.push_back(name != nullptr && terms_->find_clock ? terms_->find_clock(*name) : LocalClock());
    for (const std::uint32_t row : zones->rows_of(value)) clocks[row] = clocks_.size() - 1;
  }
  return clocks;
}

void PlaceFilters::read_hours() {
  const auto* column = index_->attributes().find(terms_->attributes.hours()->name);
  if (column == nullptr) return;
  const std::vector<std::size_t> clocks = clock_of_rows();
  for (std::size_t value = 0; value < column->values.size(); ++value) {
    const auto rows = column->rows_of(value);
    const auto* text = std::get_if<std::string>(&column->values[value]);
    auto read = text != nullptr ? features::OpeningHours::parse(*text)
                                : Result<features::OpeningHours>(invalid_argument("is no text"));
    if (!read.ok()) {
      unreadable_hours_ += rows.size();
      continue;
    }
    hours_.push_back(*std::move(read));
    std::map<std::size_t, std::vector<std::uint32_t>> by_clock;
    for (const std::uint32_t row : rows) by_clock[clocks[row]].push_back(row);
    for (auto& [clock, of_clock] : by_clock) {
      if (!clocks_[clock]) {
        unreadable_hours_ += of_clock.size();
        continue;
      }
      for (const std::uint32_t row : of_clock) set_row(row, &hours_known_);
      schedules_.push_back({hours_.size() - 1, clock, std::move(of_clock)});
    }
  }
}

Result<PlaceFilters::Bits> PlaceFilters::open_at(EventTime time, bool unknown) const {
  if (terms_->attributes.hours() == nullptr) {
    return failed_precondition(
        "open_at: no attribute is declared as opening hours; add [[attribute]] name = \"opening_hours\", type = "
        "\"hours\" to the configuration");
  }
  const auto minute = std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count();
  return kept("open " + std::to_string(minute) + (unknown ? " or unknown" : ""), [&]() -> Result<RowBits> {
    std::vector<features::LocalMinute> shown;
    for (const LocalClock& clock : clocks_) shown.push_back(clock ? minute_of(clock, time) : features::LocalMinute());
    RowBits bits = no_rows(index_->size());
    if (unknown) {
      bits = all_rows(index_->size());
      for (std::size_t i = 0; i < bits.size(); ++i) bits[i] &= ~hours_known_[i];
    }
    for (const Schedule& schedule : schedules_) {
      const Openness state = hours_[schedule.hours].at(shown[schedule.clock], terms_->holidays);
      if (state == Openness::kClosed || (state == Openness::kUnknown && !unknown)) continue;
      for (const std::uint32_t row : schedule.rows) set_row(row, &bits);
    }
    return bits;
  });
}

std::size_t PlaceFilters::memory_bytes() const {
  std::size_t bytes = index_->attributes().memory_bytes() + hours_known_.size() * sizeof(std::uint64_t);
  for (const Schedule& schedule : schedules_) bytes += sizeof(Schedule) + schedule.rows.size() * sizeof(std::uint32_t);
  const MutexLock lock(mutex_);
  for (const auto& [key, one] : kept_) bytes += key.size() + one.bits->size() * sizeof(std::uint64_t);
  return bytes;
}

}  // namespace cairn::ranking
