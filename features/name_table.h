#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "features/segments.h"

namespace cairn::features {

/// Byte strings to dense numbers 0, 1, 2 … and back. A name is never forgotten and its number never changes.
///
/// An open hash table of eight bytes a slot (part of the hash, and the number), at most three quarters full, beside the
/// names in large pieces of memory: about 30 bytes a name beyond its own. A name has at most 64 KiB.
///
/// Threads: one writer at a time calls add(). Everything else may be called by any thread at any time, also during an
/// add(), and takes no lock: a slot is published with its number when the name is in place, and a table that has become
/// too small lives on for those who still look into it.
class NameTable {
 public:
  NameTable();
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// What find() and add() want beside a name, so that a caller who looks a name up twice hashes it once.
  [[nodiscard]] static std::uint64_t hash(std::string_view name) noexcept;

  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name, std::uint64_t hash) const noexcept;

  /// Asks for the memory that a find() of this hash will look at first. Worth it when many look-ups follow one another.
  void prefetch(std::uint64_t hash) const noexcept;

  /// Gives the name its number: the number of names before. Requires: one thread; `name` is not there yet.
  std::uint32_t add(std::string_view name, std::uint64_t hash);

  /// Lives as long as the table. Requires: `number` was given out.
  [[nodiscard]] std::string_view name(std::uint32_t number) const noexcept;
  [[nodiscard]] std::uint32_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Slots {
    explicit Slots(std::size_t count) : mask(count - 1), slots(new std::atomic<std::uint64_t>[count]()) {}
    const std::size_t mask;
    const std::unique_ptr<std::atomic<std::uint64_t>[]> slots;  ///< 0: empty; else hash's high half, number + 1
  };
  const char* keep(std::string_view name);
  void grow();
  static void insert(Slots& table, std::uint64_t hash, std::uint32_t number) noexcept;

  std::atomic<Slots*> table_;
  Segments<std::atomic<const char*>> places_;  ///< where each name lies: its size in two bytes, then itself
  std::atomic<std::uint32_t> size_{0};
  std::atomic<std::size_t> bytes_{0};

  // Touched by the writer only.
  std::vector<std::unique_ptr<Slots>> tables_;  ///< the last one is in use
  std::vector<std::unique_ptr<char[]>> pieces_;
  std::size_t piece_bytes_ = 0;
  std::size_t piece_used_ = 0;
};

}  // namespace cairn::features
