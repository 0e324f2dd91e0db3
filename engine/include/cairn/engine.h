#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/feature_view.h"
#include "cairn/geo.h"
#include "cairn/ids.h"
#include "cairn/options.h"
#include "cairn/place.h"
#include "cairn/status.h"

namespace cairn {

/// How far the features behind an answer had read one partition of a source.
struct Watermark {
  std::string source;
  Partition partition;
  Offset next_offset;  ///< every record before this one is reflected
};

/// Which state an answer reflects.
struct Freshness {
  std::vector<Watermark> watermarks;
  EventTime newest_event;   ///< largest event time applied; epoch when none
  std::string tier = "L1";  ///< what answered for the user's row: "L1" memory, "L2" RocksDB, "NONE" user unknown
};

// ---- ingest -------------------------------------------------------------------------------------------------------

/// What became of events handed to Engine::ingest. Accepted ones are on disk: a crash after this loses nothing.
struct IngestAck {
  std::size_t accepted = 0;
  std::size_t rejected = 0;  ///< decoding refused them; kept in the dead letters
  Watermark reflected_at;    ///< pass to RecommendRequest::min_offset to read your own write
  struct Rejection {
    std::size_t index;  ///< position among the events handed in
    std::string reason;
  };
  std::vector<Rejection> rejections;  ///< the first 100
};

// ---- features -----------------------------------------------------------------------------------------------------

struct FeatureRequest {
  EntityKind entity = EntityKind::kUser;
  std::vector<std::string> keys;   ///< at most 1,024
  std::vector<std::string> views;  ///< empty: every view of the entity
  std::optional<EventTime> as_of;  ///< the instant decay and TTL are computed for; default: the clock
};

struct FeatureResponse {
  struct EntityFeatures {
    std::string key;
    std::vector<FeatureVector> vectors;  ///< in the order of FeatureResponse::views
  };
  std::vector<std::string> views;
  std::vector<EntityFeatures> entities;  ///< in the order asked
  Freshness freshness;
};

// ---- recommendations ----------------------------------------------------------------------------------------------

/// What to do when the features have not reached `min_offset` yet.
enum class OnStale : std::uint8_t { kWait, kDegrade, kFail };

struct RecommendRequest {
  UserId user;                             ///< may be unknown: the answer is then by place and distance
  std::optional<GeoPoint> position;        ///< absent: the user's last known place; unknown too: INVALID_ARGUMENT
  std::optional<EventTime> position_time;  ///< when the position was fixed; absent: the moment asked for
  std::optional<EventTime> time;           ///< the moment asked for; absent: the clock
  std::size_t limit = 20;
  std::optional<double> radius_meters;  ///< absent: RankingOptions::radius_meters_default
  std::vector<std::string> categories;  ///< empty: any
  bool exclude_seen = false;            ///< leave out places in the user's history
  bool explain = true;                  ///< fill Recommended::reasons
  std::optional<Watermark> min_offset;
  OnStale on_stale = OnStale::kWait;
  std::chrono::milliseconds deadline{1000};  ///< waiting included; past it: DEADLINE_EXCEEDED
};

/// Why a place stands where it does: one ranking feature's share of the score.
struct Reason {
  std::string feature;        ///< name of the ranking feature
  double value = 0.0;         ///< the feature's value
  double contribution = 0.0;  ///< weight * value
  std::string text;           ///< for people: "visited 12 times, last 2 days ago"
};

struct Recommended {
  Place place;
  double score = 0.0;  ///< sum of all contributions, also those not listed
  double distance_meters = 0.0;
  std::vector<Reason> reasons;  ///< largest contribution by magnitude first
};

struct Recommendations {
  std::vector<Recommended> items;  ///< best first; equal scores: nearer first, then by place id
  std::size_t candidates = 0;      ///< places that passed every filter
  std::string shortfall;           ///< why there are fewer than asked for; empty when there are not
  bool degraded = false;           ///< answered before min_offset was reached, as asked
  Freshness freshness;
};

// ---- status -------------------------------------------------------------------------------------------------------

struct ConsumerStatus {
  std::string consumer;  ///< "features" or "sql"
  std::string source;
  Partition partition;
  Offset next_offset;
  std::optional<Offset> end_offset;  ///< where the source ends at present, when it can tell
  bool at_end = false;
};

struct ReadinessCheck {
  std::string name;  ///< "state", "sources", "postgres", "disk"
  bool ok = false;
  bool required = true;  ///< a failing optional check degrades, it does not stop serving
  std::string detail;
};

struct EngineStatus {
  std::string version;
  EventTime started;
  std::uint64_t events_applied = 0;  ///< since the state directory was made
  std::uint64_t events_rejected = 0;
  std::uint64_t events_repeated = 0;  ///< dropped by event_id
  std::uint64_t places = 0;
  std::uint64_t state_bytes = 0;  ///< on disk
  std::uint64_t l1_bytes = 0;
  std::uint64_t l1_hits = 0;
  std::uint64_t l1_misses = 0;
  std::uint64_t recommendations = 0;
  std::uint64_t sql_rows = 0;  ///< interactions written to PostgreSQL by this process
  EventTime newest_event;
  std::string compute_backend;  ///< "cpu/avx512", "cuda"
  std::vector<ConsumerStatus> consumers;
  std::vector<ReadinessCheck> checks;
  [[nodiscard]] bool ready() const {
    for (const ReadinessCheck& check : checks) {
      if (check.required && !check.ok) return false;
    }
    return true;
  }
};

struct CheckpointInfo {
  std::string path;
  std::uint64_t bytes = 0;
  std::vector<Watermark> watermarks;
};

/// The engine: consumes interactions, keeps features, answers recommendations. gRPC, HTTP and the CLI are clients of
/// this class, and so is a program that embeds it:
///
///     cairn::EngineOptions options{.state_dir = "/var/lib/app/cairn"};
///     auto engine = cairn::Engine::open(std::move(options));
///     if (!engine.ok()) return fail(engine.status().to_string());
///     (*engine)->ingest(std::vector<std::string_view>{R"({"user_id":"u1","place_id":"p1","type":"visit","ts":0})"});
///     auto answer = (*engine)->recommend({.user = cairn::UserId("u1"), .position = cairn::GeoPoint{40.7, -74.0}});
///
/// Threads: every method may be called from any thread at any time, except that nothing may run during or after the
/// destructor. Blocking: `ingest` waits for the disk, `recommend` for `min_offset` when asked to, the rest for locks
/// only. Owns its threads, its state directory (by lock) and its connections.
class Engine {
 public:
  /// Opens the state directory, recovers, starts consuming.
  ///
  /// `clock` must outlive the engine.
  /// Returns: INVALID_ARGUMENT for options that contradict each other; FAILED_PRECONDITION when another process holds
  /// the state directory (named in the message) or its format is of another version; DATA_LOSS when the state is
  /// damaged; UNAVAILABLE when the disk has no room. A PostgreSQL that does not answer is no error: it is retried.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(EngineOptions options,
                                                            const Clock& clock = SystemClock::instance());

