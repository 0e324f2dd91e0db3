#include <cmath>
#include <string>
#include <string_view>

#include "cairn/check.h"
#include "features/row.h"
#include "features/row_raw.h"
#include "features/value.h"

// Rows to and from RawRow, which row_read.cc and row_write.cc read and write.

namespace cairn::features {

namespace {

// Once, where rows come from outside: what is decoded and merged stays valid.
void check_block(const ViewBlock& block) {
  const auto valid = [](std::int64_t ms) { return ms >= 0 && ms <= kBlockDurationMaxMs; };
  CAIRN_CHECK_MSG(known(block.aggregate) && valid(block.half_life_ms) && valid(block.ttl_ms) &&
                      (block.half_life_ms == 0 || block.aggregate == Aggregate::kDecayedSum),
                  "view " + std::to_string(block.view));
  for (std::size_t i = 0; i < block.entries.size(); ++i) {
    const Entry& entry = block.entries[i];
    CAIRN_CHECK_MSG(entry.value.count >= 0 && std::isfinite(entry.value.mantissa) &&
                        (i == 0 || compare_keys(block.aggregate, block.entries[i - 1], entry) < 0),
                    "view " + std::to_string(block.view));
  }
}

}  // namespace

void encode_row(const Row& row, std::string* bytes) {
  Scratch scratch;
  RawRow& raw = scratch.row(0);
  for (const ViewBlock& block : row.blocks) {
    const std::size_t begin = raw.entries.size();
    const bool decays = block.aggregate == Aggregate::kDecayedSum;
    check_block(block);
    for (const Entry& entry : block.entries) {
      RawEntry& added = raw.entries.emplace_back(RawEntry{entry, false});
      if (decays) settle(block.half_life_ms, &added);
    }
    raw.blocks.push_back({.view = block.view,
                          .aggregate = block.aggregate,
                          .max_entries = block.max_entries,
                          .half_life_ms = block.half_life_ms,
                          .ttl_ms = block.ttl_ms,
                          .begin = begin,
                          .end = raw.entries.size()});
  }
  write_raw(raw, bytes);
}

Status decode_row(std::string_view bytes, Row* row) {
  Scratch scratch;
  RawRow& raw = scratch.row(0);
  if (const char* problem = read_raw(bytes, &raw)) return data_loss(std::string("row: ") + problem);
  row->blocks.resize(raw.blocks.size());
  for (std::size_t i = 0; i < raw.blocks.size(); ++i) {
    const RawBlock& from = raw.blocks[i];
    ViewBlock& to = row->blocks[i];
    to.view = from.view;
    to.aggregate = from.aggregate;
    to.max_entries = from.max_entries;
    to.half_life_ms = from.half_life_ms;
    to.ttl_ms = from.ttl_ms;
    const std::span<RawEntry> entries = raw.of(from);
    if (from.aggregate == Aggregate::kDecayedSum) {
      for (RawEntry& entry : entries) unfold(from.half_life_ms, &entry);
    }
    to.entries.assign(entries.begin(), entries.end());
  }
  return ok_status();
}

}  // namespace cairn::features
