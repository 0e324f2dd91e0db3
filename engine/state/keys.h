#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/ids.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "features/dictionary.h"
#include "storage/write_batch.h"

namespace cairn::state {

/// Where things are kept in the state store; engine/state/format.md has the table.
inline constexpr std::string_view kPlaceIdPrefix = "p";
inline constexpr std::string_view kCategoryIdPrefix = "c";
inline constexpr std::string_view kCountersKey = "engine/counters";
inline constexpr std::string_view kViewRegistryKey = "engine/views";
inline constexpr std::string_view kTypesKey = "engine/types";
inline constexpr std::string_view kStateIdKey = "engine/id";
inline constexpr std::string_view kPlacesPushedKey = "engine/places-pushed";
inline constexpr std::string_view kPositionPrefix = "position/";

[[nodiscard]] std::string position_key(std::string_view source, Partition partition);
/// Returns: false for a key that position_key did not make.
[[nodiscard]] bool parse_position_key(std::string_view key, std::string* source, Partition* partition);
[[nodiscard]] std::string encode_position(const SourcePosition& position);
/// Returns: DATA_LOSS.
[[nodiscard]] Result<SourcePosition> decode_position(Partition partition, std::string_view bytes);

/// Event ids are kept by the buckets of features::DedupRule, so that whole buckets can be forgotten.
[[nodiscard]] std::string dedup_prefix(std::int64_t bucket);
/// `event_key`: features::event_key().
[[nodiscard]] std::string dedup_key(std::int64_t bucket, std::string_view event_key);

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

/// Restores a dictionary's pair from the store. Returns: false for a malformed value.
[[nodiscard]] bool restore_id(std::string_view name, std::string_view value, features::Dictionary* dictionary);

}  // namespace cairn::state
