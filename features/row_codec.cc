#include <string>
#include <string_view>

#include "cairn/check.h"
#include "features/row.h"
#include "features/row_raw.h"

// Rows to and from RawRow, which row_read.cc and row_write.cc read and write.

namespace cairn::features {

void encode_row(const Row& row, std::string* bytes) {
  Scratch scratch;
  RawRow& raw = scratch.row(0);
  for (const ViewBlock& block : row.blocks) {
    const std::size_t begin = raw.entries.size();
    const bool decays = block.aggregate == Aggregate::kDecayedSum;
    // Before a sum is folded into its event: the writer's own check comes too late for it.
    CAIRN_CHECK_MSG(!decays || block.half_life_ms >= 0, "view " + std::to_string(block.view));
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
