#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

/// Less memory keeps few answers, or none: one may take a 64th of it.
inline constexpr std::size_t kAnswerMemoryUseful = 2u << 20;

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

  // Of these answers in PostgreSQL (tier L3). Its hits are among the hits above.
  bool shared = false;  ///< there are any
  std::uint64_t shared_hits = 0;
  std::uint64_t shared_misses = 0;  ///< looked for there, and not found, or not as new as what is known here
  std::uint64_t shared_passed = 0;  ///< not looked for: no connection was free, or none answered in time
  std::uint64_t shared_writes = 0;
  std::uint64_t shared_dropped = 0;  ///< not written: over the budget, or PostgreSQL could not be written to
  std::uint64_t shared_expired = 0;  ///< rows that this process removed when they had grown old
  std::uint64_t shared_rows = 0;     ///< in the table; from 10,000 on by PostgreSQL's estimate
  std::uint64_t shared_bytes = 0;    ///< of the table
  std::string shared_trouble = {};   ///< why the last look or write failed; empty: it did not

  /// Why none of this daemon's answers is given by another one, though they are shared; empty: they may be.
  std::string shared_alone = {};

  // How old kept answers were when they were given, summed up, by the tier that gave them, and how long answers waited.
  std::uint64_t memory_age_ms = 0;
  std::uint64_t disk_age_ms = 0;
  std::uint64_t shared_age_ms = 0;
  std::uint64_t waited_us = 0;         ///< for others' computations
  std::uint64_t disk_waited_us = 0;    ///< for the disk, found or not
  std::uint64_t shared_waited_us = 0;  ///< for PostgreSQL, found or not

  std::uint64_t heard = 0;  ///< invalidations by SQL that this process has heard of
  /// All invalidations by SQL up to this one, as invalidate_answers() returned it, are in force here; -1: nothing was
  /// read yet of what SQL says.
  std::int64_t heard_up_to = -1;

  AnswerWarmingStatus warming = {};

  [[nodiscard]] double hit_ratio() const {
    const auto all = static_cast<double>(hits + stale_hits + misses);
    return all > 0.0 ? static_cast<double>(hits + stale_hits) / all : 0.0;
  }
};

}  // namespace cairn
