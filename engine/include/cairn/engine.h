#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/answer_cache.h"
#include "cairn/call_context.h"
#include "cairn/category.h"
#include "cairn/clock.h"
#include "cairn/correction.h"
#include "cairn/damage.h"
#include "cairn/engine_status.h"
#include "cairn/feature_view.h"
#include "cairn/features.h"
#include "cairn/ids.h"
#include "cairn/ingest_ack.h"
#include "cairn/options.h"
#include "cairn/place.h"
#include "cairn/place_rule.h"
#include "cairn/recommendation.h"
#include "cairn/status.h"
#include "cairn/user_data.h"

namespace cairn {

/// For how long a model is chosen.
enum class ModelChoice : std::uint8_t {
  kForNow,      ///< until the engine closes, or the configuration is applied again
  kConfigured,  ///< it is what the configuration names now
};

/// What came of the ids in Engine::delete_known_places().
struct DeletedPlaces {
  std::size_t count = 0;         ///< places that were deleted
  std::vector<PlaceId> unknown;  ///< each once, in the order given
};

/// The engine: consumes interactions, keeps features, answers recommendations. HTTP and the CLI are clients of this
/// class, and so is a program that embeds it:
///
///     cairn::EngineOptions options{.state_dir = "/var/lib/app/cairn"};
///     auto engine = cairn::Engine::open(std::move(options));
///     if (!engine.ok()) return fail(engine.status().to_string());
///     const std::string_view event = R"({"user_id":"u1","place_id":"p1","type":"visit","ts":1735732800000})";
///     auto taken = (*engine)->ingest({}, std::span(&event, 1));
///     auto answer = (*engine)->recommend(cairn::CallContext::within(std::chrono::milliseconds(50)),
///                                        {.user = cairn::UserId("u1"), .position = cairn::GeoPoint{40.7, -74.0}});
///
/// Every call begins with its context: until when the answer is of use, and whether somebody still waits (see
/// cairn/call_context.h). Besides the codes that each method names, every method that returns a Status or a Result can
/// return DEADLINE_EXCEEDED and CANCELLED.
///
/// Threads: every method may be called from any thread at any time, except that nothing may run during or after the
/// destructor. Blocking: `ingest`, `upsert_places`, `delete_places`, `delete_known_places` and `checkpoint` wait for
/// the disk, `recommend` for `min_offset` when asked to, `wait_caught_up` for the consumers, the rest for locks and for
/// reads of the state. Owns its threads, its state directory (by lock) and its connections.
class Engine {
 public:
  /// Opens the state directory, recovers, starts consuming.
  ///
  /// `clock` must outlive the engine.
  /// Returns: INVALID_ARGUMENT for options that contradict each other; FAILED_PRECONDITION when another process holds
  /// the state directory (named in the message) or its format is of another version; DATA_LOSS when the state is
  /// damaged; RESOURCE_EXHAUSTED when the disk has no room. A PostgreSQL that does not answer is no error: it is
  /// retried. One that a person must mend is FAILED_PRECONDITION: no PostGIS, altered tables, another state directory's
  /// schema.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(EngineOptions options,
                                                            const Clock& clock = SystemClock::instance());

  /// Stops consuming, applies what was polled, makes it durable. `close()` first, to learn of errors.
  virtual ~Engine() = default;

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Takes interactions (JSON, one object each) through the same path as a stream: appended to a durable log, then
  /// applied. Events that cannot be used go to the dead letters and are counted; the others are taken.
  ///
  /// `idempotency_key`: 1 to 255 bytes by which a repeat of the call is known, so that a caller who had no answer may
  /// send the same events again and they count once; empty: none. All or none of the events are kept then, whatever
  /// happens. Keys are known across restarts, within IdempotencyOptions. A call with a key takes at most 16 MiB.
  ///
  /// What repeats an event id of before is found out when the event is applied, not here: it is accepted, and counts as
  /// repeated in the status.
  ///
  /// Returns: RESOURCE_EXHAUSTED when the disk is nearly full; UNAVAILABLE once closing; INVALID_ARGUMENT for too much
  /// at once, a key that is too long, or one that was used for other events. With any error nothing is taken.
  [[nodiscard]] virtual Result<IngestAck> ingest(const CallContext& context, std::span<const std::string_view> events,
                                                 std::string_view idempotency_key = {}) = 0;

