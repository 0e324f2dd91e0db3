#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/clock.h"
#include "cairn/source_position.h"

namespace cairn {

/// Where one consumer stands in one partition.
struct ConsumerStatus {
  std::string consumer;  ///< "features" or "sql"
  std::string source;
  SourcePosition position;
  std::optional<Offset> end_offset;  ///< where the source ends at present; absent when it cannot tell or be reached
  bool at_end = false;
};

/// Why a consumer, or one partition that it reads, stands still.
struct ConsumerTrouble {
  std::optional<Partition> partition;  ///< absent: all that the consumer reads
  bool blocked = false;                ///< somebody must mend something; false: it may pass by itself
  bool gap = false;                    ///< records are gone: Engine::accept_gap reads on without them
  EventTime since;
  std::string reason;
  std::string remedy;  ///< what to do here, beside mending the reason
};

/// A partition that was read on although the record that its position was to be known by was gone: whether it is still
/// the same topic could not be told.
struct UncheckedPosition {
  Partition partition;
  Offset offset;  ///< of the record that was looked for
  EventTime since;
};

/// How one consumer is. It never ends by an error: it tries again, sooner or later, until it is stopped.
struct ConsumerHealth {
  std::string consumer;  ///< "features" or "sql"
  std::string source;
  bool required = true;                      ///< the engine is not ready while the consumer is blocked
  std::uint64_t gap_records = 0;             ///< records passed over, by this process, because a gap was accepted
  std::uint64_t gap_bytes = 0;               ///< the same of sources whose offsets count bytes: files, the API's log
  std::vector<UncheckedPosition> unchecked;  ///< since this process began; the last of each partition
  std::vector<ConsumerTrouble> troubles;     ///< empty while all is well

  /// "features:kafka": what Engine::retry_consumer and accept_gap take.
  [[nodiscard]] std::string name() const { return consumer + ":" + source; }
  [[nodiscard]] bool blocked() const {
    for (const ConsumerTrouble& trouble : troubles) {
      if (trouble.blocked) return true;
    }
    return false;
  }
};

/// What one part of the engine holds in memory, about.
struct MemoryPart {
  std::string name;  ///< "pending", "row_cache", "dictionaries", "catalogue", "event_ids", "signals", "blocks",
                     ///< "model", "answers"
  std::uint64_t bytes = 0;
  std::uint64_t limit = 0;  ///< by the configuration; 0: grows with what is kept
};

/// Records of one reason that could not be used, since this process began.
struct RejectedRecords {
  std::string reason;
  std::uint64_t came = 0;
  std::uint64_t not_kept = 0;  ///< of these: counted in the dead letters, and left out of them
};

/// A rule that touches no place there is.
struct IdleRule {
  std::string name;
  std::string why;

  friend bool operator==(const IdleRule&, const IdleRule&) = default;
};

/// One thing that must hold, or should, for the engine to serve.
struct ReadinessCheck {
  /// "state", "event_log", "rows", "disk", "consumers", "sources", "dead_letters", "postgres", "model"
  std::string name;
  bool ok = false;
  bool required = true;  ///< a failing optional check degrades, it does not stop serving
  std::string detail;
};

/// Why a model could not be put in force.
struct ModelFailure {
  EventTime at;
  std::string directory;
  std::string reason;
};

/// The ranker in force: the numbers that places are scored with.
struct RankerStatus {
  std::string configured;                    ///< directory by the configuration; empty: the one that ships with Cairn
  std::string directory;                     ///< of the ranker in force; empty as above
  std::uint64_t version = 0;                 ///< of its numbers, for people
  bool network = false;                      ///< a network corrects the weighted sums of the best
  std::optional<ModelFailure> last_failure;  ///< absent when the last attempt to put one in force succeeded

  [[nodiscard]] bool as_configured() const { return directory == configured; }
};

/// The model in force, and what became of the last attempt to change it.
struct ModelStatus {
  std::string configured;  ///< directory by the configuration; empty: none
  std::string directory;   ///< of the model in force; empty: none is, and all but last_failure says nothing
  std::string version;     ///< of the bytes that were loaded: the same wherever they lie
  std::string kind;        ///< how it was trained: "ials"; empty where its model.toml does not say
  std::uint64_t items = 0;
  std::uint64_t segments = 0;  ///< of users, by which who is unknown is answered; 0: by popularity
  /// Items that are no places of the catalogue, and places that the model does not know, which score 0 with it. Absent:
  /// not known yet.
  std::optional<std::uint64_t> items_without_place;
  std::optional<std::uint64_t> places_without_item;
  std::uint64_t memory_bytes = 0;
  EventTime loaded;
  std::optional<ModelFailure> last_failure;  ///< absent when the last attempt succeeded
  RankerStatus ranker;                       ///< which is there with and without a model

  [[nodiscard]] bool in_force() const { return !directory.empty(); }
  /// Whether what is in force is what the next start would load.
  [[nodiscard]] bool as_configured() const { return directory == configured; }
};

/// Questions that are scanned together, and what became of them since the engine opened. At every moment
/// `admitted == completed + rejected + expired + cancelled + waiting + running`.
struct BatchingStatus {
  /// Upper bounds of `waited`, in seconds; the last bucket has none.
  static constexpr std::array<double, 10> kWaitBounds = {0.0,   0.0001, 0.0005, 0.001, 0.002,
                                                         0.005, 0.01,   0.05,   0.1,   0.5};
  /// Upper bounds of `sizes`; the last bucket has none.
  static constexpr std::array<std::size_t, 9> kSizeBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256};

