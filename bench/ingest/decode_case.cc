// The decoder alone, one thread: every event of the stream from JSON to an Interaction, checked as it is for ingest.
// Beside it simdjson's On-Demand reading the same fields as views, which is less work (bench/on_demand_peer.h). More
// kinds of payload are in `tools/bench decode`.
#include <fstream>
#include <string>
#include <vector>

#include "bench/ingest/cases.h"
#include "bench/on_demand_peer.h"
#include "streaming/decode.h"
#include "streaming/source.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kEventsMax = 200'000;  // more do not make it another measurement

/// Payloads back to back, as a source has them, with the padding that decoders want after the last.
struct Payloads {
  std::string bytes;
  std::vector<std::string_view> views;
};

void read_payloads(const Data& data, Payloads* payloads) {
  std::vector<std::size_t> ends;
  std::ifstream in(data.events_path);
  for (std::string line; ends.size() < kEventsMax && std::getline(in, line);) {
    payloads->bytes += line;
    ends.push_back(payloads->bytes.size());
  }
  payloads->bytes.append(streaming::kPayloadPadding, '\0');
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    payloads->views.emplace_back(payloads->bytes.data() + begin, end - begin);
    begin = end;
  }
}

}  // namespace

void decode_case(IngestRun& run) {
  Payloads payloads;
  read_payloads(run.data(), &payloads);
  const InteractionTypes types;
  streaming::Decoder decoder(types, {}, SystemClock::instance());
  OnDemandPeer on_demand;
  Interaction event;
  OnDemandFields fields;
  Costs ours;
  Costs peers;
  const std::size_t rounds = run.options.quick ? 3 : 11;
  for (std::size_t round = 0; round <= rounds; ++round) {  // the first warms up
    std::size_t bytes = 0;
    std::size_t peer_bytes = 0;
    const Cost our_cost = cost_of([&] {
      for (const std::string_view payload : payloads.views) {
        CAIRN_CHECK(decoder.decode(payload, &event) == streaming::Reject::kNone);
        bytes += event.user.str().size() + event.place.str().size() + event.event_id.size();
      }
    });
    const Cost peer_cost = cost_of([&] {
      for (const std::string_view payload : payloads.views) {
        fields.event_id = {};  // it is left as it was where an event has none
        on_demand.read(payload, &fields);
        peer_bytes += fields.user.size() + fields.place.size() + fields.event_id.size();
      }
    });
    CAIRN_CHECK(bytes == peer_bytes);
    if (round == 0) continue;
    ours.add(our_cost);
    peers.add(peer_cost);
  }
  const auto rate = [&](const Costs& costs) { return static_cast<double>(payloads.views.size()) / median(costs.cpu); };
  run.report.add({.name = "decode, one thread, bytes=" + std::to_string(payloads.bytes.size() / payloads.views.size()),
                  .unit = "events/s",
                  .value = rate(ours),
                  .peer = Peer{"simdjson On-Demand, one document each, fields as views", rate(peers)}});
}

}  // namespace cairn::bench
