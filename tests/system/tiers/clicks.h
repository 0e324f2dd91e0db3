#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cairn/rfc3339.h"
#include "cairn/source_position.h"
#include "tests/system/tiers/daemon.h"

namespace cairn::test {

/// What users have clicked on, and what their answers must know of it: all that a daemon has been seen to know before
/// it was asked, whichever tier answers, and all that lies before the positions that the answer says it is of. Threads:
/// any.
class Clicks {
 public:
  using json = nlohmann::json;

  /// It was acknowledged. Those of one user are all in one partition.
  void add(const std::string& user, const std::string& place, std::int64_t ms, const Watermark& mark) {
    const std::lock_guard lock(mutex_);
    users_[user].push_back({place, ms, mark});
  }
  /// Daemon `number` has answered somebody who waited for this position.
  void seen(std::size_t number, const Watermark& mark) {
    const std::lock_guard lock(mutex_);
    for (const auto& [user, clicks] : users_) {
      std::size_t& known = seen_[{number, user}];
      while (known < clicks.size() && before(clicks[known].mark, mark)) ++known;
    }
  }
  /// It was killed, and may have to read again what it knew.
  void forget(std::size_t number) {
    const std::lock_guard lock(mutex_);
    std::erase_if(seen_, [&](const auto& one) { return one.first.first == number; });
  }

  /// How many of the user's clicks this daemon's next answer must know.
  [[nodiscard]] std::size_t must_know(std::size_t number, const std::string& user) {
    const std::lock_guard lock(mutex_);
    return seen_[{number, user}];
  }
  /// What is wrong with an answer that was asked for after `known` clicks were known; empty: nothing.
  [[nodiscard]] std::string complaint(const std::string& user, std::size_t known, const json& answer) {
    const std::lock_guard lock(mutex_);
    const std::vector<Click>& clicks = users_[user];
    for (std::size_t i = 0; i < clicks.size(); ++i) {
      if (i >= known && !reflects(answer, clicks[i].mark)) continue;
      if (const std::string lacks = lacks_click(answer, clicks[i]); !lacks.empty()) {
        return user + ", click " + std::to_string(i) + " of " + std::to_string(known) + " known: " + lacks + ": " +
               answer.dump();
      }
    }
    return too_old(answer) ? "too old: " + answer.at("cache").dump() : "";
  }

 private:
  struct Click {
    std::string place;
    std::int64_t ms;
    Watermark mark;
  };

  static bool before(const Watermark& one, const Watermark& mark) {
    return one.source == mark.source && one.position.partition == mark.position.partition &&
           one.position.offset <= mark.position.offset;
  }
  static bool reflects(const json& answer, const Watermark& mark) {
    for (const json& one : answer.at("freshness").at("watermarks")) {
      if (one.at("source") == mark.source && one.at("partition") == mark.position.partition.value) {
        return one.at("offset") >= mark.position.offset.value;
      }
    }
    return false;
  }
  static std::string lacks_click(const json& answer, const Click& click) {
    const json& newest = answer.at("user_event");
    const auto time = newest.is_null() ? std::nullopt : parse_rfc3339(newest.get<std::string>());
    if (!time || to_ms(*time) < click.ms) return "its newest visit is of before";
    for (const json& item : answer.at("items")) {
      if (item.at("place_id") == click.place) return "has " + click.place;
    }
    return "";
  }
  /// A time to live is up to a tenth longer than it says.
  static bool too_old(const json& answer) {
    const json& cache = answer.at("cache");
    if (cache.is_null()) return false;
    const auto bound = Daemon::kTtl * 11 / 10 + (cache.at("stale") == true ? Daemon::kStale : Daemon::kStale * 0);
    return cache.at("age_ms") > bound.count();
  }

  std::mutex mutex_;
  std::map<std::string, std::vector<Click>> users_;
  std::map<std::pair<std::size_t, std::string>, std::size_t> seen_;
};

}  // namespace cairn::test