  std::size_t size = 0;     ///< most questions of a scan
  std::size_t at_once = 0;  ///< scans at the same time
  std::size_t queue = 0;    ///< most questions that wait
  std::uint64_t admitted = 0;
  std::uint64_t completed = 0;  ///< whatever the answer said
  std::uint64_t rejected = 0;   ///< too many waited, or the engine closed
  std::uint64_t expired = 0;    ///< their deadlines passed
  std::uint64_t cancelled = 0;  ///< nobody waited for them any more
  std::uint64_t waiting = 0;    ///< for a scan
  std::uint64_t running = 0;
  std::uint64_t batches = 0;
  std::uint64_t scanned = 0;                                   ///< questions in these
  std::array<std::uint64_t, kSizeBounds.size() + 1> sizes{};   ///< batches by their size
  std::array<std::uint64_t, kWaitBounds.size() + 1> waited{};  ///< questions by how long they waited for their scan
  double waited_seconds = 0.0;                                 ///< all of them together
};

/// What places are scanned with, and how a device behaves.
struct ComputeStatus {
  std::string backend;          ///< "cpu/avx512", "cuda/sm_90"
  std::string reason;           ///< why this one
  std::string fallback;         ///< what answers when the device does not; empty: there is no device
  bool open = false;            ///< the device failed and is left alone
  std::uint64_t scans = 0;      ///< that the device answered
  std::uint64_t fallbacks = 0;  ///< that it should have answered
  std::uint64_t failures = 0;   ///< errors, and times that it took too long
  std::uint64_t trials = 0;     ///< of a device that had failed
  std::string last_failure;     ///< empty: none
};

/// All that Engine::status tells.
struct EngineStatus {
  std::string version;
  EventTime started;
  std::uint64_t events_applied = 0;  ///< since the state directory was made
  std::uint64_t events_rejected = 0;
  std::vector<RejectedRecords> rejected_by_reason;  ///< of the reasons that came
  std::uint64_t events_repeated = 0;                ///< dropped by event_id
  std::uint64_t events_retracted = 0;               ///< that had been applied, and were taken out again
  std::uint64_t events_withheld = 0;                ///< that came after their retraction, and were not applied
  std::uint64_t retractions_unmatched = 0;          ///< that came when no event of their id was remembered
  std::uint64_t retracted_values_lost = 0;          ///< values that no longer held what was to be taken out of them
  std::uint64_t values_inexact = 0;    ///< that may still say what a retracted event said: a newest time, minimum, ...
  std::uint64_t events_of_erased = 0;  ///< refused by this process: of users who were erased, from before that
  std::uint64_t erased_users = 0;      ///< whose events of before their erasure are refused
  std::uint64_t erasures_pending = 0;  ///< users of whom a part is still to be erased
  std::uint64_t places = 0;
  std::uint64_t unreadable_hours = 0;  ///< places whose opening hours cannot be read, and are unknown
  std::vector<IdleRule> idle_rules;    ///< of the rules in force, once there are places
  std::uint64_t unknown_places = 0;    ///< that events named and no import has brought, or that are deleted
  std::uint64_t events_waiting = 0;  ///< of these places: in no category, and in a cell only by a position of their own
  std::uint64_t events_filled = 0;   ///< of places that came since the start: they count by category and cell now
  std::uint64_t state_bytes = 0;     ///< on disk
  std::uint64_t row_cache_bytes = 0;  ///< decoded rows of features in memory
  std::uint64_t row_cache_hits = 0;
  std::uint64_t row_cache_misses = 0;
  std::uint64_t pending_rows = 0;         ///< rows with changes that are not written yet
  std::uint64_t windows_written = 0;      ///< by this process
  std::uint64_t window_rows_written = 0;  ///< rows' changes in them
  std::uint64_t quarantined = 0;          ///< changes of rows left out by this process because they make no sense
  std::uint64_t invalid_rows = 0;         ///< reads by this process that met a stored row that makes no sense
  std::uint64_t recommendations = 0;
  AnswerCacheStatus answers;
  BatchingStatus batching;
  ComputeStatus compute;
  std::uint64_t sql_rows = 0;  ///< interactions written to PostgreSQL by this process
  EventTime newest_event;
  std::vector<Watermark> durable;  ///< how far the features are on disk
  std::string compute_backend;     ///< "cpu/avx512", "cuda"
  std::vector<MemoryPart> memory;
  std::vector<ConsumerStatus> consumers;
  std::vector<ConsumerHealth> health;  ///< of every consumer
  std::vector<ReadinessCheck> checks;
  ModelStatus model;

  [[nodiscard]] bool ready() const {
    for (const ReadinessCheck& check : checks) {
      if (check.required && !check.ok) return false;
    }
    return true;
  }
};

/// What Engine::checkpoint made.
struct CheckpointInfo {
  std::string path;
  std::uint64_t bytes = 0;
  std::vector<Watermark> watermarks;
};

}  // namespace cairn
