#include "storage/quarantine.h"

#include <iterator>
#include <utility>

namespace cairn::storage {
namespace {

constexpr std::uint64_t kFnvOffset = 0xcbf29ce484222325u;
constexpr std::uint64_t kFnvPrime = 0x100000001b3u;

std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = kFnvOffset) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * kFnvPrime;
  return hash;
}

}  // namespace

std::string quarantine_key(std::string_view entity_key, std::string_view operand) {
  std::string key(entity_key);
  const std::uint64_t hash = fnv1a(operand);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(hash >> shift));
  return key;
}

void Quarantine::park(std::string_view entity_key, std::string_view operand) {
  std::string key = quarantine_key(entity_key, operand);
  const MutexLock lock(mutex_);
  // A bound on memory. Counting some operands twice is better than growing with every bad event of a broken producer.
  if (seen_.size() >= kDistinctMax) seen_.clear();
  if (!seen_.insert(fnv1a(key)).second) return;
  ++count_;
  if (pending_.size() >= kPendingMax || operand.size() > kOperandBytesMax) return;
  pending_.push_back({std::move(key), std::string(operand)});
}

std::vector<Quarantine::Row> Quarantine::take() {
  const MutexLock lock(mutex_);
  return std::exchange(pending_, {});
}

void Quarantine::give_back(std::vector<Row> rows) {
  const MutexLock lock(mutex_);
  // The rows given back are older than those that came meanwhile, so they stand in front and the newest fall off.
  rows.insert(rows.end(), std::make_move_iterator(pending_.begin()), std::make_move_iterator(pending_.end()));
  if (rows.size() > kPendingMax) rows.resize(kPendingMax);
  pending_ = std::move(rows);
}

bool Quarantine::has_pending() const {
  const MutexLock lock(mutex_);
  return !pending_.empty();
}

std::uint64_t Quarantine::count() const {
  const MutexLock lock(mutex_);
  return count_;
}

}  // namespace cairn::storage