  /// Judges events as `ingest` would, and takes none: nothing is written and nothing counted.
  [[nodiscard]] virtual Result<IngestAck> check_events(const CallContext& context,
                                                       std::span<const std::string_view> events) const = 0;

  /// Corrects an event: takes a retraction of it, and what stands in its place, through the same log as `ingest`, both
  /// or neither. A call that is repeated changes nothing more.
  ///
  /// Without EventCorrection::original the event is looked up by its id: in what the API's log still holds, then in
  /// PostgreSQL where that is configured. The first takes as long as reading the log.
  ///
  /// A replacement counts under an event_id of its own; without one, or with that of the event it replaces, one is made
  /// of its contents and told in the answer.
  ///
  /// Returns: NOT_FOUND for an event that is in neither place: send what it said; ALREADY_EXISTS for one that was
  /// retracted or replaced before, and for a replacement whose event_id came before, but not for a call that is
  /// repeated; INVALID_ARGUMENT for an event that cannot be used, or is of another event_id; UNAVAILABLE when a place
  /// cannot be read now; RESOURCE_EXHAUSTED. With any error nothing is taken.
  [[nodiscard]] virtual Result<CorrectionAck> correct_event(const CallContext& context,
                                                            const EventCorrection& correction) = 0;

  /// Adds or replaces places in the catalogue; all or none. Durable on return; in answers and in PostgreSQL
  /// soon after: wait_caught_up waits for both. Events that came before their place count by its category and in its
  /// cell from then on (EngineStatus::events_waiting).
  /// Returns: INVALID_ARGUMENT naming the first bad place; RESOURCE_EXHAUSTED when the disk is nearly full.
  [[nodiscard]] virtual Status upsert_places(const CallContext& context, std::span<const Place> places) = 0;

  /// Deletes places; all or none. They are in no answer from then on; in PostgreSQL their rows say soon after when they
  /// were deleted. Events that still name such a place count for its id, as those of a place never imported. An import
  /// of the id brings the place back, with what was counted for it, unless `history` is to be erased: then its features
  /// and its hourly aggregates go. What users did stays theirs: their own features and the rows of user_interactions
  /// are not touched. Durable on return; takes as long as making the index of places anew. Returns: NOT_FOUND naming
  /// the first id that no place has; INVALID_ARGUMENT for an id that is none; RESOURCE_EXHAUSTED when the disk is
  /// nearly full. With any error but the first two a history may be erased already.
  [[nodiscard]] virtual Status delete_places(const CallContext& context, std::span<const PlaceId> ids,
                                             PlaceHistory history) = 0;

  /// As delete_places(), of those ids that it would find; an id may be named again. Returns: how many those were, and
  /// the others; as delete_places() but never NOT_FOUND.
  [[nodiscard]] virtual Result<DeletedPlaces> delete_known_places(const CallContext& context,
                                                                  std::span<const PlaceId> ids,
                                                                  PlaceHistory history) = 0;

  /// All categories, by name.
  [[nodiscard]] virtual std::vector<Category> categories(const CallContext& context) const = 0;

