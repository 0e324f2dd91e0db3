#include "engine/state/erased_users.h"

#include <algorithm>
#include <random>
#include <utility>

#include "cairn/check.h"
#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

using storage::Family;

namespace {

constexpr std::size_t kHashBytes = 16;

std::string mark_key(const Bits128& hash) {
  std::string key(kErasedPrefix);
  append_big_endian(hash.high, 8, &key);
  append_big_endian(hash.low, 8, &key);
  return key;
}

std::optional<Bits128> hash_of(std::string_view key) {
  key.remove_prefix(kErasedPrefix.size());
  if (key.size() != kHashBytes) return std::nullopt;
  return Bits128{.low = read_big_endian(key.substr(8)), .high = read_big_endian(key.substr(0, 8))};
}

std::uint64_t random_word() {
  std::random_device random;
  const std::uint64_t high = random();
  return high << 32 | random();
}

Status damaged() { return data_loss("a stored mark of an erased user cannot be read; restore a checkpoint"); }

}  // namespace

Status ErasedUsers::recover(const storage::StateStore& store) {
  const WriterLock lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const auto secret, store.get(Family::kMeta, kErasureSecretKey));
  if (secret) {
    ByteReader in(*secret);
    secret_.emplace();
    secret_->low = in.integer<std::uint64_t>();
    secret_->high = in.integer<std::uint64_t>();
    if (!in.complete()) return damaged();
  }
  bool readable = true;
  const auto take = [&](std::string_view key, std::string_view value) CAIRN_REQUIRES(mutex_) {
    const auto hash = hash_of(key);
    ByteReader in(value);
    const auto ms = static_cast<std::int64_t>(in.integer<std::uint64_t>());
    readable = hash && in.complete() && secret_;
    if (readable) until_ms_[*hash] = ms;
    return readable;
  };
  CAIRN_RETURN_IF_ERROR(store.scan(Family::kMeta, kErasedPrefix, take));
  any_.store(!until_ms_.empty(), std::memory_order_release);
  return readable ? ok_status() : damaged();
}

Status ErasedUsers::ensure_key(storage::StateStore& store) {
  const WriterLock lock(mutex_);
  if (secret_) return ok_status();
  const Bits128 drawn{random_word(), random_word()};
  std::string bytes;
  ByteWriter out(&bytes);
  out.integer(drawn.low);
  out.integer(drawn.high);
  storage::WriteBatch batch;
  batch.put(Family::kMeta, kErasureSecretKey, bytes);
  CAIRN_RETURN_IF_ERROR(store.write(std::move(batch), storage::Durability::kSynced));
  secret_ = drawn;
  return ok_status();
}

ErasedUsers::Record ErasedUsers::mark(const UserId& user, EventTime until) {
  const WriterLock lock(mutex_);
  CAIRN_CHECK(secret_.has_value());
  const Bits128 hash = keyed_hash(*secret_, user.str());
  const auto [found, fresh] = until_ms_.try_emplace(hash, to_ms(until));
  if (!fresh) found->second = std::max(found->second, to_ms(until));
  any_.store(true, std::memory_order_release);
  Record record{mark_key(hash), {}};
  ByteWriter(&record.value).integer(static_cast<std::uint64_t>(found->second));
  return record;
}

std::size_t ErasedUsers::size() const {
  const ReaderLock lock(mutex_);
  return until_ms_.size();
}

std::optional<EventTime> ErasedUsers::until(const UserId& user) const {
  const ReaderLock lock(mutex_);
  if (!secret_) return std::nullopt;
  const auto found = until_ms_.find(keyed_hash(*secret_, user.str()));
  return found == until_ms_.end() ? std::nullopt : std::optional(event_time_from_ms(found->second));
}

bool ErasedUsers::refuses_locked(const Interaction& event) const {
  const auto found = until_ms_.find(keyed_hash(*secret_, event.user.str()));
  return found != until_ms_.end() && to_ms(event.time) <= found->second;
}

std::span<const Interaction> ErasedUsers::without_erased(std::span<const Interaction> all,
                                                         std::vector<Interaction>* kept) const {
  if (!any()) return all;
  const ReaderLock lock(mutex_);
  const auto refused = [this](const Interaction& one) CAIRN_REQUIRES_SHARED(mutex_) { return refuses_locked(one); };
  const auto first = std::find_if(all.begin(), all.end(), refused);
  if (first == all.end()) return all;
  kept->assign(all.begin(), first);
  for (auto at = first + 1; at != all.end(); ++at) {
    if (!refuses_locked(*at)) kept->push_back(*at);
  }
  return *kept;
}

}  // namespace cairn::state
