#include "engine/cache/shared_answers.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/cache/answer_codec.h"
#include "engine/cache/bytes.h"
#include "engine/cache/request_key.h"
#include "features/event_id_memory.h"

namespace cairn::cache {

namespace {

// Moves with every change of the bytes below and of what answers are. Part of the key: programs that differ in it do
// not find one another's answers.
constexpr std::uint32_t kFormat = 1;
constexpr std::chrono::seconds kKeepOpenEvery{1};
constexpr std::chrono::seconds kWellAfter{10};  ///< without a failure; what fails now and then is one trouble

static_assert(std::endian::native == std::endian::little, "numbers stand in the bytes as they do in memory");

std::uint64_t checksum_of(std::string_view bytes) { return features::fingerprint(bytes).low; }

std::string bytes_of(const std::string& full, const SharedAnswers::Kept& kept) {
  ByteWriter out;
  out.text(full);
  out.number(std::int64_t{std::chrono::duration_cast<std::chrono::nanoseconds>(kept.lifetime).count()});
  out.number(std::int64_t{std::chrono::duration_cast<std::chrono::nanoseconds>(kept.cost).count()});
  write_answer(kept.answer, &out);
  std::string bytes = std::move(out).take();
  const std::uint64_t checksum = checksum_of(bytes);
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return bytes;
}

/// Returns: false for other bytes, and for those of another key that has the same hash.
bool read_bytes(std::string_view bytes, std::string_view full, SharedAnswers::Kept* kept) {
  std::uint64_t checksum = 0;
  if (bytes.size() < sizeof checksum) return false;
  std::memcpy(&checksum, bytes.data() + bytes.size() - sizeof checksum, sizeof checksum);
  bytes.remove_suffix(sizeof checksum);
  if (checksum_of(bytes) != checksum) return false;
  ByteReader in(bytes);
  if (in.text() != full) return false;
  kept->lifetime = std::chrono::nanoseconds(in.number<std::int64_t>());
  kept->cost = std::chrono::nanoseconds(in.number<std::int64_t>());
  return read_answer(&in, &kept->answer) && in.at_end();
}

/// An answer to nobody who is known says of no event that it reflects it, which this daemon had not seen when it found
/// nothing known of the user: the event may be of this very user.
void promise_no_more(std::span<const Watermark> reached, Freshness* freshness) {
  for (auto* marks : {&freshness->watermarks, &freshness->durable}) {
    std::erase_if(*marks, [&](Watermark& mark) {
      const auto here = std::find_if(reached.begin(), reached.end(), [&](const Watermark& one) {
        return one.source == mark.source && one.position.partition == mark.position.partition;
      });
      if (here == reached.end()) return true;
      mark.position.offset = std::min(mark.position.offset, here->position.offset);
      return false;
    });
  }
}

}  // namespace

SharedAnswers::SharedAnswers(SharedTier& tier, const AnswerCacheOptions& options, std::function<TimePoint()> now,
                             Logger log)
    : tier_(tier), options_(options), now_(std::move(now)), log_(std::move(log)), filled_(now_()) {
  tokens_ = static_cast<double>(options_.shared_writes_per_second);
  writer_ = std::jthread([this](const std::stop_token& stop) { write_until(stop); });
}

void SharedAnswers::stop() {
  if (!writer_.joinable()) return;
  writer_.request_stop();
  writer_.join();
}

std::optional<SharedAnswers::Address> SharedAnswers::address_of(const RecommendRequest& request) const {
  Address address;
  address.invalidations = tier_.invalidations();
  auto basis = tier_.basis_of(request);
  if (!basis) return std::nullopt;
  RecommendRequest asked = request;
  if (basis->personal) {
    address.user = request.user.str();
  } else {
    asked.user = UserId();
  }
  const auto key = key_of(asked);
  if (!key) return std::nullopt;
  ByteWriter full;
  full.number(kFormat);
  full.text(basis->bytes);
  full.text(*key);
  address.full = std::move(full).take();
  const features::EventFingerprint hash = features::fingerprint(address.full);
  address.key = {hash.high, hash.low};
  address.reached = std::move(basis->reached);
  return address;
}

std::optional<SharedAnswers::Kept> SharedAnswers::find(const CallContext& call, const Address& address,
                                                       const UserId& user) {
  const auto began = std::chrono::steady_clock::now();
  std::chrono::milliseconds within = options_.shared_timeout;
  if (call.deadline) {
    within = std::min(within, std::chrono::duration_cast<std::chrono::milliseconds>(*call.deadline - began));
  }
  if (within.count() <= 0) {
    passed_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  auto found = tier_.find(address.key, user, within);
  const auto waited = std::chrono::steady_clock::now() - began;
  waited_us_.fetch_add(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(waited).count()),
      std::memory_order_relaxed);
  if (!found.ok()) {
    passed_.fetch_add(1, std::memory_order_relaxed);
    // That all are busy is no trouble, and comes with every question of a moment.
    if (found.status().code() != StatusCode::kResourceExhausted) tell_of(found.status());
    return std::nullopt;
  }
  if (troubled_.load(std::memory_order_relaxed)) tell_of(ok_status());
  Kept kept;
  const bool will_do = *found && now_() < (*found)->expires && read_bytes((*found)->bytes, address.full, &kept) &&
                       tier_.as_new(kept.answer.freshness, (*found)->made);
  (will_do ? hits_ : misses_).fetch_add(1, std::memory_order_relaxed);
  if (!will_do) return std::nullopt;
  kept.made = (*found)->made;
  kept.expires = (*found)->expires;
  if (!address.user) promise_no_more(address.reached, &kept.answer.freshness);
  tier_.take_over(&kept.answer);
  return kept;
}

// ---- writing ------------------------------------------------------------------------------------------------------

bool SharedAnswers::within_budget() {
  const TimePoint now = now_();
  const double seconds = std::chrono::duration<double>(now - filled_).count();
  const auto most = static_cast<double>(options_.shared_writes_per_second);
  tokens_ = std::min(most, tokens_ + seconds * most);
  filled_ = now;
  if (tokens_ < 1.0) return false;
  tokens_ -= 1.0;
  return true;
}

void SharedAnswers::offer(Offer offered) {
  {
    const MutexLock lock(queue_mutex_);
    const bool unknown = offered.address.invalidations < 0;  // what has been said before it was made nobody could tell
    if (unknown || queue_bytes_ + offered.bytes > kQueueBytesMax || !within_budget()) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    queue_bytes_ += offered.bytes;
    queue_.push_back(std::move(offered));
  }
  offered_.notify_one();
}

std::deque<SharedAnswers::Offer> SharedAnswers::next_batch(const std::stop_token& stop) {
  std::deque<Offer> batch;
  MutexLock lock(queue_mutex_);
  const auto some = [&]() CAIRN_REQUIRES(queue_mutex_) { return !queue_.empty(); };
  offered_.wait_for(lock, stop, kKeepOpenEvery, some);
  while (!queue_.empty() && batch.size() < kBatch) {
    queue_bytes_ -= queue_.front().bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void SharedAnswers::write_until(const std::stop_token& stop) {
  std::chrono::steady_clock::time_point opened{};
  bool failed = false;  // to make connections
  while (!stop.stop_requested()) {
    const auto now = std::chrono::steady_clock::now();
    if (now - opened >= kKeepOpenEvery) {
      const Status open = tier_.keep_open();
      opened = std::chrono::steady_clock::now();
      // What looks for answers says itself how that ends; only what it cannot know is told of here, and that it is over
      // where nobody looks.
      if (!open.ok() || failed || long_well()) tell_of(open);
      failed = !open.ok();
    }
    const std::deque<Offer> batch = next_batch(stop);
    if (!batch.empty() && !stop.stop_requested()) write(batch);
  }
}

/// An answer that was computed while something happened may know of it, or not, and belongs to neither key.
bool SharedAnswers::still_right(const Offer& offer) const {
  if (now_() >= offer.kept.expires || !offer.current()) return false;
  const auto address = address_of(offer.request);
  return address && address->full == offer.address.full;
}

void SharedAnswers::write(const std::deque<Offer>& batch) {
  const MutexLock writing(write_mutex_);
  std::vector<SharedTier::Row> rows;
  for (const Offer& offer : batch) {
    if (!still_right(offer)) continue;  // nobody would be given it
    rows.push_back({.key = offer.address.key,
                    .user = offer.address.user,
                    .made = offer.kept.made,
                    .expires = offer.kept.expires,
                    .invalidations = offer.address.invalidations,
                    .tags = offer.tags,
                    .bytes = bytes_of(offer.address.full, offer.kept)});
  }
  if (rows.empty()) return;
  const Status written = tier_.write(rows);
  (written.ok() ? writes_ : dropped_).fetch_add(rows.size(), std::memory_order_relaxed);
  tell_of(written);
}

bool SharedAnswers::long_well() const {
  const MutexLock lock(trouble_mutex_);
  return failures_ > 0 && now_() - failed_ >= kWellAfter;
}

void SharedAnswers::tell_of(const Status& status) {
  bool begins = false;
  std::uint64_t over = 0;  // with so many failures
  {
    const MutexLock lock(trouble_mutex_);
    trouble_ = status.ok() ? std::string() : status.message();
    if (!status.ok()) {
      begins = failures_++ == 0;
      failed_ = now_();
    } else if (failures_ > 0 && now_() - failed_ >= kWellAfter) {
      over = std::exchange(failures_, 0);
    }
    troubled_.store(failures_ > 0, std::memory_order_relaxed);
  }
  if (begins) {
    log_.warning("answers.not_shared", status.message(),
                 {{"effect", "answers are computed, and kept by this daemon alone, as often as this happens"}});
  }
  if (over > 0) {
    log_.info("answers.shared", "answers are shared over PostgreSQL again, and have been for a while",
              {{"failures", std::to_string(over)}});
  }
}

void SharedAnswers::describe(AnswerCacheStatus* status) const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  status->shared = true;
  status->shared_hits = read(hits_);
  status->shared_misses = read(misses_);
  status->shared_passed = read(passed_);
  status->shared_writes = read(writes_);
  status->shared_dropped = read(dropped_);
  status->shared_waited_us = read(waited_us_);
  const MutexLock lock(trouble_mutex_);
  status->shared_trouble = trouble_;
}

}  // namespace cairn::cache
