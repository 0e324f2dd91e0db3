#include "engine/cache/answer_cache.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/cache/answer_codec.h"
#include "engine/cache/grid.h"
#include "engine/cache/request_key.h"
#include "features/geohash.h"

namespace cairn::cache {

namespace {

constexpr int kCellLetters = 5;
constexpr std::chrono::seconds kRefreshWithin{10};
constexpr std::chrono::seconds kDiskRetryEvery{10};
constexpr std::size_t kBytesAround = 256;  ///< of an entry, about: nodes of lists and tables, and their share of slots

std::string cell_of(GeoPoint position) {
  return features::geohash_text(features::geohash_bits(position, kCellLetters), kCellLetters);
}

std::uint64_t us_since(std::chrono::steady_clock::time_point began) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count());
}

bool same(const TagVersions::Seen& a, const TagVersions::Seen& b) { return a.slot == b.slot && a.version == b.version; }

bool reflects(const Freshness& freshness, const Watermark& wanted) {
  return std::any_of(freshness.watermarks.begin(), freshness.watermarks.end(), [&](const Watermark& mark) {
    return mark.source == wanted.source && mark.position.partition == wanted.position.partition &&
           mark.position.offset >= wanted.position.offset;
  });
}

std::size_t bytes_of(const std::string& text) { return sizeof text + text.capacity(); }

std::size_t bytes_of(const Recommendations& answer) {
  std::size_t bytes = sizeof answer + bytes_of(answer.next) + bytes_of(answer.model) + bytes_of(answer.shortfall);
  for (const Recommended& item : answer.items) {
    bytes += sizeof item + item.place.id.str().size() + item.place.name.capacity() + item.place.category.capacity();
    bytes += item.because.capacity();
    for (const auto* reasons : {&item.reasons, &item.against}) {
      for (const Reason& reason : *reasons) bytes += sizeof reason + reason.feature.capacity() + reason.text.capacity();
    }
  }
  for (const auto* marks : {&answer.freshness.watermarks, &answer.freshness.durable}) {
    for (const Watermark& mark : *marks) bytes += sizeof mark + mark.source.capacity();
  }
  return bytes;
}

bool same_places(const Recommendations& a, const Recommendations& b) {
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const Recommended& x, const Recommended& y) { return x.place.id == y.place.id; });
}

}  // namespace

AnswerCache::AnswerCache(const AnswerCacheOptions& options, Compute compute, std::function<std::uint64_t()> generation,
                         std::unique_ptr<storage::PassingStore> disk, Now now, Logger log, Knows knows,
                         SharedTier* shared)
    : options_(options),
      compute_(std::move(compute)),
      generation_(std::move(generation)),
      now_(std::move(now)),
      knows_(std::move(knows)),
      log_(std::move(log)),
      disk_(std::move(disk)) {
  S3Fifo<EntryPtr>::Evicted evicted;
  if (disk_) evicted = [this](const std::string& key, const EntryPtr& entry) { spill(key, entry); };
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_shared<Shard>(options_.memory_bytes / kShards, evicted));
  }
  if (options_.memory_bytes == 0) return;
  refresher_ = std::jthread([this](const std::stop_token& stop) { refresh_until(stop); });
  if (disk_) writer_ = std::jthread([this](const std::stop_token& stop) { write_until(stop); });
  if (shared != nullptr) shared_ = std::make_unique<SharedAnswers>(*shared, options_, now_, log_);
}

AnswerCache::~AnswerCache() { stop(); }

void AnswerCache::stop() {
  for (std::jthread* thread : {&refresher_, &writer_}) {
    if (!thread->joinable()) continue;
    thread->request_stop();
    thread->join();
  }
  if (shared_) shared_->stop();
}

// ---- what answers are made from -----------------------------------------------------------------------------------

AnswerCache::Origin AnswerCache::origin_of(const RecommendRequest& request) const {
  return {generation_(), epoch_.load(std::memory_order_acquire),
          tags_.see(TagVersions::slot_of(TagKind::kUser, request.user.str()))};
}

