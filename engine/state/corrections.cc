#include "engine/state/corrections.h"

#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

std::string Corrections::encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.integer(retracted);
  out.integer(withheld);
  out.integer(unmatched);
  out.integer(values_lost);
  out.integer(retracted_in ? *retracted_in + 1 : std::uint64_t{0});
  return bytes;
}

Result<Corrections> Corrections::decode(std::string_view bytes) {
  ByteReader in(bytes);
  Corrections read;
  read.retracted = in.integer<std::uint64_t>();
  read.withheld = in.integer<std::uint64_t>();
  read.unmatched = in.integer<std::uint64_t>();
  read.values_lost = in.integer<std::uint64_t>();
  const auto generation = in.integer<std::uint64_t>();
  if (generation > 0) read.retracted_in = generation - 1;
  if (!in.complete()) return data_loss("the stored counts of retractions cannot be read; restore a checkpoint");
  return read;
}

void put_inexact(const InexactRows& changed, storage::WriteBatch* batch) {
  std::string key;
  std::string value;
  for (const auto& [row, entries] : changed) {
    key.assign(kInexactPrefix).append(row);
    if (entries.empty()) {
      batch->remove(Family::kMeta, key);
      continue;
    }
    value.clear();
    ByteWriter out(&value);
    for (const features::InexactEntry& entry : entries) {
      out.integer(entry.view);
      out.integer(entry.dimension);
    }
    batch->put(Family::kMeta, key, value);
  }
}

Status recover_inexact(const storage::StateStore& store, InexactRows* rows) {
  bool readable = true;
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kMeta, kInexactPrefix, [&](std::string_view key, std::string_view value) {
    constexpr std::size_t kEntryBytes = 12;
    readable = !value.empty() && value.size() % kEntryBytes == 0;
    ByteReader in(value);
    auto& entries = (*rows)[std::string(key.substr(kInexactPrefix.size()))];
    for (std::size_t i = 0; readable && i < value.size() / kEntryBytes; ++i) {
      const auto view = in.integer<std::uint32_t>();
      entries.push_back({view, in.integer<std::uint64_t>()});
    }
    return readable;
  }));
  return readable ? ok_status() : data_loss("a stored note of inexact values cannot be read; restore a checkpoint");
}

}  // namespace cairn::state
