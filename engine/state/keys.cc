#include "engine/state/keys.h"

#include "engine/state/bytes.h"

namespace cairn::state {

std::string position_key(std::string_view source, Partition partition) {
  std::string key(kPositionPrefix);
  append_big_endian(static_cast<std::uint32_t>(partition.value), 4, &key);
  return key.append(source);
}

bool parse_position_key(std::string_view key, std::string* source, Partition* partition) {
  if (!key.starts_with(kPositionPrefix) || key.size() < kPositionPrefix.size() + 4) return false;
  key.remove_prefix(kPositionPrefix.size());
  partition->value = static_cast<std::int32_t>(read_big_endian(key.substr(0, 4)));
  *source = key.substr(4);
  return true;
}

std::string encode_position(const SourcePosition& position) {
  std::string bytes;
  ByteWriter out(&bytes);
  out.integer(static_cast<std::uint64_t>(position.offset.value));
  out.text(position.cursor);
  return bytes;
}

Result<SourcePosition> decode_position(Partition partition, std::string_view bytes) {
  ByteReader in(bytes);
  SourcePosition position{partition, Offset{static_cast<std::int64_t>(in.integer<std::uint64_t>())},
                          std::string(in.text())};
  if (!in.complete()) return data_loss("a stored source position cannot be read; restore a checkpoint");
  return position;
}

std::string dedup_prefix(std::int64_t bucket) {
  std::string key;
  append_big_endian(static_cast<std::uint64_t>(bucket) ^ (std::uint64_t{1} << 63), 8, &key);
  return key;
}

std::string dedup_key(std::int64_t bucket, std::string_view event_key) {
  return dedup_prefix(bucket).append(event_key);
}

PendingIds::PendingIds(features::Dictionary& dictionary, std::string_view prefix, storage::WriteBatch* batch)
    : dictionary_(dictionary), pairs_(dictionary.pending()) {
  for (const auto& [name, id] : pairs_) {
    std::string value;
    ByteWriter(&value).integer(id);
    batch->put(storage::Family::kIds, std::string(prefix).append(name), value);
  }
}

void PendingIds::confirm() const {
  if (!pairs_.empty()) dictionary_.confirm_pending(pairs_.back().second);
}

bool restore_id(std::string_view name, std::string_view value, features::Dictionary* dictionary) {
  ByteReader in(value);
  const auto id = in.integer<std::uint64_t>();
  constexpr std::uint64_t kIdMax = std::uint64_t{1} << 40;  // a larger one is damage, not a catalogue
  if (!in.complete() || id > kIdMax) return false;
  dictionary->restore(name, id);
  return true;
}

}  // namespace cairn::state
