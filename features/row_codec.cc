#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "cairn/check.h"
#include "features/bytes.h"
#include "features/row.h"
#include "features/value.h"

// format.md describes these bytes. A row has exactly one encoding, and the decoder refuses every other spelling.

namespace cairn::features {
namespace {

constexpr std::uint8_t kVersion = 1;
// The fewest bytes a block or an entry takes. A count that promises more of them than bytes are left is refused before
// memory is reserved for it.
constexpr std::size_t kBlockBytesMin = 4;   // view, aggregate, max_entries, number of entries
constexpr std::size_t kCommonBytesMin = 3;  // dimension, time, count

bool keeps_micros(Aggregate aggregate) noexcept {
  return aggregate != Aggregate::kCount && aggregate != Aggregate::kDecayedSum;
}

std::size_t entry_bytes_min(Aggregate aggregate) noexcept {
  if (aggregate == Aggregate::kDecayedSum) return kCommonBytesMin + sizeof(double) + 1;
  return kCommonBytesMin + (keeps_micros(aggregate) ? 1 : 0);
}

// Differences are taken modulo 2^64, where every pair of int64 has one.
std::uint64_t difference(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}
std::int64_t advance(std::int64_t from, std::uint64_t by) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + by);
}

// ---- encoding -----------------------------------------------------------------------------------------------------

// Times are written as their age before the newest event of the block: most events of an entity are near one another,
// so ages are short.
std::int64_t newest_of(const std::vector<Entry>& entries) noexcept {
  std::int64_t newest = std::numeric_limits<std::int64_t>::min();
  for (const Entry& entry : entries) newest = std::max(newest, entry.value.newest_ms);
  return newest;
}

void put_value(Aggregate aggregate, const Value& value, std::int64_t* previous_exponent, std::string* out) {
  CAIRN_CHECK_MSG(value.count >= 0, std::to_string(value.count));
  put_varint(static_cast<std::uint64_t>(value.count), out);
  if (aggregate == Aggregate::kDecayedSum) {
    CAIRN_CHECK_MSG(std::isfinite(value.mantissa), std::to_string(value.mantissa));
    put_double(value.mantissa, out);
    put_signed(static_cast<std::int64_t>(difference(value.exponent, *previous_exponent)), out);
    *previous_exponent = value.exponent;
  } else if (keeps_micros(aggregate)) {
    put_signed(value.micros, out);
  }
}

void put_entries(const ViewBlock& block, std::string* out) {
  const std::int64_t newest = newest_of(block.entries);
  put_signed(newest, out);
  std::uint64_t dimension_min = 0;
  std::int64_t exponent = 0;
  for (std::size_t i = 0; i < block.entries.size(); ++i) {
    const Entry& entry = block.entries[i];
    CAIRN_CHECK_MSG(i == 0 || compare_keys(block.aggregate, block.entries[i - 1], entry) < 0,
                    "view " + std::to_string(block.view));
    put_varint(entry.dimension - dimension_min, out);
    put_varint(difference(newest, entry.value.newest_ms), out);
    put_value(block.aggregate, entry.value, &exponent, out);
    // Dimensions ascend and are distinct, so the next one is at least this: a dense run costs one zero byte an entry.
    dimension_min = entry.dimension + 1;
  }
}

void put_sequence(const ViewBlock& block, std::string* out) {
  // A sequence ascends by time, so each time is written as its distance from the one before.
  std::int64_t time = block.entries.front().value.newest_ms;
  put_signed(time, out);
  std::int64_t unused_exponent = 0;
  for (std::size_t i = 0; i < block.entries.size(); ++i) {
    const Entry& entry = block.entries[i];
    CAIRN_CHECK_MSG(i == 0 || compare_keys(block.aggregate, block.entries[i - 1], entry) < 0,
                    "view " + std::to_string(block.view));
    put_varint(entry.dimension, out);
    put_varint(difference(entry.value.newest_ms, time), out);
    put_value(block.aggregate, entry.value, &unused_exponent, out);
    time = entry.value.newest_ms;
  }
}

void put_block(const ViewBlock& block, std::uint32_t view_min, std::string* out) {
  CAIRN_CHECK_MSG(block.view >= view_min, std::to_string(block.view));
  CAIRN_CHECK_MSG(known(block.aggregate), "view " + std::to_string(block.view));
  put_varint(block.view - view_min, out);
  put_byte(static_cast<std::uint8_t>(block.aggregate), out);
  put_varint(block.max_entries, out);
  put_varint(block.entries.size(), out);
  if (block.entries.empty()) return;
  if (block.aggregate == Aggregate::kSequence) {
    put_sequence(block, out);
  } else {
    put_entries(block, out);
  }
}

// ---- decoding -----------------------------------------------------------------------------------------------------

Status malformed(const char* what) { return data_loss(std::string("row: ") + what); }

Status read_value(Aggregate aggregate, ByteReader* in, std::int64_t* previous_exponent, Value* value) {
  const std::uint64_t count = in->varint();
  if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return malformed("a count exceeds 63 bits");
  }
  value->count = static_cast<std::int64_t>(count);
  if (aggregate == Aggregate::kDecayedSum) {
    value->mantissa = in->real();
    if (!std::isfinite(value->mantissa)) return malformed("a mantissa is not finite");
    value->exponent = advance(*previous_exponent, static_cast<std::uint64_t>(in->signed_varint()));
    *previous_exponent = value->exponent;
  } else if (keeps_micros(aggregate)) {
    value->micros = in->signed_varint();
  }
  return ok_status();
}