  /// Stops consuming, applies what was polled, makes it durable. `close()` first, to learn of errors.
  virtual ~Engine() = default;

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Takes interactions (JSON, one object each) through the same path as a stream: appended to a durable log, then
  /// applied. Events that cannot be used go to the dead letters and are counted; the others are taken.
  /// Returns: RESOURCE_EXHAUSTED when the disk is nearly full; UNAVAILABLE once closing. Nothing is taken then.
  [[nodiscard]] virtual Result<IngestAck> ingest(std::span<const std::string_view> events) = 0;

  /// Adds or replaces places in the catalogue; all or none. Durable on return; in answers and in PostgreSQL
  /// soon after: wait_caught_up waits for both.
  /// Returns: INVALID_ARGUMENT naming the first bad place; RESOURCE_EXHAUSTED when the disk is nearly full.
  [[nodiscard]] virtual Status upsert_places(std::span<const Place> places) = 0;

  /// Returns: NOT_FOUND.
  [[nodiscard]] virtual Result<Place> get_place(const PlaceId& id) const = 0;

  /// Reads features of up to 1,024 entities.
  /// Returns: INVALID_ARGUMENT for an unknown view, a view of another entity, or too many keys. Missing values are no
  /// error: every vector carries its FeatureStatus.
  [[nodiscard]] virtual Result<FeatureResponse> get_features(const FeatureRequest& request) const = 0;

  /// Which places, for this user, here, now. Exact: the best `limit` of all places that pass the filters.
  /// Returns: INVALID_ARGUMENT, DEADLINE_EXCEEDED, FAILED_PRECONDITION (kFail and not fresh enough).
  [[nodiscard]] virtual Result<Recommendations> recommend(const RecommendRequest& request) const = 0;

  [[nodiscard]] virtual EngineStatus status() const = 0;

  /// The views in force, built-in ones first.
  [[nodiscard]] virtual std::vector<FeatureViewSpec> feature_views() const = 0;

  /// Waits until both consumers have applied all that their sources held when the call was made (files to their end,
  /// the API's log, Kafka's high watermarks), and until answers know all places; the SQL consumer, and the places in
  /// PostgreSQL, only when PostgreSQL is configured.
  /// Returns: DEADLINE_EXCEEDED.
  [[nodiscard]] virtual Status wait_caught_up(std::chrono::milliseconds timeout) const = 0;

  /// Copies a consistent state, offsets and the API's log included, to the new directory `path` while running. The copy
  /// is a state directory: an engine opened on it goes on from the watermarks named in the answer, or later ones.
  /// Returns: ALREADY_EXISTS, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE; nothing is left behind then.
  [[nodiscard]] virtual Result<CheckpointInfo> checkpoint(const std::string& path) = 0;

  /// Stops in order: no new work, sources, last batch, sync, connections. Idempotent. The state directory is given up
  /// by the destructor.
  virtual Status close() = 0;

 protected:
  Engine() = default;
};

/// One named function of (user, place, position, time) that ranking can weigh.
struct RankingFeatureInfo {
  std::string name;
  std::string meaning;  ///< one sentence: formula and unit
  double default_weight = 0.0;
};

/// Every ranking feature, in scoring order. Weights in the configuration use these names.
[[nodiscard]] std::vector<RankingFeatureInfo> ranking_features();

/// The views that ranking itself reads; always present.
[[nodiscard]] std::vector<FeatureViewSpec> builtin_feature_views();

/// Whether a PostgreSQL could be used as it is configured: one connection, one round trip.
/// Returns: what sql says of it, with the remedy; see Engine's readiness check "postgres".
[[nodiscard]] Status probe_postgres(const SqlOptions& options);

/// Cairn's version, "major.minor.patch".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace cairn
