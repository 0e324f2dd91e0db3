#include "bench/ingest/fresh_stages.h"

#include <thread>

#include "cairn/clock.h"

namespace cairn::bench {

// ---- events -------------------------------------------------------------------------------------------------------

std::size_t FreshEvents::draw(std::size_t count) {
  state_ = state_ * 6364136223846793005U + 1442695040888963407U;
  const double uniform = static_cast<double>(state_ >> 33) / static_cast<double>(1ULL << 31);
  return static_cast<std::size_t>(uniform * uniform * uniform * static_cast<double>(count)) + 1;
}

FreshEvents::Event FreshEvents::next() {
  ++made_;
  Event event;
  if (made_ % kProbeEvery == 0) event.probe = made_ / kProbeEvery;
  event.user = event.probe > 0 ? kProbeUser : "u" + std::to_string(draw(users_));
  event.json = R"({"user_id":")" + event.user + R"(","place_id":"p)" + std::to_string(draw(places_)) +
               R"(","type":"visit","ts":)" + std::to_string(to_ms(SystemClock::instance().now())) + R"(,"value":)" +
               std::to_string(event.probe) + R"(,"event_id":"f)" + std::to_string(made_) + "\"}";
  return event;
}

// ---- answers ------------------------------------------------------------------------------------------------------

std::vector<Observation> observe(const Engine& engine, const std::string& source, std::size_t partitions,
                                 const std::atomic<bool>& stop) {
  std::vector<Observation> all;
  std::vector<std::int64_t> last;
  const FeatureRequest request{.entity = EntityKind::kUser, .keys = {kProbeUser}, .views = {kProbeView}, .as_of = {}};
  while (!stop) {
    const FeatureResponse answer = must(engine.get_features({}, request));
    Observation seen{std::chrono::steady_clock::now(), std::vector<std::int64_t>(partitions, 0), 0};
    for (const Watermark& mark : answer.freshness.watermarks) {
      if (mark.source != source) continue;
      seen.watermarks.at(static_cast<std::size_t>(mark.position.partition.value)) = mark.position.offset.value;
    }
    const auto& entries = answer.entities.at(0).vectors.at(0).entries;
    if (!entries.empty()) seen.probe = static_cast<std::uint64_t>(entries[0].value);
    if (seen.watermarks != last) {
      last = seen.watermarks;
      all.push_back(std::move(seen));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(250));
  }
  return all;
}

namespace {

/// An answer claims every record before its watermarks: the probe's newest among them must be in it.
void check_claims(const std::vector<Sent>& sent, const std::vector<Observation>& seen) {
  std::vector<const Sent*> probes;  // all in one partition, for they have one key
  for (const Sent& one : sent) {
    if (one.probe > 0) probes.push_back(&one);
  }
  CAIRN_CHECK(!probes.empty());
  std::size_t claimed = 0;
  for (const Observation& answer : seen) {
    while (claimed < probes.size() && probes[claimed]->visible_at <= answer.watermarks[probes[claimed]->partition]) {
      ++claimed;
    }
    if (claimed == 0) continue;
    CAIRN_CHECK_MSG(answer.probe >= probes[claimed - 1]->probe, "an answer lacks what its watermark claims");
  }
}

}  // namespace

std::vector<double> delays(const std::vector<Sent>& sent, const std::vector<Observation>& seen) {
  CAIRN_CHECK(!seen.empty());
  check_claims(sent, seen);
  std::vector<std::size_t> next(seen[0].watermarks.size(), 0);  // of each partition: the observation to look at first
  std::vector<double> all;
  all.reserve(sent.size());
  for (const Sent& one : sent) {
    std::size_t& at = next[one.partition];
    while (at < seen.size() && seen[at].watermarks[one.partition] < one.visible_at) ++at;
    CAIRN_CHECK_MSG(at < seen.size(), "an event never became visible");
    all.push_back(std::chrono::duration<double, std::milli>(seen[at].at - one.due).count());
  }
  return all;
}

}  // namespace cairn::bench
