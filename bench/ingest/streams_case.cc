// The same topic through Kafka Streams (bench/peers/kafka-streams), exactly_once_v2, RocksDB stores, on this machine
// with the same broker. Two topologies: a count per user, which is the least that can be kept, and the views that
// ranking reads of users and places, with a repartition between them. Both sides are timed until everything is
// committed; Java's start and the group's first assignment are not in the peer's time, opening is in ours.
#include <cstdio>

#include "bench/ingest/cases.h"
#include "bench/ingest/run_topic.h"
#include "bench/ingest/streams_peer.h"

namespace cairn::bench {

void streams_case(IngestRun& run) {
  const std::optional<StreamsPeer> peer = StreamsPeer::build();
  KafkaBroker* const kafka = peer ? run.kafka() : nullptr;
  if (kafka == nullptr) return;
  const Data& data = run.data();
  const std::string& topic = run.topic_of(data);
  Costs ours;
  std::vector<double> counts;
  std::vector<double> views;
  for (std::size_t round = 0; round < run.rounds(1); ++round) {
    counts.push_back(peer->run("count", kafka->address(), topic, data));
    ours.add(run_topic(kafka->address(), topic, data));
    views.push_back(peer->run("views", kafka->address(), topic, data));
  }
  const std::size_t events = data.size.events;
  const auto add = [&](const std::string& what, const std::vector<double>& seconds) {
    run.report.add({.name = "Kafka to durable features" + label(data.size),
                    .unit = "events/s",
                    .value = ours.rate(events),
                    .peer = Peer{"Kafka Streams 3.9.1 exactly_once_v2, 2 threads, " + what,
                                 static_cast<double>(events) / median(seconds)}});
  };
  add("count per user", counts);
  add("sparse views per user and per place", views);
}

}  // namespace cairn::bench
