#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/ingest_ack.h"
#include "cairn/interaction.h"
#include "cairn/options.h"
#include "cairn/source_position.h"
#include "engine/ingest/api_intake_calls.h"
#include "engine/ingest/passage.h"
#include "engine/ingest/reserved_ids.h"
#include "engine/state/erased_users.h"
#include "streaming/event_log.h"

namespace cairn::ingest {

/// Takes events from a caller into the API's log, from where the consumers read them like those of any other source.
/// Each is parsed and judged here, by the clock of this moment, and written down as what it was found to be; the
/// consumers take that word (streaming/api_record.h).
///
/// Threads: any.
class ApiIntake {
 public:
  /// All must outlive the intake. `erased`: whose events are refused without a trace of them; null: nobody's.
  ApiIntake(const InteractionTypes& types, const DecodeOptions& options, const IdempotencyOptions& idempotency,
            const Clock& clock, streaming::EventLog& log, state::ErasedUsers* erased = nullptr)
      : types_(types), options_(options), clock_(clock), log_(log), erased_(erased), calls_(idempotency, clock, log) {}

  /// See Engine::ingest. Once the events are on disk the call succeeds, even when its deadline has passed meanwhile.
  [[nodiscard]] Result<IngestAck> take(const CallContext& context, std::span<const std::string_view> events,
                                       std::string_view idempotency_key = {});

  /// See Engine::check_events.
  [[nodiscard]] IngestAck check(std::span<const std::string_view> events) const;

  /// An event that somebody handed in. Returns: INVALID_ARGUMENT, saying what is wrong with it.
  [[nodiscard]] Result<Interaction> read(std::string_view event) const;

  /// Keeps an event id for one who is about to bring it. Those who were bringing it already are done when
  /// wait_for_callers() returns, and what they brought is in the log; who comes later waits for the reservation's end.
  using Reservation = ReservedIds::Reservation;
  [[nodiscard]] ReservedIds& reserved_ids() noexcept { return reserved_; }

  /// Takes events that were read before: all or none, whatever happens. `own`: the caller's, who does not wait for it;
  /// null: he has none. Returns: INVALID_ARGUMENT for one of a user who was erased since; what take() returns.
  [[nodiscard]] Result<Watermark> take_read(const CallContext& context, std::span<const Interaction> events,
                                            const Reservation* own = nullptr);

  /// To be called before the log's beginning moves to `begin`: see TakenCalls::keep.
  [[nodiscard]] Status keep_calls(Offset begin) { return calls_.keep(begin); }

  /// Waits for the calls that are being taken: they may hold events of a user who was erased just now, or of an id that
  /// was reserved just now.
  void wait_for_callers() { callers_.wait_for_those_inside(); }

 private:
  struct Records;

  Result<IngestAck> take_new(const CallContext& context, std::span<const std::string_view> events,
                             streaming::ApiCall* call);
  Result<IngestAck> try_to_take(const CallContext& context, std::span<const std::string_view> events,
                                streaming::ApiCall* call, std::string* reserved);
  Result<Watermark> try_to_take_read(const CallContext& context, std::span<const Interaction> events,
                                     const Reservation* own, std::string* reserved);
  IngestAck judge(std::span<const std::string_view> events, Records* records, std::string* reserved) const;

  const InteractionTypes& types_;
  const DecodeOptions options_;
  const Clock& clock_;
  streaming::EventLog& log_;
  state::ErasedUsers* const erased_;
  mutable Passage callers_;
  ReservedIds reserved_;
  TakenCalls calls_;
};

}  // namespace cairn::ingest
