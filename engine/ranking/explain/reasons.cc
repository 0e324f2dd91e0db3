#include "engine/ranking/explain/reasons.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/ranking/own_features.h"
#include "engine/ranking/score/ranking_features.h"

namespace cairn::ranking {

namespace {

constexpr std::size_t kReasonsMax = 5;
constexpr std::size_t kClausesMax = 3;

/// A feature's part of a score.
struct Share {
  std::size_t feature = 0;  ///< built-in ones, then own ones, then the network
  double value = 0.0;
  double contribution = 0.0;
};

/// Features that say the same. Words are found for those that are shown only.
struct Group {
  std::size_t says = 0;     ///< the first feature that says it
  Share most_for = {};      ///< that which adds most to the score
  Share most_against = {};  ///< that which takes most from it
  double contribution = 0.0;

  [[nodiscard]] const Share& most() const { return contribution > 0.0 ? most_for : most_against; }
};

class Explaining {
 public:
  Explaining(const CandidateFacts& candidate, std::span<const double> weights, float network, const Language& language)
      : candidate_(candidate),
        own_(candidate.question.signals.own().all()),
        language_(language),
        built_in_(weights.size()),
        network_(built_in_ + own_.size()) {
    const std::vector<double> values = ranking_feature_values(candidate);
    for (std::size_t i = 0; i < built_in_; ++i) add({i, values[i], weights[i] * values[i]});
    for (std::size_t i = 0; i < own_.size(); ++i) {
      const double value = OwnFeatures::value(own_[i], candidate);
      add({built_in_ + i, value, own_[i].spec.weight * value});
    }
    add({network_, static_cast<double>(network), static_cast<double>(network)});
  }

  [[nodiscard]] Explanation run(ReasonsWanted wanted) {
    // Stable: of equal contributions the feature declared first comes first, so that equal answers read the same.
    std::stable_sort(groups_.begin(), groups_.end(), [](const Group& a, const Group& b) {
      return std::abs(a.contribution) > std::abs(b.contribution);
    });
    Explanation made;
    for (const Group& group : groups_) {
      if (group.contribution == 0.0) continue;
      const bool speaks_for = group.contribution > 0.0;
      if (wanted == ReasonsWanted::kFor && (!speaks_for || made.reasons.size() == kReasonsMax)) continue;
      std::vector<Reason>& into = speaks_for ? made.reasons : made.against;
      const Share& most = group.most();
      into.push_back({name(most.feature), most.value, group.contribution, text(most.feature)});
    }
    made.because = sentence();
    return made;
  }

 private:
  void add(const Share& share) {
    if (share.contribution == 0.0) return;
    const std::size_t says = share.feature < built_in_ ? ranking_feature_says(share.feature) : share.feature;
    auto same = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) { return group.says == says; });
    if (same == groups_.end()) same = groups_.insert(same, {.says = says});
    same->contribution += share.contribution;
    if (share.contribution > same->most_for.contribution) same->most_for = share;
    if (share.contribution < same->most_against.contribution) same->most_against = share;
  }

  [[nodiscard]] std::string name(std::size_t feature) const {
    if (feature == network_) return std::string(kNetworkReason);
    return feature < built_in_ ? std::string(ranking_feature_name(feature)) : own_[feature - built_in_].spec.name;
  }

  [[nodiscard]] std::string text(std::size_t feature) const {
    if (feature == network_) return "learned from where users went next";
    if (feature < built_in_) return ranking_feature_reason(feature, candidate_);
    return own_words(own_[feature - built_in_]);
  }

  [[nodiscard]] std::string own_words(const OwnFeatures::Feature& own) const {
    const std::string fallback = own.spec.reason.empty() ? own.spec.name + " {value}" : own.spec.reason;
    return language_.words(own.spec.name, fallback, OwnFeatures::plain_value(own, candidate_));
  }

  [[nodiscard]] std::optional<std::string> clause(const Share& share) const {
    if (share.feature == network_) return std::nullopt;
    if (share.feature >= built_in_) return own_words(own_[share.feature - built_in_]);
    const std::optional<Clause> clause = ranking_feature_clause(share.feature, candidate_);
    if (!clause) return std::nullopt;
    return language_.words(*clause, candidate_.question.situation.clock_ahead);
  }

  /// Of the first that there are words for. What adds to the score is said by a feature that adds to it.
  [[nodiscard]] std::string sentence() const {
    std::vector<std::string> clauses;
    for (const Group& group : groups_) {
      if (!(group.contribution > 0.0)) continue;
      std::optional<std::string> words = clause(group.most_for);
      if (words && std::find(clauses.begin(), clauses.end(), *words) == clauses.end()) {
        clauses.push_back(*std::move(words));
      }
      if (clauses.size() == kClausesMax) break;
    }
    return language_.sentence(clauses);
  }

  const CandidateFacts& candidate_;
  const std::span<const OwnFeatures::Feature> own_;
  const Language& language_;
  const std::size_t built_in_;
  const std::size_t network_;
  std::vector<Group> groups_;
};

}  // namespace

Explanation explain(const CandidateFacts& candidate, std::span<const double> weights, float network,
                    ReasonsWanted wanted, const Language& language) {
  return Explaining(candidate, weights, network, language).run(wanted);
}

}  // namespace cairn::ranking
