#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

/// What answers are about. Naming something makes all answers about it outdated.
struct AnswerTags {
  std::vector<std::string> users;
  std::vector<std::string> places;      ///< that stand in answers
  std::vector<std::string> categories;  ///< of places in answers, and those that were asked for
  std::vector<std::string> cells;       ///< geohashes of 5 letters or more, from around which answers were asked
  bool all = false;
};

/// Answers for nobody in particular that are made before they are asked for, from the cells that are visited most.
struct AnswerWarmingStatus {
  std::uint64_t rounds = 0;     ///< begun
  std::uint64_t computed = 0;   ///< answers, in all rounds
  std::uint64_t failed = 0;     ///< of all rounds
  std::uint64_t cut_short = 0;  ///< rounds that ended for want of time
  bool running = false;
  std::uint64_t planned = 0;  ///< answers of the round under way, or of the last
  std::uint64_t done = 0;     ///< of these: computed, or still good
  std::uint64_t last_ms = 0;  ///< what the last round took
};

/// Kept answers, and what became of requests since the engine opened.
struct AnswerCacheStatus {
  std::uint64_t bytes = 0;
  std::uint64_t limit = 0;  ///< of bytes; 0: nothing is kept
  std::uint64_t entries = 0;
  std::uint64_t hits = 0;        ///< answered with a kept answer
  std::uint64_t stale_hits = 0;  ///< with one that had grown old, marked, while it was computed anew
  std::uint64_t misses = 0;      ///< computed, or waited for who computed it
  std::uint64_t waited = 0;      ///< of these: waited
  std::uint64_t outdated = 0;    ///< of the misses: something had happened to what the kept answer was about
  std::uint64_t passed = 0;      ///< requests whose answers are not kept
  std::uint64_t refreshes = 0;   ///< computed anew in the background
  std::uint64_t evictions = 0;   ///< from memory for want of room

  // Of these answers on the disk (tier L2). Its hits are among the hits above.
  std::uint64_t disk_bytes = 0;
  std::uint64_t disk_limit = 0;  ///< of bytes; 0: there are none
  std::uint64_t disk_hits = 0;
  std::uint64_t disk_misses = 0;  ///< looked for there, and not found, or outdated
  std::uint64_t disk_writes = 0;
  std::uint64_t disk_dropped = 0;  ///< not written: too many waited, or the disk is nearly full
  std::string disk_trouble = {};   ///< why the last write failed; empty: it did not

  AnswerWarmingStatus warming = {};

  [[nodiscard]] double hit_ratio() const {
    const auto all = static_cast<double>(hits + stale_hits + misses);
    return all > 0.0 ? static_cast<double>(hits + stale_hits) / all : 0.0;
  }
};

}  // namespace cairn
