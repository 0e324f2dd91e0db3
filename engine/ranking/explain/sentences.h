#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "cairn/status.h"

/// How answers say in one sentence why a place is recommended. sentences.md lists what can be said.
namespace cairn::ranking {

/// What a clause says. Its template has the name that kTemplates has for it.
enum class Say : std::uint8_t {
  kVisitedOnce,
  kVisited,
  kLastVisited,
  kSameTimeOfDay,
  kSameTimeOfWeek,
  kVisitsOne,
  kVisits,
  kToday,
  kLately,
  kBusier,
  kQuieter,
  kKindBusier,
  kKindQuieter,
  kDistance,
  kLikesKind,
  kLikesKindLess,
  kSameKind,
  kPartOfTown,
  kKindLookedAt,
  kNearLookedAt,
  kLookedAt,
  kDismissed,
  kRatedOnce,
  kRated,
  kGoesWithVisits,
  kGoesWithSession,
  kGoesWithOthers,
};
inline constexpr std::size_t kSayCount = 27;

/// What a ranking feature saw, before it is put into words. Which of the numbers mean something is the clause's
/// business: those that its template may name.
struct Clause {
  Say say;
  std::int64_t count = 0;
  double number = 0.0;         ///< metres, hours ago, a rating
  std::string_view text = {};  ///< a category
  EventTime time = {};         ///< an instant, for its hour and day
};

/// The sentences of one language. Immutable.
class Language {
 public:
  /// Clauses in words, joined: "You have been here 12 times, and it is 420 m away." Empty for none.
  /// `ahead`: of UTC, what the clock shows that hours are said by.
  [[nodiscard]] std::string sentence(std::span<const std::string> clauses) const;
  [[nodiscard]] std::string words(const Clause& clause, std::chrono::minutes ahead) const;
  /// Of an own feature: its template in this language, or else `fallback`, with its value in it.
  [[nodiscard]] std::string words(const std::string& feature, std::string_view fallback, double value) const;

 private:
  friend class Sentences;
  [[nodiscard]] std::string number(double value, int decimals) const;
  [[nodiscard]] std::string ago(double hours) const;
  [[nodiscard]] std::string when(EventTime time, std::chrono::minutes ahead) const;
  [[nodiscard]] std::string distance(double meters) const;
  [[nodiscard]] const std::string& at(std::string_view name) const { return templates_.at(std::string(name)); }

  std::map<std::string, std::string> templates_;  ///< all that there are
};

/// Whether an own feature's template names only what it has, its value.
/// Returns: INVALID_ARGUMENT, beginning with `where`, with what it may name.
[[nodiscard]] Status check_own_template(const std::string& where, std::string_view text);

/// The languages of a deployment. Immutable. Threads: any.
class Sentences {
 public:
  /// `features`: those of the deployment's own, which templates may be named by.
  /// Returns: INVALID_ARGUMENT, beginning with the key at fault: "language", or "templates.de.visited" for a template
  /// that means nothing, or names what it does not have.
  [[nodiscard]] static Result<Sentences> create(const ReasonOptions& options,
                                                std::span<const RankingFeatureSpec> features);

  /// The name of the language that is meant by "de", "de-AT" or a list as Accept-Language has it, the first that there
  /// is. Empty: the default.
  [[nodiscard]] std::string language_of(std::string_view wanted) const;
  /// By such a name.
  [[nodiscard]] const Language& in(const std::string& name) const;

 private:
  std::map<std::string, Language> languages_;
  std::string default_;
};

}  // namespace cairn::ranking