bool AnswerCache::current(const Origin& origin) const {
  return origin.generation == generation_() && origin.epoch == epoch_.load(std::memory_order_acquire) &&
         !tags_.moved(origin.user);
}

bool AnswerCache::current(const Entry& entry) const {
  if (!current(entry.origin)) return false;
  // Tags lie all over memory, and move seldom. Read before them: one that moves meanwhile is counted later.
  const std::uint64_t moved = tags_moved_.load(std::memory_order_acquire);
  if (entry.tags_good_at.load(std::memory_order_relaxed) == moved) return true;
  if (std::any_of(entry.tags.begin(), entry.tags.end(),
                  [&](const TagVersions::Seen& seen) { return tags_.moved(seen); })) {
    return false;
  }
  entry.tags_good_at.store(moved, std::memory_order_relaxed);
  return true;
}

void AnswerCache::happened(std::span<const Interaction> interactions) noexcept {
  for (const Interaction& one : interactions) tags_.move(TagVersions::slot_of(TagKind::kUser, one.user.str()));
}

Status AnswerCache::check(const AnswerTags& tags) {
  const auto has_empty = [](const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [](const std::string& name) { return name.empty(); });
  };
  if (has_empty(tags.users)) return invalid_argument("a user named \"\" is nobody; leave it out");
  if (has_empty(tags.places)) return invalid_argument("a place named \"\" is none; leave it out");
  if (has_empty(tags.categories)) {
    return invalid_argument(
        "\"\" is no category: a place that has it has none; name such places themselves (places), their cells, or all");
  }
  for (const std::string& cell : tags.cells) {
    const std::string lower = small_letters(cell);
    if (lower.size() < kCellLetters || !features::parse_geohash(lower)) {
      return invalid_argument("'" + cell + "' is no geohash of " + std::to_string(kCellLetters) + " letters or more");
    }
  }
  return ok_status();
}

Status AnswerCache::invalidate(const AnswerTags& tags) {
  CAIRN_RETURN_IF_ERROR(check(tags));
  std::vector<std::string> cells;
  for (const std::string& cell : tags.cells) cells.push_back(small_letters(cell).substr(0, kCellLetters));
  invalidations_.fetch_add(1, std::memory_order_acq_rel);  // before any tag moves: see make()
  if (tags.all) epoch_.fetch_add(1, std::memory_order_acq_rel);
  const auto move = [&](TagKind kind, const std::vector<std::string>& names) {
    for (const std::string& name : names) tags_.move(TagVersions::slot_of(kind, name));
  };
  move(TagKind::kUser, tags.users);
  move(TagKind::kPlace, tags.places);
  move(TagKind::kCategory, tags.categories);
  move(TagKind::kCell, cells);
  tags_moved_.fetch_add(1, std::memory_order_release);
  return ok_status();
}

// ---- answering ----------------------------------------------------------------------------------------------------

Result<Recommendations> AnswerCache::answer(const CallContext& call, const RecommendRequest& request) {
  if (request.cell.empty() && !request.snap) return answer_placed(call, request);
  CAIRN_ASSIGN_OR_RETURN(const RecommendRequest placed, on_grid(request, options_.cell_letters));
  return answer_placed(call, placed);
}

Result<bool> AnswerCache::warm(const CallContext& call, const RecommendRequest& request, Duration good_for) {
  CAIRN_ASSIGN_OR_RETURN(const RecommendRequest placed, on_grid(request, options_.cell_letters));
  const std::optional<std::string> key = options_.memory_bytes == 0 ? std::nullopt : key_of(placed);
  if (!key) return false;
  CAIRN_RETURN_IF_ERROR(call.check());
  const EntryPtr before = find(*key);
  if (before && current(*before) && before->expires >= now_() + good_for) return false;
  CAIRN_ASSIGN_OR_RETURN(const auto made, make(call, placed, before));
  made->lifetime = options_.ttl;
  made->expires = expiry_of(*made);
  keep(*key, made);
  return true;
}

