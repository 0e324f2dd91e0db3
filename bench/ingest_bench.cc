// From lines in a file to features on the disk: the whole features path of an engine (read, decode, resolve,
// aggregate, one synced write batch per micro-batch), both cores.
//
// The peer is what one would write first: the same events, decoded the same way, with one RocksDB merge per event and
// counter (uint64 addition, sorted nowhere, collapsed nowhere) in synced batches of 1,000, and the position beside
// them. It keeps a fifth of what Cairn keeps: plain counts, five per event, no times, no bounds, no decay. Both are
// checked against the known counts.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "bench/report.h"
#include "cairn/engine.h"
#include "engine/learning/datasets/city.h"
#include "storage/state_store.h"
#include "streaming/decode.h"
#include "streaming/source.h"
#include "tests/support/begin_source.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
namespace fs = std::filesystem;

void must(const Status& status) { CAIRN_CHECK_MSG(status.ok(), status.to_string()); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Cairn: an engine on the file. The time is from opening to everything applied and synced.
double run_engine(const fs::path& file, const std::vector<Place>& places, std::size_t events) {
  const test::TemporaryFolder folder;
  EngineOptions options;
  options.state_dir = folder.path();
  {  // the places are there before the stream begins
    const auto prepared = Engine::open(options);
    CAIRN_CHECK_MSG(prepared.ok(), prepared.status().to_string());
    must((*prepared)->upsert_places({}, places));
    must((*prepared)->close());
  }
  options.files = {{"stream", file.string(), true}};
  std::unique_ptr<Engine> engine;
  const double time = seconds([&] {
    auto opened = Engine::open(options);
    CAIRN_CHECK_MSG(opened.ok(), opened.status().to_string());
    engine = *std::move(opened);
    must(engine->wait_caught_up(CallContext::within(std::chrono::minutes(10))));
  });
  const EngineStatus status = engine->status({});
  CAIRN_CHECK(status.events_applied + status.events_repeated == events);
  return time;
}

std::size_t add_counts(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                       std::string* merged) {
  const auto number = [](std::string_view bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    return value;
  };
  std::uint64_t sum = base ? number(*base) : 0;
  for (const std::string_view operand : operands) sum += number(operand);
  merged->assign(reinterpret_cast<const char*>(&sum), sizeof sum);
  return 0;
}

/// The peer: five counters per event, one merge each.
double run_merges(const fs::path& file, std::size_t events) {
  constexpr std::size_t kBatch = 1000;
  const test::TemporaryFolder folder;
  storage::StateStoreOptions options;
  options.path = folder / "state";
  options.merge = add_counts;
  auto opened = storage::open_rocksdb_store(options);
  CAIRN_CHECK_MSG(opened.ok(), opened.status().to_string());
  storage::StateStore& store = **opened;
  const InteractionTypes types;
  streaming::Decoder decoder(types, {}, SystemClock::instance());
  const auto source = streaming::make_file_source({"stream", file.string(), false}, Partition{0}, 64 << 10, {});
  must(test::begin(*source));
  const std::uint64_t one = 1;
  const std::string_view operand(reinterpret_cast<const char*>(&one), sizeof one);
  std::size_t applied = 0;
  const double time = seconds([&] {
    streaming::RecordBatch records;
    storage::WriteBatch batch;
    Interaction event;
    while (!records.finished) {
      must(source->poll(kBatch, std::chrono::milliseconds(100), &records));
      for (const streaming::Record& record : records.records) {
        if (decoder.decode(record.payload, &event) != streaming::Reject::kNone) continue;
        const std::string hour = std::to_string(to_ms(event.time) / 3'600'000);
        const std::string week_hour = std::to_string(to_ms(event.time) / 3'600'000 % 168);
        for (const std::string& key :
             {"u/" + event.user.str(), "up/" + event.user.str() + "/" + event.place.str(), "p/" + event.place.str(),
              "ph/" + event.place.str() + "/" + hour, "pw/" + event.place.str() + "/" + week_hour}) {
          batch.merge(storage::Family::kState, key, operand);
        }
        ++applied;
      }
      for (const SourcePosition& position : records.positions) {
        batch.put(storage::Family::kMeta, "position", std::to_string(position.offset.value));
      }
      if (!batch.empty()) must(store.write(std::move(batch), storage::Durability::kSynced));
      batch.clear();
    }
  });
  CAIRN_CHECK(applied == events);
  must(store.close());
  return time;
}

/// The decoder alone, one thread.
double run_decode(const std::vector<std::string>& lines) {
  const InteractionTypes types;
  streaming::Decoder decoder(types, {}, SystemClock::instance());
  Interaction event;
  std::size_t decoded = 0;
  const double time = seconds([&] {
    for (const std::string& line : lines) {
      const std::string_view payload(line.data(), line.size() - streaming::kPayloadPadding);
      decoded += decoder.decode(payload, &event) == streaming::Reject::kNone;
    }
  });
  CAIRN_CHECK(decoded == lines.size());
  return time;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report("ingest", argc, argv);
  datasets::CityOptions city;
  city.events = report.quick() ? 100'000 : 1'000'000;
  city.users = report.quick() ? 2'000 : 20'000;
  city.places = report.quick() ? 3'000 : 20'000;
  const auto dataset = datasets::generate_city(city);
  CAIRN_CHECK_MSG(dataset.ok(), dataset.status().to_string());
  const test::TemporaryFolder folder;
  const fs::path file = folder / "events.ndjson";
  must(datasets::write_interactions_ndjson(file.string(), dataset->interactions));

  const std::size_t runs = report.quick() ? 1 : 5;
  std::vector<double> ours;
  std::vector<double> peers;
  for (std::size_t run = 0; run < runs + 1; ++run) {  // the first of each warms up
    const double engine = run_engine(file, dataset->places, city.events);
    const double merges = run_merges(file, city.events);
    if (run == 0 && !report.quick()) continue;
    ours.push_back(engine);
    peers.push_back(merges);
  }
  const auto rate = [&](std::vector<double> times) {
    return static_cast<double>(city.events) / median(std::move(times));
  };
  const std::string label = " events=" + std::to_string(city.events) + " users=" + std::to_string(city.users) +
                            " places=" + std::to_string(city.places);
  report.add({.name = "file to durable features" + label,
              .unit = "events/s",
              .value = rate(ours),
              .peer = bench::Peer{"one RocksDB merge per event and counter, 5 counters", rate(peers)}});

  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line + std::string(streaming::kPayloadPadding, '\0'));
  std::vector<double> decodes;
  for (std::size_t run = 0; run < runs + 2; ++run) decodes.push_back(run_decode(lines));
  report.add({.name = "decode, one thread" + label, .unit = "events/s", .value = rate(decodes)});
  return 0;
}
