#include "engine/ranking/explain/sentences.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "features/calendar.h"

namespace cairn::ranking {

namespace {

struct Template {
  std::string_view name;
  std::string_view english;
  std::string_view holds = {};  ///< what it may name, each in braces
};

/// Those of Say, in its order.
constexpr std::array<Template, kSayCount> kSaid = {{
    {"visited_once", "you have been here once"},
    {"visited", "you have been here {count} times", "{count}"},
    {"last_visited", "you were here {ago}", "{ago}"},
    {"same_time_of_day", "you have been here around this time of day"},
    {"same_time_of_week", "you have been here {when}", "{when}"},
    {"visits_one", "there has been one visit"},
    {"visits", "there have been {count} visits", "{count}"},
    {"today", "somebody was here in the last 24 hours"},
    {"lately", "people have come in recent weeks"},
    {"busier", "it is busier {when} than most places", "{when}"},
    {"quieter", "it is quieter {when} than most places", "{when}"},
    {"kind_busier", "places of its kind are busier {when} than others", "{when}"},
    {"kind_quieter", "places of its kind are quieter {when} than others", "{when}"},
    {"distance", "it is {distance} away", "{distance}"},
    {"likes_kind", "you go to places of the kind {category} more than most do", "{category}"},
    {"likes_kind_less", "you go to places of the kind {category} less than most do", "{category}"},
    {"same_kind", "it is of the same kind as the last place you went to"},
    {"part_of_town", "it is in a part of town that you go to"},
    {"kind_looked_at", "you looked at places of the kind {category}", "{category}"},
    {"near_looked_at", "it is in the part of town that you looked at"},
    {"looked_at", "you viewed, clicked or saved it"},
    {"dismissed", "you dismissed it"},
    {"rated_once", "it was rated once, {rating}", "{rating}"},
    {"rated", "it was rated {count} times, {rating} on average", "{count}{rating}"},
    {"goes_with_visits", "it goes with where you have been"},
    {"goes_with_session", "it goes with what you looked at"},
    {"goes_with_others", "it goes with where others like to go"},
}};

/// What others are made of.
constexpr Template kParts[] = {
    {"and_two", "{first}, and {second}", "{first}{second}"},
    {"and_three", "{first}, {second}, and {third}", "{first}{second}{third}"},
    {"just_now", "just now"},
    {"minute_ago", "a minute ago"},
    {"minutes_ago", "{count} minutes ago", "{count}"},
    {"hours_ago", "{count} hours ago", "{count}"},
    {"days_ago", "{count} days ago", "{count}"},
    {"when", "around {hour} on {day}", "{hour}{day}"},
    {"hour", "{count}:00", "{count}"},
    {"monday", "Mondays"},
    {"tuesday", "Tuesdays"},
    {"wednesday", "Wednesdays"},
    {"thursday", "Thursdays"},
    {"friday", "Fridays"},
    {"saturday", "Saturdays"},
    {"sunday", "Sundays"},
    {"meters", "{count} m", "{count}"},
    {"kilometers", "{count} km", "{count}"},
    {"decimal_sign", "."},
    {"sentence", "{clauses}.", "{clauses}"},
};

const Template* find_template(std::string_view name) {
  const auto named = [&](const Template& one) { return one.name == name; };
  const auto* said = std::find_if(kSaid.begin(), kSaid.end(), named);
  if (said != kSaid.end()) return said;
  const auto* part = std::find_if(std::begin(kParts), std::end(kParts), named);
  return part == std::end(kParts) ? nullptr : part;
}

/// An own feature's template may have its name.
constexpr std::string_view kOfOwnFeatures = "{value}";

Status check_template(const std::string& where, std::string_view text, std::string_view holds) {
  while (true) {
    const std::size_t open = text.find('{');
    if (open == std::string_view::npos) return ok_status();
    const std::size_t close = text.find('}', open);
    const std::string_view named = text.substr(open, close == std::string_view::npos ? close : close + 1 - open);
    if (close == std::string_view::npos || holds.find(named) == std::string_view::npos) {
      return invalid_argument(where + ": '" + std::string(named) + "' stands for nothing there; " +
                              (holds.empty() ? "it may name nothing" : "it may name " + std::string(holds)));
    }
    text.remove_prefix(close + 1);
  }
}

void put(std::string_view name, std::string_view value, std::string* text) {
  for (std::size_t at = text->find(name); at != std::string::npos; at = text->find(name, at + value.size())) {
    text->replace(at, name.size(), value);
  }
}

constexpr std::string_view kClauses = "{clauses}";

/// The first letter, of the alphabets that have capitals in two bytes of UTF-8: ASCII, Latin-1, Greek, Cyrillic.
void capitalize(std::string* text) {
  const auto first = static_cast<unsigned char>(text->front());
  if (first < 0x80 || text->size() < 2) {
    text->front() = static_cast<char>(std::toupper(first));
    return;
  }
  if (first < 0xC3 || first > 0xD1) return;
  const unsigned code = (first & 0x1Fu) << 6 | (static_cast<unsigned char>((*text)[1]) & 0x3Fu);
  const auto among = [code](unsigned begin, unsigned end) { return code >= begin && code <= end; };
  unsigned capital = code;
  if (among(0xE0, 0xFE) && code != 0xF7) capital = code - 0x20;
  if (among(0x3B1, 0x3C9) && code != 0x3C2) capital = code - 0x20;
  if (among(0x430, 0x44F)) capital = code - 0x20;
  if (among(0x450, 0x45F)) capital = code - 0x50;
  (*text)[0] = static_cast<char>(0xC0u | capital >> 6);
  (*text)[1] = static_cast<char>(0x80u | (capital & 0x3Fu));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

/// Languages of a list as Accept-Language has it (RFC 9110, 12.5.4), the most wanted first.
std::vector<std::string> wanted_languages(std::string_view list) {
  constexpr std::size_t kLanguagesMax = 32;
  std::vector<std::pair<double, std::string>> found;
  while (!list.empty() && found.size() < kLanguagesMax) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view one = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const std::size_t semicolon = std::min(one.find(';'), one.size());
    double quality = 1.0;
    const std::string_view rest = trimmed(one.substr(std::min(semicolon + 1, one.size())));
    if (rest.starts_with("q=")) std::from_chars(rest.data() + 2, rest.data() + rest.size(), quality);
    if (quality > 0.0) found.emplace_back(quality, lower(trimmed(one.substr(0, semicolon))));
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> languages;
  for (auto& [quality, language] : found) languages.push_back(std::move(language));
  return languages;
}

constexpr std::string_view kEnglish = "en";

}  // namespace

// ---- a language ---------------------------------------------------------------------------------------------------

std::string Language::number(double value, int decimals) const {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string out(text);
  if (out.find('.') != std::string::npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.back() == '.') out.pop_back();
  }
  put(".", at("decimal_sign"), &out);
  return out == "-0" ? "0" : out;
}

std::string Language::ago(double hours) const {
  const double minutes = std::round(std::max(0.0, hours) * 60.0);
  std::string text = at(minutes < 1.0    ? "just_now"
                        : minutes < 2.0  ? "minute_ago"
                        : minutes < 90.0 ? "minutes_ago"
                        : hours < 48.0   ? "hours_ago"
                                         : "days_ago");
  put("{count}", number(minutes < 90.0 ? minutes : hours < 48.0 ? hours : hours / 24.0, 0), &text);
  return text;
}

std::string Language::when(EventTime time, std::chrono::minutes ahead) const {
  constexpr std::string_view kDays[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
  const int hour = features::hour_of_week(time + ahead);
  std::string clock = at("hour");
  put("{count}", std::to_string(hour % 24), &clock);
  std::string text = at("when");
  put("{hour}", clock, &text);
  put("{day}", at(kDays[hour / 24]), &text);
  return text;
}

std::string Language::distance(double meters) const {
  // As distance_phrase(): more than 950 m rounds to 1.0 km and more.
  const bool near = meters <= 950.0;
  char digits[32];
  std::snprintf(digits, sizeof digits, near ? "%.0f" : "%.1f", near ? meters : meters / 1000.0);
  std::string count(digits);
  put(".", at("decimal_sign"), &count);
  std::string text = at(near ? "meters" : "kilometers");
  put("{count}", count, &text);
  return text;
}

std::string Language::words(const Clause& clause, std::chrono::minutes ahead) const {
  const Template& said = kSaid[static_cast<std::size_t>(clause.say)];
  std::string text = at(said.name);
  const auto has = [&](std::string_view name) { return said.holds.find(name) != std::string_view::npos; };
  if (has("{count}")) put("{count}", std::to_string(clause.count), &text);
  if (has("{ago}")) put("{ago}", ago(clause.number), &text);
  if (has("{when}")) put("{when}", when(clause.time, ahead), &text);
  if (has("{distance}")) put("{distance}", distance(clause.number), &text);
  if (has("{rating}")) put("{rating}", number(clause.number, 1), &text);
  if (has("{category}")) put("{category}", clause.text, &text);
  return text;
}

std::string Language::words(const std::string& feature, std::string_view fallback, double value) const {
  const auto own = templates_.find(feature);
  std::string text(own == templates_.end() ? fallback : own->second);
  put("{value}", number(value, 2), &text);
  return text;
}

std::string Language::sentence(std::span<const std::string> clauses) const {
  if (clauses.empty()) return {};
  std::string text = clauses[0];
  if (clauses.size() > 1) {
    // Put in at once, so that braces within a category's name stay what they are.
    text.clear();
    std::string_view rest = at(clauses.size() == 2 ? "and_two" : "and_three");
    constexpr std::string_view kNames[] = {"{first}", "{second}", "{third}"};
    while (!rest.empty()) {
      const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                      [&](std::string_view one) { return rest.starts_with(one); });
      if (name != std::end(kNames)) {
        text += clauses[static_cast<std::size_t>(name - std::begin(kNames))];
        rest.remove_prefix(name->size());
      } else {
        text += rest.front();
        rest.remove_prefix(1);
      }
    }
  }
  capitalize(&text);
  // Put in at once: what it says may hold braces.
  const std::string& whole = at("sentence");
  const std::size_t place = whole.find(kClauses);
  if (place == std::string::npos) return whole;
  return whole.substr(0, place) + text + whole.substr(place + kClauses.size());
}

// ---- all of them --------------------------------------------------------------------------------------------------

Status check_own_template(const std::string& where, std::string_view text) {
  return check_template(where, text, kOfOwnFeatures);
}

Result<Sentences> Sentences::create(const ReasonOptions& options, std::span<const RankingFeatureSpec> features) {
  Sentences made;
  Language english;
  for (const Template& said : kSaid) english.templates_.emplace(said.name, said.english);
  for (const Template& part : kParts) english.templates_.emplace(part.name, part.english);
  made.languages_.emplace(kEnglish, english);
  for (const auto& [named, templates] : options.templates) {
    const std::string name = lower(named);
    if (name.empty()) return invalid_argument("templates: a language has no name");
    Language& language = made.languages_.try_emplace(name, english).first->second;
    for (const auto& [said, text] : templates) {
      const std::string where = "templates." + named + "." + said;
      if (text.empty()) return invalid_argument(where + ": is empty; leave it out to have it said in English");
      const Template* known = find_template(said);
      const bool declared =
          std::any_of(features.begin(), features.end(), [&](const auto& one) { return one.name == said; });
      if (known == nullptr && !declared) {
        return invalid_argument(where +
                                ": nothing is said by that name, and no ranking feature is declared by it; "
                                "engine/ranking/explain/sentences.md lists what there is");
      }
      CAIRN_RETURN_IF_ERROR(check_template(where, text, known == nullptr ? kOfOwnFeatures : known->holds));
      language.templates_[said] = text;
    }
  }
  made.default_ = lower(options.language);
  if (!made.languages_.contains(made.default_)) {
    return invalid_argument("language: there are no templates for '" + options.language + "'; add [reasons.templates." +
                            options.language + "], or leave it out for English");
  }
  return made;
}

std::string Sentences::language_of(std::string_view wanted) const {
  for (const std::string& language : wanted_languages(wanted)) {
    for (std::string name = language; !name.empty(); name.erase(std::min(name.rfind('-'), name.size()))) {
      if (languages_.contains(name)) return name == default_ ? "" : name;
      if (name.find('-') == std::string::npos) break;
    }
  }
  return {};
}

const Language& Sentences::in(const std::string& name) const {
  const auto found = languages_.find(name);
  return found != languages_.end() ? found->second : languages_.at(default_);
}

}  // namespace cairn::ranking