Result<Recommendations> AnswerCache::answer_placed(const CallContext& call, const RecommendRequest& request) {
  const auto count = [](std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); };
  const std::optional<std::string> key = options_.memory_bytes == 0 ? std::nullopt : key_of(request);
  if (!key) {
    count(passed_);
    return compute_(call, request);
  }
  CAIRN_RETURN_IF_ERROR(call.check());
  const TimePoint now = now_();
  const EntryPtr entry = find(*key);
  const bool is_current = entry && current(*entry);
  if (entry && !is_current) count(outdated_);
  if (is_current && will_do(*entry, request, now)) return give(*key, request, entry, now);
  if (asks_for_all(request)) {
    RecommendRequest for_all = request;
    for_all.user = UserId();
    auto answer = answer_placed(call, for_all);
    // An event of this user that came meanwhile lies before the positions that the answer says it is of, and is not in
    // it.
    if (!answer.ok() || !knows_(request.user)) return answer;
  }
  // Who asks for more than what is kept can give may not be content with what another is computing, which is older.
  const auto bound = request.max_staleness.value_or(std::chrono::milliseconds::max());
  if (!request.min_offset && bound.count() > 0) {
    auto landed = fly(call, *key, request);
    const bool computed = !landed.ok() || landed->tier == Tier::kNone;
    count(computed ? misses_ : hits_);
    if (!landed.ok()) return landed.status();
    const TimePoint then = now_();
    if (computed && (!request.max_staleness || then - landed->entry->made <= bound)) return landed->entry->answer;
    if (!computed && will_do(*landed->entry, request, then)) return given(*landed->entry, landed->tier, then);
  } else {
    // What is in memory, and will not do, is newer than what the disk has.
    const EntryPtr found = entry ? nullptr : find_on_disk(*key, request, now);
    count(found ? hits_ : misses_);
    if (found) return given(*found, Tier::kDisk, now);
  }
  CAIRN_ASSIGN_OR_RETURN(const EntryPtr made, compute_and_keep(call, *key, request, entry, std::nullopt));
  return made->answer;
}

std::optional<Recommendations> AnswerCache::kept(const RecommendRequest& request) {
  if (options_.memory_bytes == 0) return std::nullopt;
  if (request.cell.empty() && !request.snap) return kept_placed(request);
  const Result<RecommendRequest> placed = on_grid(request, options_.cell_letters);
  return placed.ok() ? kept_placed(*placed) : std::nullopt;
}

std::optional<Recommendations> AnswerCache::kept_placed(const RecommendRequest& request) {
  const std::optional<std::string> key = key_of(request);
  if (!key) return std::nullopt;
  const EntryPtr entry = find(*key);
  const TimePoint now = now_();
  const bool at_hand = entry && entry->memo && (entry->answer.items.size() <= kWrittenAtOnceMax || entry->memo->text());
  const bool good = at_hand && current(*entry) && will_do(*entry, request, now);
  return good ? std::optional(give(*key, request, entry, now)) : std::nullopt;
}

Recommendations AnswerCache::give(const std::string& key, const RecommendRequest& request, const EntryPtr& entry,
                                  TimePoint now) {
  const bool stale = now >= entry->expires;
  (stale ? stale_hits_ : hits_).fetch_add(1, std::memory_order_relaxed);
  if (stale || due_early(*entry, now)) ask_for_refresh(key, request, entry);
  return given(*entry, Tier::kMemory, now);
}

Recommendations AnswerCache::given(const Entry& entry, Tier tier, TimePoint now) {
  Recommendations answer = entry.answer;
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - entry.made);
  answer.kept = {tier, age, now >= entry.expires, entry.memo};
  age_ms_[static_cast<std::size_t>(tier)].fetch_add(static_cast<std::uint64_t>(age.count()), std::memory_order_relaxed);
  return answer;
}

AnswerCache::EntryPtr AnswerCache::find(const std::string& key) {
  Shard& shard = shard_of(key);
  const ReaderLock lock(shard.mutex);
  const EntryPtr* found = shard.entries.find(key);
  return found == nullptr ? nullptr : *found;
}

