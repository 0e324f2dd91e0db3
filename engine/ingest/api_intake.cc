#include "engine/ingest/api_intake.h"

#include <string>

#include "engine/ingest/consumer.h"
#include "streaming/decode.h"
#include "streaming/source.h"

namespace cairn::ingest {

Result<IngestAck> ApiIntake::take(const CallContext& context, std::span<const std::string_view> events) {
  CAIRN_RETURN_IF_ERROR(context.check());
  IngestAck ack = judge(events);
  // The last moment at which the caller can still take it back: from here on the events are on their way to the disk.
  CAIRN_RETURN_IF_ERROR(context.check());
  CAIRN_ASSIGN_OR_RETURN(const Offset end, log_.append(events));
  ack.reflected_at = {std::string(kApiSource), {Partition{0}, end, {}}};
  return ack;
}

/// Tells the caller which events will be refused. The consumers decide once more when they read the log: what they
/// keep and what goes to the dead letters must not depend on who handed the events in.
IngestAck ApiIntake::judge(std::span<const std::string_view> events) const {
  constexpr std::size_t kRejectionsMax = 100;
  streaming::Decoder decoder(types_, options_, clock_);
  Interaction decoded;
  std::string padded;
  IngestAck ack;
  for (std::size_t i = 0; i < events.size(); ++i) {
    padded.assign(events[i]).append(streaming::kPayloadPadding, '\0');
    const auto reject = decoder.decode(std::string_view(padded).substr(0, events[i].size()), &decoded);
    if (reject == streaming::Reject::kNone) {
      ++ack.accepted;
      continue;
    }
    ++ack.rejected;
    if (ack.rejections.size() < kRejectionsMax) {
      ack.rejections.push_back({i, std::string(streaming::to_string(reject)) + ": " + decoder.detail()});
    }
  }
  return ack;
}

}  // namespace cairn::ingest