  /// Gives a category another name, or makes it one with another category. Nothing is lost: what was counted under the
  /// old name counts under the new one, in features, ranking and answers at once, and in PostgreSQL soon after, where
  /// its places get the new name. The old name goes on to mean the category, in imports and in questions. Features are
  /// as if both had been one from the start, but for entries that FeatureViewSpec::max_entries dropped of one of the
  /// two. Two that were made one cannot be taken apart again. Durable on return.
  /// Returns: how many places have the new name now; NOT_FOUND for a name that no category has, or has no longer;
  /// ALREADY_EXISTS for a new name that is taken; INVALID_ARGUMENT for a name that is none; RESOURCE_EXHAUSTED when the
  /// disk is nearly full.
  [[nodiscard]] virtual Result<std::uint64_t> rename_category(const CallContext& context, const std::string& from,
                                                              const std::string& to, CategoryTarget target) = 0;

  /// Out of memory, without waiting for anything. Returns: NOT_FOUND.
  [[nodiscard]] virtual Result<Place> get_place(const CallContext& context, const PlaceId& id) const = 0;

  /// Reads features of up to 1,024 entities.
  /// Returns: INVALID_ARGUMENT for an unknown view, a view of another entity, or too many keys. Missing values are no
  /// error, nor are those whose stored row is damaged (kInvalid): every vector carries its FeatureStatus.
  [[nodiscard]] virtual Result<FeatureResponse> get_features(const CallContext& context,
                                                             const FeatureRequest& request) const = 0;

  /// Which places, for this user, here, now. Exact: the best `limit` of all places that pass the filters.
  /// Returns: INVALID_ARGUMENT, FAILED_PRECONDITION (kFail and not fresh enough).
  [[nodiscard]] virtual Result<Recommendations> recommend(const CallContext& context,
                                                          const RecommendRequest& request) const = 0;

  /// The kept answer that recommend() would give, if it is in memory and its text is beside it (AnswerMemo), or it has
  /// at most 100 places, of which a text is soon written. Reads nothing else, waits for nothing and computes nothing,
  /// so that a thread that many wait for may ask. Absent: ask recommend().
  [[nodiscard]] virtual std::optional<Recommendations> kept_recommendations(const RecommendRequest& request) const = 0;

  /// Kept answers about any of these are not given again (AnswerCacheOptions). What events, imports and activations
  /// make outdated need not be named. A category that was renamed or merged is meant by each of its names.
  [[nodiscard]] virtual Status invalidate_answers(const CallContext& context, const AnswerTags& tags) = 0;

  /// Erases a user: his features, his events in the API's log, records of his that were refused, his rows in
  /// PostgreSQL. What is erased is in no file of the state directory afterwards, but for the names of table files' ends
  /// in the store's MANIFEST, which a close or a start makes anew. Counts of places, cells, hours and categories stay:
  /// they name nobody. What sources bring again of the user, from up to the time of the erasure, is refused and counted
  /// for ever (EngineStatus::events_of_erased), by a mark that keeps a keyed hash of the id; events of a later time are
  /// taken, since a person may come back. Not reached are: checkpoints, topics and files that are sources, other
  /// daemons.
  ///
  /// A note of what is to be done is on the disk first. What cannot be done now is told in the receipt, and tried again
  /// until it succeeds, also after a crash. Who is not known is erased all the same: he may be in a stream. One at a
  /// time; takes as long as rewriting the API's log.
  /// Returns: INVALID_ARGUMENT for an id that is none; RESOURCE_EXHAUSTED, UNAVAILABLE when nothing can be noted, and
  /// then nothing is erased.
  [[nodiscard]] virtual Result<ErasureReceipt> erase_user(const CallContext& context, const UserId& user) = 0;

  /// All that is known of a user. Takes as long as reading the API's log.
  /// Returns: INVALID_ARGUMENT for an id that is none; UNAVAILABLE when a part cannot be read now: PostgreSQL is down.
  [[nodiscard]] virtual Result<UserExport> export_user(const CallContext& context, const UserId& user) const = 0;

  /// Answers whatever the deadline, and waits for nothing: probes need it most when all else is late.
  [[nodiscard]] virtual EngineStatus status(const CallContext& context) const = 0;

  /// The views in force, built-in ones first.
  [[nodiscard]] virtual std::vector<FeatureViewSpec> feature_views(const CallContext& context) const = 0;

