#include "features/name_table.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "cairn/check.h"
#include "cairn/prefetch.h"

namespace cairn::features {
namespace {

constexpr std::size_t kSlotsFirst = 64;
constexpr std::size_t kPieceBytesFirst = 1 << 10;
constexpr std::size_t kPieceBytesMax = 1 << 20;
constexpr std::size_t kNameBytesMax = 0xFFFF;

/// The half of a hash that a slot keeps: most strangers are recognised without a look at their name.
constexpr std::uint64_t tag(std::uint64_t hash) noexcept { return hash & 0xFFFFFFFF00000000u; }

std::string_view read_name(const char* at) noexcept {
  std::uint16_t size = 0;
  std::memcpy(&size, at, sizeof size);
  return {at + sizeof size, size};
}

}  // namespace

NameTable::NameTable() {
  tables_.push_back(std::make_unique<Slots>(kSlotsFirst));
  table_.store(tables_.back().get(), std::memory_order_release);
  bytes_.store(kSlotsFirst * sizeof(std::uint64_t), std::memory_order_relaxed);
}

std::uint64_t NameTable::hash(std::string_view name) noexcept { return std::hash<std::string_view>{}(name); }

std::optional<std::uint32_t> NameTable::find(std::string_view name, std::uint64_t hash) const noexcept {
  const Slots& table = *table_.load(std::memory_order_acquire);
  for (std::size_t at = hash & table.mask;; at = (at + 1) & table.mask) {
    const std::uint64_t slot = table.slots[at].load(std::memory_order_acquire);
    if (slot == 0) return std::nullopt;
    if (tag(slot) != tag(hash)) continue;
    const auto number = static_cast<std::uint32_t>(slot) - 1;
    if (this->name(number) == name) return number;
  }
}

void NameTable::prefetch(std::uint64_t hash) const noexcept {
  const Slots& table = *table_.load(std::memory_order_acquire);
  cairn::prefetch(&table.slots[hash & table.mask]);
}

std::uint32_t NameTable::add(std::string_view name, std::uint64_t hash) {
  CAIRN_CHECK(name.size() <= kNameBytesMax);
  const std::uint32_t number = size_.load(std::memory_order_relaxed);
  if ((static_cast<std::size_t>(number) + 1) * 4 > (tables_.back()->mask + 1) * 3) grow();
  bytes_.fetch_add(places_.make_room(number), std::memory_order_relaxed);
  places_[number].store(keep(name), std::memory_order_release);
  insert(*tables_.back(), hash, number);
  size_.store(number + 1, std::memory_order_release);
  return number;
}

std::string_view NameTable::name(std::uint32_t number) const noexcept {
  return read_name(places_[number].load(std::memory_order_acquire));
}

void NameTable::insert(Slots& table, std::uint64_t hash, std::uint32_t number) noexcept {
  std::size_t at = hash & table.mask;
  while (table.slots[at].load(std::memory_order_relaxed) != 0) at = (at + 1) & table.mask;
  table.slots[at].store(tag(hash) | (number + 1), std::memory_order_release);
}

void NameTable::grow() {
  auto larger = std::make_unique<Slots>(2 * (tables_.back()->mask + 1));
  const std::uint32_t count = size_.load(std::memory_order_relaxed);
  for (std::uint32_t number = 0; number < count; ++number) insert(*larger, hash(name(number)), number);
  bytes_.fetch_add((larger->mask + 1) * sizeof(std::uint64_t), std::memory_order_relaxed);
  tables_.push_back(std::move(larger));
  table_.store(tables_.back().get(), std::memory_order_release);
}

const char* NameTable::keep(std::string_view name) {
  const std::size_t needed = sizeof(std::uint16_t) + name.size();
  if (piece_bytes_ - piece_used_ < needed) {
    piece_bytes_ = std::max(std::clamp(2 * piece_bytes_, kPieceBytesFirst, kPieceBytesMax), needed);
    pieces_.push_back(std::make_unique_for_overwrite<char[]>(piece_bytes_));
    piece_used_ = 0;
    bytes_.fetch_add(piece_bytes_, std::memory_order_relaxed);
  }
  char* const at = pieces_.back().get() + piece_used_;
  const auto size = static_cast<std::uint16_t>(name.size());
  std::memcpy(at, &size, sizeof size);
  std::memcpy(at + sizeof size, name.data(), name.size());
  piece_used_ += needed;
  return at;
}

}  // namespace cairn::features
