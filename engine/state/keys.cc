#include "engine/state/keys.h"

#include "engine/state/bytes.h"

namespace cairn::state {

namespace {

/// Users' rows will be shared out by partition when there is more than one machine (README.md); until then all are of
/// this one.
constexpr std::uint64_t kOnlyShard = 0;
constexpr std::size_t kShardBytes = 2;
constexpr std::size_t kNumberBytes = 4;
/// Of which rows a position is, with more than one machine.
constexpr char kOfEverything = 0;

/// Whole bytes that hold a cell of so many letters.
std::size_t cell_bytes(int letters) { return (static_cast<std::size_t>(letters) * 5 + 7) / 8; }

}  // namespace

EntityKind kind_of_key(std::string_view key) { return static_cast<EntityKind>(key.at(0)); }

std::string kind_prefix(EntityKind kind) { return std::string(1, static_cast<char>(kind)); }

void append_user_key(std::string_view id, std::string* key) {
  key->push_back(static_cast<char>(EntityKind::kUser));
  append_big_endian(kOnlyShard, kShardBytes, key);
  key->append(id);
}

std::string_view user_of_key(std::string_view key) { return key.substr(1 + kShardBytes); }

void append_place_key(std::uint64_t number, std::string* key) {
  key->push_back(static_cast<char>(EntityKind::kPlace));
  append_big_endian(number, kNumberBytes, key);
}

void append_cell_key(std::uint64_t cell, int letters, std::string* key) {
  key->push_back(static_cast<char>(EntityKind::kCell));
  key->push_back(static_cast<char>(letters));
  append_big_endian(cell, cell_bytes(letters), key);
}

std::optional<std::uint64_t> place_of_key(std::string_view key) {
  if (key.size() != 1 + kNumberBytes || key[0] != static_cast<char>(EntityKind::kPlace)) return std::nullopt;
  return read_big_endian(key.substr(1));
}

std::optional<std::uint64_t> cell_of_key(std::string_view key) {
  if (key.size() < 2 || key[0] != static_cast<char>(EntityKind::kCell)) return std::nullopt;
  const int letters = key[1];
  if (letters < 1 || letters > 12 || key.size() != 2 + cell_bytes(letters)) return std::nullopt;
  return read_big_endian(key.substr(2));
}

int cell_letters_of_key(std::string_view key) { return key.at(1); }

void append_waiting_key(std::uint64_t place, std::string* key) {
  key->append(kWaitingPrefix);
  append_big_endian(place, kNumberBytes, key);
}

std::optional<std::uint64_t> waiting_place_of_key(std::string_view key) {
  if (key.size() != kWaitingPrefix.size() + kNumberBytes || !key.starts_with(kWaitingPrefix)) return std::nullopt;
  return read_big_endian(key.substr(kWaitingPrefix.size()));
}

std::string position_key(std::string_view source, Partition partition) {
  std::string key(kPositionPrefix);
  key.push_back(kOfEverything);
  append_big_endian(static_cast<std::uint32_t>(partition.value), 4, &key);
  return key.append(source);
}

bool parse_position_key(std::string_view key, std::string* source, Partition* partition) {
  if (!key.starts_with(kPositionPrefix) || key.size() < kPositionPrefix.size() + 5) return false;
  key.remove_prefix(kPositionPrefix.size());
  if (key[0] != kOfEverything) return false;
  key.remove_prefix(1);
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

std::string event_ids_prefix(std::uint64_t generation) {
  std::string key;
  append_big_endian(generation, 8, &key);
  return key;
}

std::string event_ids_key(std::uint64_t generation, std::uint64_t window) {
  std::string key = event_ids_prefix(generation);
  append_big_endian(window, 8, &key);
  return key;
}

bool parse_event_ids_key(std::string_view key, std::uint64_t* generation) {
  if (key.size() != 16) return false;
  *generation = read_big_endian(key.substr(0, 8));
  return true;
}

PendingIds::PendingIds(features::Dictionary& dictionary, std::string_view prefix, storage::WriteBatch* batch)
    : dictionary_(dictionary), pairs_(dictionary.pending()) {
  std::string key;
  for (const auto& [name, id] : pairs_) {
    key.assign(prefix);
    append_big_endian(id, kNumberBytes, &key);
    batch->put(storage::Family::kIds, key, name);
  }
}

void PendingIds::confirm() const {
  if (!pairs_.empty()) dictionary_.confirm_pending(pairs_.back().second);
}

bool restore_id(std::string_view key, std::string_view name, features::Dictionary* dictionary) {
  return key.size() == 1 + kNumberBytes && dictionary->restore(name, read_big_endian(key.substr(1)));
}

}  // namespace cairn::state