bool AnswerCache::will_do(const Entry& entry, const RecommendRequest& request, TimePoint now) const {
  if (now >= entry.expires + options_.stale) return false;
  if (request.max_staleness && now - entry.made > *request.max_staleness) return false;
  if (request.max_staleness && request.max_staleness->count() == 0) return false;
  return !request.min_offset || (!entry.shared && reflects(entry.answer.freshness, *request.min_offset));
}

/// Tells those who wait how a computation ended, whatever happens to it.
class AnswerCache::Landing {
 public:
  Landing(Shard& shard, const std::string& key, std::shared_ptr<Flight> flight)
      : shard_(shard), key_(key), flight_(std::move(flight)) {}
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;
  ~Landing() {
    {
      const WriterLock lock(shard_.mutex);
      const auto found = shard_.flights.find(key_);
      if (found != shard_.flights.end() && found->second == flight_) shard_.flights.erase(found);
    }
    {
      const MutexLock lock(flight_->mutex);
      flight_->over = true;
      flight_->entry = std::move(landed.entry);
      flight_->tier = landed.tier;
      flight_->status = std::move(status);
    }
    flight_->landed.notify_all();
  }

  Landed landed = {};
  Status status = unavailable("the computation that was waited for did not end");

 private:
  Shard& shard_;
  const std::string& key_;
  const std::shared_ptr<Flight> flight_;
};

Result<AnswerCache::Landed> AnswerCache::fly(const CallContext& call, const std::string& key,
                                             const RecommendRequest& request) {
  Shard& shard = shard_of(key);
  for (;;) {
    CAIRN_RETURN_IF_ERROR(call.check());
    const Origin origin = origin_of(request);
    std::shared_ptr<Flight> flight;
    bool leads = false;
    {
      const WriterLock lock(shard.mutex);
      std::shared_ptr<Flight>& under_way = shard.flights[key];
      // A computation that began before something happened may not know of it.
      leads = !under_way || under_way->origin.generation != origin.generation ||
              under_way->origin.epoch != origin.epoch || !same(under_way->origin.user, origin.user);
      if (leads) under_way = std::make_shared<Flight>(origin);
      flight = under_way;
    }
    if (leads) {
      Landing landing(shard, key, flight);
      auto found = seek(call, key, request);
      landing.status = found.status();
      if (found.ok()) landing.landed = *found;
      return found;
    }
    waited_.fetch_add(1, std::memory_order_relaxed);
    const auto began = std::chrono::steady_clock::now();
    MutexLock lock(flight->mutex);
    const bool over = call.wait(flight->landed, lock, [&]() CAIRN_REQUIRES(flight->mutex) { return flight->over; });
    waited_us_.fetch_add(us_since(began), std::memory_order_relaxed);
    if (!over) {
      const Status gave_up = call.check();
      return gave_up.ok() ? deadline_exceeded("the deadline passed before the answer was ready") : gave_up;
    }
    if (flight->entry) return Landed{flight->entry, flight->tier};
    // That one gave up for reasons of its own. Of those who still want the answer another computes it.
    const StatusCode code = flight->status.code();
    if (code != StatusCode::kCancelled && code != StatusCode::kDeadlineExceeded) return flight->status;
  }
}

Result<AnswerCache::Landed> AnswerCache::seek(const CallContext& call, const std::string& key,
                                              const RecommendRequest& request) {
  // Who was there before this one may have landed meanwhile.
  const EntryPtr entry = find(key);
  const TimePoint now = now_();
  if (entry && now < entry->expires && current(*entry) && will_do(*entry, request, now)) {
    return Landed{entry, Tier::kMemory};
  }
  // What is in memory, and will not do, is newer than what the disk has.
  if (const EntryPtr found = entry ? nullptr : find_on_disk(key, request, now)) return Landed{found, Tier::kDisk};
  std::optional<SharedAnswers::Address> address;
  if (shared_) {
    // Versions before contents: what happens from here on makes what is found outdated, and what happened before shows
    // in the address.
    const Origin origin = origin_of(request);
    address = shared_->address_of(request);
    const EntryPtr found = address ? find_shared(call, key, request, *address, origin) : nullptr;
    if (found) return Landed{found, Tier::kDatabase};
  }
  CAIRN_RETURN_IF_ERROR(call.check());
  CAIRN_ASSIGN_OR_RETURN(const EntryPtr made, compute_and_keep(call, key, request, entry, std::move(address)));
  return Landed{made, Tier::kNone};
}

