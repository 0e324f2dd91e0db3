#include "bench/ingest/merge_peer.h"

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/state_store.h"
#include "streaming/decode.h"
#include "streaming/source.h"
#include "tests/support/begin_source.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kBatch = 1000;

std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

std::size_t add_counts(std::optional<std::string_view> base, std::span<const std::string_view> operands,
                       std::string* merged) {
  std::uint64_t sum = base ? number(*base) : 0;
  for (const std::string_view operand : operands) sum += number(operand);
  merged->assign(reinterpret_cast<const char*>(&sum), sizeof sum);
  return 0;
}

/// Five counters: of the user, of the user there, of the place, and of the place by hour and by hour of the week.
void count_event(const Interaction& event, storage::WriteBatch* batch) {
  const std::uint64_t one = 1;
  const std::string_view operand(reinterpret_cast<const char*>(&one), sizeof one);
  const std::int64_t hours = to_ms(event.time) / 3'600'000;
  const std::string& place = event.place.str();
  const std::array<std::string, 5> keys = {"u/" + event.user.str(), "up/" + event.user.str() + "/" + place,
                                           "p/" + place, "ph/" + place + "/" + std::to_string(hours),
                                           "pw/" + place + "/" + std::to_string(hours % 168)};
  for (const std::string& key : keys) batch->merge(storage::Family::kState, key, operand);
}

void count_all(streaming::Source& source, storage::StateStore& store) {
  const InteractionTypes types;
  streaming::Decoder decoder(types, {}, SystemClock::instance());
  streaming::RecordBatch records;
  storage::WriteBatch batch;
  Interaction event;
  while (!records.finished) {
    must(source.poll(kBatch, std::chrono::milliseconds(100), &records));
    for (const streaming::Record& record : records.records) {
      CAIRN_CHECK(decoder.decode(record.payload, &event) == streaming::Reject::kNone);
      count_event(event, &batch);
    }
    for (const SourcePosition& position : records.positions) {
      batch.put(storage::Family::kMeta, "position", std::to_string(position.offset.value));
    }
    if (!batch.empty()) must(store.write(std::move(batch), storage::Durability::kSynced));
    batch.clear();
  }
}

void check_counts(const storage::StateStore& store, const Data& data) {
  for (const Known& place : data.places) {
    const auto value = must(store.get(storage::Family::kState, "p/" + place.id));
    CAIRN_CHECK_MSG(value && number(*value) == place.events, place.id);
  }
}

}  // namespace

Cost run_merge_peer(const Data& data) {
  const test::TemporaryFolder folder;
  storage::StateStoreOptions options;
  options.path = folder / "state";
  options.merge = add_counts;
  const std::unique_ptr<storage::StateStore> store = must(storage::open_rocksdb_store(options));
  const auto source = streaming::make_file_source({"stream", data.events_path, false}, Partition{0}, 64 << 10, {});
  must(test::begin(*source));
  const Cost cost = cost_of([&] { count_all(*source, *store); });
  check_counts(*store, data);
  must(store->close());
  return cost;
}

}  // namespace cairn::bench