  /// Every ranking feature in scoring order, those of the configuration last.
  [[nodiscard]] virtual std::vector<RankingFeatureInfo> ranking_features(const CallContext& context) const = 0;

  /// Waits until both consumers have applied and stored all that their sources held when the call was made (files to
  /// their end, the API's log, Kafka's high watermarks), and until answers know all places; the SQL consumer, and the
  /// places in PostgreSQL, only when PostgreSQL is configured. Without a deadline it waits until it is cancelled.
  /// Returns: DEADLINE_EXCEEDED, saying what is waited for.
  [[nodiscard]] virtual Status wait_caught_up(const CallContext& context) const = 0;

  /// Lets consumers that wait, or are blocked, try again at once. `name`: one consumer ("features:kafka"), or a source
  /// ("kafka") for all that read it.
  /// Returns: NOT_FOUND, naming those there are.
  [[nodiscard]] virtual Status retry_consumer(const CallContext& context, const std::string& name) = 0;

  /// Lets consumers read on where records that they were to read next are gone (trimmed, or the topic was made anew):
  /// from the first record that is there. What was passed over is counted (ConsumerHealth::gap_records, gap_bytes). A
  /// source may do so by itself (OnGap). `name` as above. Returns: NOT_FOUND; FAILED_PRECONDITION when none of them
  /// stands before a gap.
  [[nodiscard]] virtual Status accept_gap(const CallContext& context, const std::string& name) = 0;

  /// Copies a consistent state, offsets and the API's log included, to the new directory `path` while running. The copy
  /// is a state directory: an engine opened on it goes on from the watermarks named in the answer, or later ones.
  /// Returns: ALREADY_EXISTS, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE; nothing is left behind then.
  [[nodiscard]] virtual Result<CheckpointInfo> checkpoint(const CallContext& context, const std::string& path) = 0;

  /// Loads the model in `directory`, checks all of it, and puts it in force in one step. Answers that have begun end
  /// with the model that they began with. Empty: no model is in force from here on. With an error the model before
  /// stays in force, and EngineStatus::model says why. One at a time; takes as long as reading the files, and until it
  /// is done both models are in memory.
  ///
  /// A directory that holds a ranker is put in force as one, as activate_ranker() does.
  ///
  /// What is chosen is not stored: the next engine opens with its own ModelOptions::dir.
  /// Returns: what is in force; NOT_FOUND, INVALID_ARGUMENT naming file and line or tensor, UNIMPLEMENTED for a format
  /// of later versions, FAILED_PRECONDITION for a model that cannot answer, RESOURCE_EXHAUSTED, UNAVAILABLE.
  [[nodiscard]] virtual Result<ModelStatus> activate_model(const CallContext& context, const std::string& directory,
                                                           ModelChoice choice) = 0;

  /// Reads the ranker in `directory`, and puts it in force in one step. Empty: the one that ships with Cairn. Otherwise
  /// as activate_model(); the next engine opens with its own RankingOptions::ranker_dir. RankingOptions::weights go on
  /// to replace those of any ranker that they name.
  /// Returns: what is in force; NOT_FOUND, INVALID_ARGUMENT naming file, line and key, UNIMPLEMENTED for a format of
  /// later versions.
  [[nodiscard]] virtual Result<ModelStatus> activate_ranker(const CallContext& context, const std::string& directory,
                                                            ModelChoice choice) = 0;

  /// Replaces the rules by which places rise and fall, in one step. Answers that have begun end with those before.
  /// Returns: INVALID_ARGUMENT, as check_place_options(); those before then stay in force.
  [[nodiscard]] virtual Status apply_rules(const CallContext& context, std::vector<PlaceRule> rules) = 0;

  /// Stops in order: no new work, sources, last batch, sync, connections. Whoever waits in a call is woken and gets
  /// UNAVAILABLE. Idempotent. The state directory is given up
  /// by the destructor.
  virtual Status close() = 0;