Result<AnswerCache::EntryPtr> AnswerCache::compute_and_keep(const CallContext& call, const std::string& key,
                                                            const RecommendRequest& request, const EntryPtr& before,
                                                            std::optional<SharedAnswers::Address> address) {
  // What it is made from is named before anything is read: whoever writes it to tier L3 compares.
  if (shared_ && !address) address = shared_->address_of(request);
  CAIRN_ASSIGN_OR_RETURN(const auto made, make(call, request, before));
  keep(key, made);
  if (address) share(request, made, *std::move(address));
  return EntryPtr(made);
}

Result<std::shared_ptr<AnswerCache::Entry>> AnswerCache::make(const CallContext& call, const RecommendRequest& request,
                                                              const EntryPtr& before) {
  auto entry = std::make_shared<Entry>();
  // All versions are seen before anything is read: what happens meanwhile makes the answer outdated.
  entry->origin = origin_of(request);
  entry->made = now_();
  const std::uint64_t invalidations = invalidations_.load(std::memory_order_acquire);
  CAIRN_ASSIGN_OR_RETURN(entry->answer, compute_(call, request));
  entry->cost = now_() - entry->made;
  entry->lifetime = lifetime_of(entry->answer, before);
  entry->expires = expiry_of(*entry);
  entry->tags = tags_of(request, entry->answer);
  // Which places and categories it is about shows only now. Had one been named meanwhile, nobody would know.
  entry->keeps = !entry->answer.degraded && invalidations_.load(std::memory_order_acquire) == invalidations;
  return entry;
}

/// Of many that are made at once, some grow old before others.
AnswerCache::TimePoint AnswerCache::expiry_of(const Entry& entry) {
  return entry.made + std::chrono::duration_cast<Duration>(entry.lifetime * (0.9 + 0.2 * drawn()));
}

