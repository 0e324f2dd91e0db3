#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "features/event_changes.h"
#include "features/row.h"

namespace cairn::features {

/// The changes of one entity, added up as they come: flat, one entry for each view and dimension, in the order in which
/// they first came. The events of a sequence stand for themselves, and are thinned out to what can still be kept.
///
/// Adding costs the same for an entity with many entries as for one with few: beyond a dozen they are found through an
/// index. One thread.
class DeltaRow {
 public:
  /// One entry, with the view that it is of.
  struct Flat {
    const View* view;
    Entry entry;
  };

  void add(const Change& change);

  [[nodiscard]] const std::vector<Flat>& entries() const noexcept { return entries_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return entries_.capacity() * sizeof(Flat) + index_.capacity() * sizeof(std::uint32_t);
  }

 private:
  [[nodiscard]] Flat* find(const Change& change) noexcept;
  void append(const Change& change);
  void thin_out_sequences();
  void rebuild_index();
  void enter(std::uint32_t position) noexcept;

  std::vector<Flat> entries_;
  std::vector<std::uint32_t> index_;  ///< open addressing, position + 1 of an entry; empty while there are few
  std::size_t thin_out_at_ = 0;       ///< how many entries call for it; 0: no sequence yet
};

/// The entries as a row: what merge_row() adds to another one. Entries must be distinct but for those of sequences.
[[nodiscard]] Row to_row(std::vector<DeltaRow::Flat> entries);

}  // namespace cairn::features
