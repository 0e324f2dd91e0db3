#include "engine/ingest/api_intake.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/ingest/sink.h"
#include "streaming/api_record.h"
#include "streaming/decode.h"
#include "streaming/source.h"

namespace cairn::ingest {

/// Records one after the other in one piece of memory: the log takes views, and a string for each of thousands of
/// events would be thousands of allocations.
struct ApiIntake::Records {
  std::string bytes;
  std::vector<std::size_t> ends;

  [[nodiscard]] std::vector<std::string_view> views() const {
    std::vector<std::string_view> all;
    all.reserve(ends.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      all.push_back(std::string_view(bytes).substr(begin, end - begin));
      begin = end;
    }
    return all;
  }
};

namespace {

constexpr std::size_t kKeyBytesMax = 255;
constexpr const char* kErasedWords = "erased_user: the user was erased, and the event is of before";

Watermark behind(Offset end) { return {std::string(kApiSource), {Partition{0}, end, {}}}; }

/// What the log keeps of the words about a refusal. Those that follow from the payload are found again by whoever reads
/// it: kept with each of many small events, they would be most of the log.
std::string_view kept_words(streaming::Reject reject, std::string_view detail) {
  return reject == streaming::Reject::kImpossibleTime ? detail : "";  // by the clock of the moment
}

IngestAck answer_again(const streaming::ApiCall& call) {
  IngestAck ack;
  ack.accepted = call.accepted;
  ack.rejected = call.rejected;
  ack.reflected_at = behind(call.end);
  ack.repeated = true;
  return ack;
}

}  // namespace

Result<IngestAck> ApiIntake::take(const CallContext& context, std::span<const std::string_view> events,
                                  std::string_view idempotency_key) {
  CAIRN_RETURN_IF_ERROR(context.check());
  if (idempotency_key.empty()) return take_new(context, events, nullptr);
  if (idempotency_key.size() > kKeyBytesMax) return invalid_argument("an idempotency key has at most 255 bytes");
  streaming::ApiCall call{.key = streaming::call_key(idempotency_key), .content = streaming::content_of(events)};
  CAIRN_ASSIGN_OR_RETURN(const auto before, calls_.begin(context, call.key, call.content));
  if (before) return answer_again(*before);
  auto ack = take_new(context, events, &call);
  calls_.end(call.key, ack.ok() ? std::optional(call) : std::nullopt);
  return ack;
}

/// `call`: with a key, which then is filled in; else null.
Result<IngestAck> ApiIntake::take_new(const CallContext& context, std::span<const std::string_view> events,
                                      streaming::ApiCall* call) {
  while (true) {
    std::string reserved;
    auto ack = try_to_take(context, events, call, &reserved);
    if (reserved.empty()) return ack;
    // Outside: who has reserved it waits for those inside.
    CAIRN_RETURN_IF_ERROR(reserved_.wait_until_free(context, reserved));
  }
}

/// `*reserved` is made an id of the events that somebody has reserved, and nothing is taken then.
Result<IngestAck> ApiIntake::try_to_take(const CallContext& context, std::span<const std::string_view> events,
                                         streaming::ApiCall* call, std::string* reserved) {
  const Passage::Entry taking(callers_);  // before the marks of erased users and the reserved ids are looked at
  Records records;
  IngestAck ack = judge(events, &records, reserved);
  if (!reserved->empty()) return ack;
  // The last moment at which the caller can still take it back: from here on the events are on their way to the disk.
  CAIRN_RETURN_IF_ERROR(context.check());
  std::vector<std::string_view> payloads = records.views();
  std::string together;
  if (call != nullptr) {
    call->taken = clock_.now();
    call->accepted = static_cast<std::uint32_t>(ack.accepted);
    call->rejected = static_cast<std::uint32_t>(ack.rejected);
    streaming::append_call_record(*call, payloads, &together);
    payloads.assign(1, together);
  }
  CAIRN_ASSIGN_OR_RETURN(const Offset end, log_.append(payloads));
  if (call != nullptr) call->end = end;
  ack.reflected_at = behind(end);
  return ack;
}

IngestAck ApiIntake::check(std::span<const std::string_view> events) const {
  Records records;
  return judge(events, &records, nullptr);
}

Result<Interaction> ApiIntake::read(std::string_view event) const {
  streaming::Decoder decoder(types_, options_, clock_);
  Interaction decoded;
  const std::string padded = std::string(event).append(streaming::kPayloadPadding, '\0');
  const auto reject = decoder.decode(std::string_view(padded).substr(0, event.size()), &decoded);
  if (reject == streaming::Reject::kNone) return decoded;
  return invalid_argument(std::string(streaming::to_string(reject)) + ": " + decoder.detail());
}

Result<Watermark> ApiIntake::take_read(const CallContext& context, std::span<const Interaction> events,
                                       const Reservation* own) {
  while (true) {
    std::string reserved;
    auto end = try_to_take_read(context, events, own, &reserved);
    if (reserved.empty()) return end;
    CAIRN_RETURN_IF_ERROR(reserved_.wait_until_free(context, reserved));
  }
}

Result<Watermark> ApiIntake::try_to_take_read(const CallContext& context, std::span<const Interaction> events,
                                              const Reservation* own, std::string* reserved) {
  const Passage::Entry taking(callers_);  // before the marks of erased users and the reserved ids are looked at
  Records records;
  const bool any_reserved = reserved_.any();
  for (const Interaction& event : events) {
    if (erased_ != nullptr && erased_->refuses(event)) return invalid_argument(kErasedWords);
    const bool is_own = own != nullptr && event.event_id == own->id();
    if (any_reserved && !is_own && reserved_.contains(event.event_id)) {
      *reserved = event.event_id;
      return Watermark{};
    }
    streaming::append_decoded_record(event, &records.bytes);
    records.ends.push_back(records.bytes.size());
  }
  CAIRN_RETURN_IF_ERROR(context.check());
  // One record, so that the log has all of them or none. Its key is nobody's.
  std::random_device random;
  const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
  const streaming::ApiCall call{
      .key = {word(), word()}, .taken = clock_.now(), .accepted = static_cast<std::uint32_t>(events.size())};
  std::string together;
  streaming::append_call_record(call, records.views(), &together);
  const std::string_view payload = together;
  CAIRN_ASSIGN_OR_RETURN(const Offset end, log_.append({&payload, 1}));
  return behind(end);
}

/// Decides, once and for all readers of the log, which events are refused, and tells the caller. `reserved`: see
/// try_to_take(); null: reserved ids are like others.
IngestAck ApiIntake::judge(std::span<const std::string_view> events, Records* records, std::string* reserved) const {
  constexpr std::size_t kRejectionsMax = 100;
  streaming::Decoder decoder(types_, options_, clock_);
  Interaction decoded;
  std::string padded;
  IngestAck ack;
  std::uint64_t of_erased = 0;
  const bool any_reserved = reserved != nullptr && reserved_.any();
  records->ends.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    padded.assign(events[i]).append(streaming::kPayloadPadding, '\0');
    const auto reject = decoder.decode(std::string_view(padded).substr(0, events[i].size()), &decoded);
    if (any_reserved && reject == streaming::Reject::kNone && reserved_.contains(decoded.event_id)) {
      *reserved = decoded.event_id;
      return ack;
    }
    if (reject == streaming::Reject::kNone && erased_ != nullptr && erased_->refuses(decoded)) {
      ++ack.rejected;
      ++of_erased;
      streaming::append_erased_record(&records->bytes);
      if (ack.rejections.size() < kRejectionsMax) ack.rejections.push_back({i, kErasedWords});
    } else if (reject == streaming::Reject::kNone) {
      ++ack.accepted;
      streaming::append_decoded_record(decoded, &records->bytes);
    } else {
      ++ack.rejected;
      streaming::append_refused_record(reject, kept_words(reject, decoder.detail()), events[i], &records->bytes);
      if (ack.rejections.size() < kRejectionsMax) {
        ack.rejections.push_back({i, std::string(streaming::to_string(reject)) + ": " + decoder.detail()});
      }
    }
    records->ends.push_back(records->bytes.size());
  }
  if (of_erased > 0) erased_->count_refused(of_erased);
  return ack;
}

}  // namespace cairn::ingest