std::vector<TagVersions::Seen> AnswerCache::tags_of(const RecommendRequest& request,
                                                    const Recommendations& answer) const {
  std::vector<TagVersions::Slot> slots;
  for (const Recommended& item : answer.items) {
    slots.push_back(TagVersions::slot_of(TagKind::kPlace, item.place.id.str()));
    slots.push_back(TagVersions::slot_of(TagKind::kCategory, item.place.category));
  }
  for (const std::string& category : request.categories) {
    slots.push_back(TagVersions::slot_of(TagKind::kCategory, category));
  }
  if (request.position) {
    slots.push_back(TagVersions::slot_of(TagKind::kCell, cell_of(*request.position)));
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  std::vector<TagVersions::Seen> seen;
  seen.reserve(slots.size());
  for (const TagVersions::Slot slot : slots) seen.push_back(tags_.see(slot));
  return seen;
}

void AnswerCache::keep(const std::string& key, const std::shared_ptr<Entry>& entry, From from) {
  if (!entry->keeps || !current(*entry)) return;
  entry->bytes = sizeof(Entry) + bytes_of(entry->answer) + entry->tags.size() * sizeof(TagVersions::Seen) + key.size() +
                 kBytesAround;
  const std::shared_ptr<Shard>& shard = shards_[shard_number(key)];
  // The memo may outlive the entry, and the cache, with an answer that somebody holds.
  entry->memo = std::make_shared<AnswerMemo>(
      [key, of = std::weak_ptr<const Entry>(entry), in = std::weak_ptr<Shard>(shard)](std::size_t bytes) {
        const EntryPtr grown = of.lock();
        const std::shared_ptr<Shard> holder = in.lock();
        if (!grown || !holder) return;
        const WriterLock lock(holder->mutex);
        const EntryPtr* held = holder->entries.peek(key);
        if (held != nullptr && *held == grown) holder->entries.resize(key, grown->bytes + bytes);
      });
  bool in_memory = false;
  {
    const WriterLock lock(shard->mutex);
    in_memory = shard->entries.put(key, entry, entry->bytes);
  }
  if (!in_memory && disk_ && from == From::kComputed) spill(key, entry);
}

// ---- time ---------------------------------------------------------------------------------------------------------

AnswerCache::Duration AnswerCache::lifetime_of(const Recommendations& answer, const EntryPtr& before) const {
  const Duration least = options_.ttl_min;
  // Nothing is soon something, once the first place is imported.
  if (!before || answer.items.empty()) return least;
  const Duration next = same_places(before->answer, answer) ? before->lifetime * 2 : before->lifetime / 2;
  return std::clamp<Duration>(next, least, options_.ttl);
}

bool AnswerCache::due_early(const Entry& entry, TimePoint now) {
  const double ahead = static_cast<double>(entry.cost.count()) * -std::log(1.0 - drawn());
  return static_cast<double>((entry.expires - now).count()) <= ahead;
}

double AnswerCache::drawn() {
  // SplitMix64 (Steele et al., OOPSLA 2014) of a counter.
  std::uint64_t z = (options_.seed + draws_.fetch_add(1, std::memory_order_relaxed)) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
  return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
}

Status AnswerCache::forget(const UserId& user) {
  const MutexLock nothing_is_written(disk_mutex_);
  tags_.move(TagVersions::slot_of(TagKind::kUser, user.str()));
  return disk_ ? disk_->clear() : ok_status();
}

// ---- on disk ------------------------------------------------------------------------------------------------------

void AnswerCache::spill(const std::string& key, const EntryPtr& entry) {
  {
    const MutexLock lock(spill_mutex_);
    if (spill_bytes_ + entry->bytes > kSpillBytesMax) {
      disk_dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    spill_bytes_ += entry->bytes;
    spill_queue_.push_back({key, entry});
  }
  spill_wanted_.notify_one();
}

void AnswerCache::write_until(const std::stop_token& stop) {
  for (;;) {
    Spill next;
    {
      MutexLock lock(spill_mutex_);
      const auto some = [&]() CAIRN_REQUIRES(spill_mutex_) { return !spill_queue_.empty(); };
      if (!spill_wanted_.wait(lock, stop, some) || stop.stop_requested()) return;
      next = std::move(spill_queue_.front());
      spill_queue_.pop_front();
      spill_bytes_ -= next.entry->bytes;
    }
    const MutexLock writing(disk_mutex_);
    if (now_() >= next.entry->expires || !current(*next.entry)) continue;  // nobody would be given it
    const Status written = disk_->put(next.key, bytes_of_entry(*next.entry));
    (written.ok() ? disk_writes_ : disk_dropped_).fetch_add(1, std::memory_order_relaxed);
    tell_of_disk(written);
  }
}

void AnswerCache::tell_of_disk(const Status& written) {
  const std::string trouble = written.ok() ? std::string() : written.message();
  std::string before;
  {
    const MutexLock lock(trouble_mutex_);
    before = std::exchange(disk_trouble_, trouble);
  }
  if (written.ok()) {
    if (!before.empty()) log_.info("answers.disk_writes", "answers go to the disk again", {});
    return;
  }
  if (before != trouble) {
    log_.warning("answers.disk_failed", trouble, {{"effect", "answers that leave memory are computed anew"}});
  }
  // A full disk has room again some time. A store that has failed otherwise goes on only when it is opened anew, empty.
  const TimePoint now = now_();
  if (written.code() == StatusCode::kResourceExhausted || now < disk_retry_) return;
  disk_retry_ = now + kDiskRetryEvery;
  static_cast<void>(disk_->clear());
}

std::string AnswerCache::bytes_of_entry(const Entry& entry) {
  ByteWriter out;
  out.number(entry.origin.generation);
  out.number(entry.origin.epoch);
  const auto write_seen = [&](const TagVersions::Seen& seen) {
    out.number(seen.slot);
    out.number(seen.version);
  };
  write_seen(entry.origin.user);
  out.number(entry.shared);
  out.number(static_cast<std::uint32_t>(entry.tags.size()));
  for (const TagVersions::Seen& seen : entry.tags) write_seen(seen);
  out.number(entry.made.time_since_epoch().count());
  out.number(entry.expires.time_since_epoch().count());
  out.number(entry.lifetime.count());
  out.number(entry.cost.count());
  write_answer(entry.answer, &out);
  return std::move(out).take();
}

std::shared_ptr<AnswerCache::Entry> AnswerCache::entry_of_bytes(std::string_view bytes) {
  ByteReader in(bytes);
  auto entry = std::make_shared<Entry>();
  entry->origin.generation = in.number<std::uint64_t>();
  entry->origin.epoch = in.number<std::uint64_t>();
  const auto read_seen = [&] {
    const auto slot = in.number<TagVersions::Slot>();
    return TagVersions::Seen{TagVersions::bounded(slot), in.number<std::uint32_t>()};
  };
  entry->origin.user = read_seen();
  entry->shared = in.flag();
  const std::size_t tags = in.count();
  for (std::size_t i = 0; i < tags && in.ok(); ++i) entry->tags.push_back(read_seen());
  const auto read_duration = [&] { return Duration(in.number<Duration::rep>()); };
  entry->made = TimePoint(read_duration());
  entry->expires = TimePoint(read_duration());
  entry->lifetime = read_duration();
  entry->cost = read_duration();
  entry->keeps = true;
  return read_answer(&in, &entry->answer) && in.at_end() ? entry : nullptr;
}

AnswerCache::EntryPtr AnswerCache::find_on_disk(const std::string& key, const RecommendRequest& request,
                                                TimePoint now) {
  if (!disk_) return nullptr;
  const auto began = std::chrono::steady_clock::now();
  const auto bytes = disk_->get(key);
  // What cannot be read is computed: nobody would miss it.
  std::shared_ptr<Entry> entry;
  if (bytes.ok() && *bytes) entry = entry_of_bytes(**bytes);
  const bool found = entry && now < entry->expires && current(*entry) && will_do(*entry, request, now);
  (found ? disk_hits_ : disk_misses_).fetch_add(1, std::memory_order_relaxed);
  disk_waited_us_.fetch_add(us_since(began), std::memory_order_relaxed);
  if (!found) return nullptr;
  keep(key, entry, From::kElsewhere);
  return entry;
}

// ---- shared -------------------------------------------------------------------------------------------------------

AnswerCache::EntryPtr AnswerCache::find_shared(const CallContext& call, const std::string& key,
                                               const RecommendRequest& request, const SharedAnswers::Address& address,
                                               const Origin& origin) {
  auto entry = std::make_shared<Entry>();
  entry->origin = origin;
  const std::uint64_t invalidations = invalidations_.load(std::memory_order_acquire);
  auto kept = shared_->find(call, address, request.user);
  if (!kept) return nullptr;
  entry->answer = std::move(kept->answer);
  entry->made = kept->made;
  entry->expires = kept->expires;
  entry->lifetime = std::clamp<Duration>(kept->lifetime, options_.ttl_min, options_.ttl);
  entry->cost = kept->cost;
  entry->tags = tags_of(request, entry->answer);
  entry->shared = true;
  entry->keeps = invalidations_.load(std::memory_order_acquire) == invalidations;
  // Another daemon may let answers live for longer than this one does.
  entry->expires = std::min(entry->expires, entry->made + std::chrono::duration_cast<Duration>(options_.ttl * 1.1));
  const TimePoint now = now_();
  if (!entry->keeps || now >= entry->expires || !current(*entry) || !will_do(*entry, request, now)) return nullptr;
  keep(key, entry, From::kElsewhere);
  return entry;
}

void AnswerCache::share(const RecommendRequest& request, const EntryPtr& entry, SharedAnswers::Address address) {
  if (!entry->keeps || !current(*entry)) return;
  AnswerTags tags{.categories = request.categories};
  for (const Recommended& item : entry->answer.items) {
    tags.places.push_back(item.place.id.str());
    tags.categories.push_back(item.place.category);
  }
  std::sort(tags.categories.begin(), tags.categories.end());
  tags.categories.erase(std::unique(tags.categories.begin(), tags.categories.end()), tags.categories.end());
  if (request.position) tags.cells.push_back(cell_of(*request.position));
  RecommendRequest asked = request;
  asked.min_offset.reset();
  asked.max_staleness.reset();
  const std::size_t bytes = entry->bytes + address.full.size() + sizeof(RecommendRequest);
  shared_->offer({.request = std::move(asked),
                  .address = std::move(address),
                  .kept = {entry->answer, entry->made, entry->expires, entry->lifetime, entry->cost},
                  .tags = std::move(tags),
                  .bytes = bytes,
                  .current = [this, entry] { return current(*entry); }});
}

// ---- in the background --------------------------------------------------------------------------------------------

void AnswerCache::ask_for_refresh(const std::string& key, const RecommendRequest& request, const EntryPtr& entry) {
  if (entry->refreshing.exchange(true)) return;
  {
    const MutexLock lock(refresh_mutex_);
    if (refresh_queue_.size() < kRefreshesMax) {
      refresh_queue_.push_back({key, request, entry});
      // What this caller is content with is not what the next one is.
      refresh_queue_.back().request.min_offset.reset();
      refresh_queue_.back().request.max_staleness.reset();
    } else {
      entry->refreshing.store(false);  // a later one may find room
    }
  }
  refresh_wanted_.notify_one();
}

void AnswerCache::refresh_until(const std::stop_token& stop) {
  for (;;) {
    Refresh wanted;
    {
      MutexLock lock(refresh_mutex_);
      const auto some = [&]() CAIRN_REQUIRES(refresh_mutex_) { return !refresh_queue_.empty(); };
      if (!refresh_wanted_.wait(lock, stop, some) || stop.stop_requested()) return;
      wanted = std::move(refresh_queue_.front());
      refresh_queue_.pop_front();
    }
    CallContext call = CallContext::within(kRefreshWithin);
    call.cancelled = stop;
    call.priority = Priority::kBackground;
    const auto made = compute_and_keep(call, wanted.key, wanted.request, wanted.entry, std::nullopt);
    if (!made.ok()) {
      wanted.entry->refreshing.store(false);  // whoever comes next tries again
      continue;
    }
    refreshes_.fetch_add(1, std::memory_order_relaxed);
  }
}

AnswerCacheStatus AnswerCache::status() const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  AnswerCacheStatus status{.limit = options_.memory_bytes,
                           .hits = read(hits_),
                           .stale_hits = read(stale_hits_),
                           .misses = read(misses_),
                           .waited = read(waited_),
                           .outdated = read(outdated_),
                           .passed = read(passed_),
                           .refreshes = read(refreshes_),
                           .disk_bytes = disk_ ? disk_->stats().bytes : 0,
                           .disk_limit = disk_ ? options_.disk_bytes : 0,
                           .disk_hits = read(disk_hits_),
                           .disk_misses = read(disk_misses_),
                           .disk_writes = read(disk_writes_),
                           .disk_dropped = read(disk_dropped_),
                           .disk_trouble = {}};
  const auto age_of = [&](Tier tier) { return read(age_ms_[static_cast<std::size_t>(tier)]); };
  status.memory_age_ms = age_of(Tier::kMemory);
  status.disk_age_ms = age_of(Tier::kDisk);
  status.shared_age_ms = age_of(Tier::kDatabase);
  status.waited_us = read(waited_us_);
  status.disk_waited_us = read(disk_waited_us_);
  if (shared_) shared_->describe(&status);
  {
    const MutexLock lock(trouble_mutex_);
    status.disk_trouble = disk_trouble_;
  }
  for (const auto& shard : shards_) {
    const ReaderLock lock(shard->mutex);
    status.bytes += shard->entries.bytes();
    status.entries += shard->entries.size();
    status.evictions += shard->entries.evictions();
  }
  return status;
}

}  // namespace cairn::cache