 protected:
  Engine() = default;
};

/// Every built-in ranking feature, in scoring order. Weights in the configuration use these names.
[[nodiscard]] std::vector<RankingFeatureInfo> ranking_features();

/// Whether `directory` is a ranker that an engine can be opened with (RankingOptions::ranker_dir).
/// Returns: NOT_FOUND, INVALID_ARGUMENT with file, line and key, UNIMPLEMENTED for a format of later versions.
[[nodiscard]] Status check_ranker(const std::string& directory);

/// Whether `directory` has the head of a model that an engine can be opened with (ModelOptions::dir): its model.toml,
/// and the heads of the files that it names. Reads no tensors.
/// Returns: NOT_FOUND, INVALID_ARGUMENT with file and line or tensor, UNIMPLEMENTED for a format of later versions.
[[nodiscard]] Status check_model_directory(const std::string& directory);

/// The views that ranking itself reads; always present.
[[nodiscard]] std::vector<FeatureViewSpec> builtin_feature_views();

/// Whether an engine would open with this mapping of events.
/// Returns: INVALID_ARGUMENT, beginning with the key at fault as the configuration names it.
[[nodiscard]] Status check_mapping_options(const DecodeOptions& options);

/// Whether an engine would open with the ranking feature, beside the views and the types of `options`.
/// Returns: INVALID_ARGUMENT, beginning with the key at fault, such as "view".
[[nodiscard]] Status check_ranking_feature(const RankingFeatureSpec& feature, const EngineOptions& options);

/// Whether an engine would open with `ranking.reasons`, beside `ranking.features`.
/// Returns: INVALID_ARGUMENT, beginning with the key at fault: "time_zone", "language", "templates.de.visited".
[[nodiscard]] Status check_reason_options(const RankingOptions& ranking);

/// Whether an engine would open with what is said of attributes, holidays, time zones and rules.
/// Returns: INVALID_ARGUMENT, beginning with the key at fault as the configuration names it: "attribute[1].name: ...".
[[nodiscard]] Status check_place_options(const PlaceOptions& options, const std::vector<PlaceRule>& rules);

/// Whether an engine would open with these options for PostgreSQL; asks no server.
/// Returns: INVALID_ARGUMENT, without anything of the connection string.
[[nodiscard]] Status check_postgres_options(const SqlOptions& options);

/// Whether librdkafka knows the property and takes the value.
/// Returns: INVALID_ARGUMENT, without the value.
[[nodiscard]] Status check_kafka_property(const std::string& name, const std::string& value);

/// Whether a PostgreSQL could be used as it is configured: one connection, one round trip.
/// Returns: what sql says of it, with the remedy; see Engine's readiness check "postgres".
[[nodiscard]] Status probe_postgres(const SqlOptions& options);

/// What a look at every byte of a state directory has found.
struct StateExamination {
  std::vector<Damage> damaged;    ///< empty: nothing
  std::uint64_t rows = 0;         ///< of features
  std::uint64_t quarantined = 0;  ///< changes of rows that made no sense and are kept aside
};

/// Reads the features, their log and the API's log of a state directory by their checksums, and whether they belong
/// together, whoever has it open, and changes nothing. Whatever a start would refuse as DATA_LOSS is found. Takes as
/// long as the disk needs for all of it.
[[nodiscard]] StateExamination examine_state(const std::string& state_dir);

/// Takes the schema from the state directory that owns it: it belongs to the one that opens on it next. What the old
/// one still writes fails from now on. Returns: as probe_postgres.
[[nodiscard]] Status adopt_postgres(const SqlOptions& options);

/// Puts back the positions of sources that were lost from the schema's consumer_positions, or moved there by hand. No
/// engine may write to it meanwhile. Returns: how many there were; as probe_postgres.
[[nodiscard]] Result<std::uint64_t> restore_postgres_positions(const SqlOptions& options);

/// Cairn's version, "major.minor.patch".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace cairn
