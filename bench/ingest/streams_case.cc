// The same topic through Kafka Streams (bench/peers/kafka-streams), exactly_once_v2, RocksDB stores, on this machine
// with the same broker. Two topologies: a count per user, which is the least that can be kept, and the views that
// ranking reads of users and places, with a repartition between them. Both sides are timed until everything is
// committed; Java's start and the group's first assignment are not in the peer's time, opening is in ours.
#include <utility>

#include "bench/ingest/cases.h"
#include "bench/ingest/run_topic.h"
#include "bench/ingest/streams_peer.h"

namespace cairn::bench {
namespace {

/// Seconds of each round. A run of the peer is long, so ours is the mean of one before and one after it.
struct Side {
  std::vector<double> ours;
  std::vector<double> peers;
};

}  // namespace

void streams_case(IngestRun& run) {
  const std::optional<StreamsPeer> peer = StreamsPeer::build();
  KafkaBroker* const kafka = peer ? run.kafka() : nullptr;
  if (kafka == nullptr) return;
  const Data& data = run.data();
  const std::string& topic = run.topic_of(data);
  Side counts;
  Side views;
  for (std::size_t round = 0; round < run.rounds(1); ++round) {
    double ours = run_topic(kafka->address(), topic, data).wall;
    for (const auto& [topology, side] : {std::pair("count", &counts), std::pair("views", &views)}) {
      const double before = ours;
      side->peers.push_back(peer->run(topology, kafka->address(), topic, data));
      ours = run_topic(kafka->address(), topic, data).wall;
      side->ours.push_back((before + ours) / 2);
    }
  }
  const auto add = [&](const std::string& what, const Side& side) {
    const auto rate = [&](const std::vector<double>& times) {
      return static_cast<double>(data.size.events) / median(times);
    };
    run.report.add({.name = "Kafka to durable features" + label(data.size),
                    .unit = "events/s",
                    .value = rate(side.ours),
                    .peer = Peer{"Kafka Streams 3.9.1 exactly_once_v2, 2 threads, " + what, rate(side.peers)}});
  };
  add("count per user", counts);
  add("sparse views per user and per place", views);
}

}  // namespace cairn::bench