Status read_entries(std::size_t count, ByteReader* in, ViewBlock* block) {
  const std::int64_t newest = in->signed_varint();
  const std::uint64_t age_max = difference(newest, std::numeric_limits<std::int64_t>::min());
  std::uint64_t dimension_min = 0;
  std::int64_t exponent = 0;
  // Without this a block could be spelled with any later "newest" and larger ages, and would have many encodings.
  bool newest_seen = false;
  for (std::size_t i = 0; i < count; ++i) {
    Entry& entry = block->entries.emplace_back();
    const std::uint64_t gap = in->varint();
    entry.dimension = dimension_min + gap;
    // The second case: the dimension before was the last of 64 bits, and its successor has wrapped to 0.
    if (entry.dimension < gap || (i > 0 && dimension_min == 0)) return malformed("a dimension exceeds 64 bits");
    const std::uint64_t age = in->varint();
    if (age > age_max) return malformed("an event time exceeds 64 bits");
    entry.value.newest_ms = advance(newest, ~age + 1);
    newest_seen |= age == 0;
    CAIRN_RETURN_IF_ERROR(read_value(block->aggregate, in, &exponent, &entry.value));
    dimension_min = entry.dimension + 1;
  }
  return newest_seen ? ok_status() : malformed("no entry has the block's newest event time");
}

Status read_sequence(std::size_t count, ByteReader* in, ViewBlock* block) {
  std::int64_t time = in->signed_varint();
  std::int64_t unused_exponent = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry;
    entry.dimension = in->varint();
    const std::uint64_t gap = in->varint();
    // The header names the first event's time, so the first distance is 0 in the only spelling that is accepted.
    if (gap > difference(std::numeric_limits<std::int64_t>::max(), time) || (i == 0 && gap != 0)) {
      return malformed("an event time is out of range");
    }
    time = advance(time, gap);
    entry.value.newest_ms = time;
    CAIRN_RETURN_IF_ERROR(read_value(block->aggregate, in, &unused_exponent, &entry.value));
    if (i > 0 && compare_keys(block->aggregate, block->entries.back(), entry) >= 0) {
      return malformed("a sequence's events are out of order");
    }
    block->entries.push_back(entry);
  }
  return ok_status();
}

Status read_block_header(std::uint64_t view_min, ByteReader* in, ViewBlock* block, std::uint64_t* count) {
  constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
  const std::uint64_t gap = in->varint();
  if (gap > kMax32 || view_min + gap > kMax32) return malformed("a view id exceeds 32 bits");
  block->view = static_cast<std::uint32_t>(view_min + gap);
  block->aggregate = static_cast<Aggregate>(in->byte());
  if (!known(block->aggregate)) return malformed("an aggregate is unknown");
  const std::uint64_t max_entries = in->varint();
  if (max_entries > kMax32) return malformed("max_entries exceeds 32 bits");
  block->max_entries = static_cast<std::uint32_t>(max_entries);
  *count = in->varint();
  // Before reserve(): damaged bytes must not decide how much memory is taken.
  if (*count > in->left() / entry_bytes_min(block->aggregate)) return malformed("more entries than bytes for them");
  return ok_status();
}

Status read_block(std::uint64_t view_min, ByteReader* in, ViewBlock* block) {
  std::uint64_t count = 0;
  CAIRN_RETURN_IF_ERROR(read_block_header(view_min, in, block, &count));
  if (count == 0) return ok_status();
  block->entries.reserve(count);
  Status status =
      block->aggregate == Aggregate::kSequence ? read_sequence(count, in, block) : read_entries(count, in, block);
  // The reader yields zeros once it has failed, so asking once behind the loop is enough.
  if (status.ok() && !in->ok()) return malformed("cut off, or a number is not in its shortest form");
  return status;
}

}  // namespace

void encode_row(const Row& row, std::string* bytes) {
  bytes->clear();
  put_byte(kVersion, bytes);
  put_varint(row.blocks.size(), bytes);
  std::uint32_t view_min = 0;
  for (const ViewBlock& block : row.blocks) {
    put_block(block, view_min, bytes);
    view_min = block.view + 1;
  }
  put_trailer(bytes);
}

Status decode_row(std::string_view bytes, Row* row) {
  row->blocks.clear();
  // First of all: what damage has changed is recognised here, and the checks below meet only what somebody wrote.
  if (!trailer_matches(bytes)) return malformed("wrong checksum");
  ByteReader in(bytes.substr(0, bytes.size() - kTrailerBytes));
  if (const std::uint8_t version = in.byte(); version != kVersion) {
    return data_loss("row: format version " + std::to_string(version) +
                     " is not known to this release; use a newer one");
  }
  const std::uint64_t blocks = in.varint();
  if (blocks > in.left() / kBlockBytesMin) return malformed("more views than bytes for them");
  row->blocks.reserve(blocks);
  std::uint64_t view_min = 0;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    ViewBlock& block = row->blocks.emplace_back();
    CAIRN_RETURN_IF_ERROR(read_block(view_min, &in, &block));
    view_min = std::uint64_t{block.view} + 1;
  }
  return in.finished() ? ok_status() : malformed("bytes left over, or cut off");
}

}  // namespace cairn::features
