#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/feature_view.h"
#include "cairn/ids.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "features/dictionary.h"
#include "storage/write_batch.h"

namespace cairn::state {

/// Where things are kept in the state store; engine/state/format.md has the table.

/// The key of a user's row. `id` may be any bytes.
void append_user_key(std::string_view id, std::string* key);
/// The id in the key of a user's row. Requires: append_user_key() made it.
[[nodiscard]] std::string_view user_of_key(std::string_view key);
void append_place_key(std::uint64_t number, std::string* key);
/// `cell`: of `letters` letters, as geohash_bits() gives it.
void append_cell_key(std::uint64_t cell, int letters, std::string* key);
/// Returns: the place's dictionary id; nullopt for a key that append_place_key did not make.
[[nodiscard]] std::optional<std::uint64_t> place_of_key(std::string_view key);
/// Of which kind a row is. Requires: a key of a row.
[[nodiscard]] EntityKind kind_of_key(std::string_view key);
/// Returns: the cell's geohash bits; nullopt for a key that append_cell_key did not make.
[[nodiscard]] std::optional<std::uint64_t> cell_of_key(std::string_view key);
/// Of how many letters the cell is. Requires: append_cell_key() made the key.
[[nodiscard]] int cell_letters_of_key(std::string_view key);
/// The key of the row that keeps what waits for the place to be known.
void append_waiting_key(std::uint64_t place, std::string* key);
/// Returns: the place's dictionary id; nullopt for a key that append_waiting_key did not make.
[[nodiscard]] std::optional<std::uint64_t> waiting_place_of_key(std::string_view key);
/// What all these keys begin with; the kinds of entities have the numbers before.
inline constexpr std::string_view kWaitingPrefix = "\x04";
/// What all keys of rows of the kind begin with.
[[nodiscard]] std::string kind_prefix(EntityKind kind);

inline constexpr std::string_view kPlaceIdPrefix = "p";
inline constexpr std::string_view kCategoryIdPrefix = "c";
inline constexpr std::string_view kCountersKey = "engine/counters";
inline constexpr std::string_view kViewRegistryKey = "engine/views";
inline constexpr std::string_view kTypesKey = "engine/types";
inline constexpr std::string_view kStateIdKey = "engine/id";
inline constexpr std::string_view kLogIdKey = "engine/log";
inline constexpr std::string_view kPlacesPushedKey = "engine/places-pushed";
inline constexpr std::string_view kPositionPrefix = "position/";
inline constexpr std::string_view kErasureSecretKey = "engine/erasure-secret";
inline constexpr std::string_view kErasedPrefix = "erased/";
inline constexpr std::string_view kCategoryNowPrefix = "category-now/";
inline constexpr std::string_view kCorrectionsKey = "engine/corrections";
inline constexpr std::string_view kInexactPrefix = "inexact/";
inline constexpr std::string_view kMomentKey = "engine/moment";
inline constexpr std::string_view kWeightsKey = "engine/weights";
inline constexpr std::string_view kPlaceWasPrefix = "place-was/";
inline constexpr std::string_view kPlaceErasedPrefix = "place-erased/";

[[nodiscard]] std::string position_key(std::string_view source, Partition partition);
/// Returns: false for a key that position_key did not make.
[[nodiscard]] bool parse_position_key(std::string_view key, std::string* source, Partition* partition);
[[nodiscard]] std::string encode_position(const SourcePosition& position);
/// Returns: DATA_LOSS.
[[nodiscard]] Result<SourcePosition> decode_position(Partition partition, std::string_view bytes);

/// Event ids are kept by generation, so that a whole one can be forgotten, and by the window that brought them.
[[nodiscard]] std::string event_ids_prefix(std::uint64_t generation);
[[nodiscard]] std::string event_ids_key(std::uint64_t generation, std::uint64_t window);
/// Returns: false for a key that event_ids_key did not make.
[[nodiscard]] bool parse_event_ids_key(std::string_view key, std::uint64_t* generation);

/// The dictionary's new pairs, put into a batch, and confirmed when it was written.
class PendingIds {
 public:
  /// `dictionary` and, for the call, `batch` are borrowed.
  PendingIds(features::Dictionary& dictionary, std::string_view prefix, storage::WriteBatch* batch);
  void confirm() const;

 private:
  features::Dictionary& dictionary_;
  std::vector<std::pair<std::string, std::uint64_t>> pairs_;
};

/// Restores a dictionary's pair from the store. Pairs must come in the order of their keys.
/// Returns: false for a pair that is damaged, or before which one is missing.
[[nodiscard]] bool restore_id(std::string_view key, std::string_view name, features::Dictionary* dictionary);

}  // namespace cairn::state
