#include "engine/serving/api/request_memo.h"

#include <functional>
#include <utility>

namespace cairn::serving {
namespace {

std::size_t hash_of(std::string_view bytes, std::string_view language) {
  const std::hash<std::string_view> hash;
  return hash(bytes) ^ (language.empty() ? 0 : 3 * hash(language));
}

bool is_short(std::string_view bytes, std::string_view language) {
  return bytes.size() <= RequestMemo::kBytesMax && language.size() <= RequestMemo::kBytesMax;
}

}  // namespace

std::shared_ptr<const TimedRequest> RequestMemo::find(std::string_view bytes, std::string_view language) const {
  if (!is_short(bytes, language)) return nullptr;
  const std::size_t hash = hash_of(bytes, language);
  const Stripe& stripe = stripes_[hash % stripes_.size()];
  const MutexLock lock(stripe.mutex);
  for (const Slot& slot : stripe.sets[hash / stripes_.size() % kSetsOfStripe]) {
    if (slot.hash != hash || !slot.known) continue;
    if (slot.known->bytes == bytes && slot.known->language == language) return slot.known->request;
  }
  return nullptr;
}

void RequestMemo::keep(std::string_view bytes, std::string_view language, std::shared_ptr<const TimedRequest> request) {
  if (!is_short(bytes, language)) return;
  const std::size_t hash = hash_of(bytes, language);
  Slot slot{hash, std::make_shared<Known>(Known{std::string(bytes), std::string(language), std::move(request)})};
  Stripe& stripe = stripes_[hash % stripes_.size()];
  // What had no more room goes when the lock is open again.
  const MutexLock lock(stripe.mutex);
  for (Slot& place : stripe.sets[hash / stripes_.size() % kSetsOfStripe]) std::swap(place, slot);
}

}  // namespace cairn::serving
