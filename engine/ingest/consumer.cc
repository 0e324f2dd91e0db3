#include "engine/ingest/consumer.h"

#include <algorithm>
#include <exception>
#include <map>
#include <new>
#include <optional>
#include <random>
#include <utility>

#include "cairn/kill_point.h"
#include "engine/state/parallel.h"
#include "streaming/decode.h"

namespace cairn::ingest {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollWait{200};
constexpr milliseconds kRetryFirst{50};
constexpr milliseconds kRetryLast{5'000};
constexpr milliseconds kBlockedFirst{1'000};
constexpr milliseconds kBlockedLast{30'000};

/// Whether a person must mend something before another try can succeed.
bool blocks(const Status& status) { return !status.ok() && !is_retryable(status.code()); }

/// Doubling waits with jitter, so that consumers that failed together do not return together. What a person must mend
/// is looked at less often.
class Backoff {
 public:
  milliseconds after(const Status& failure) {
    const bool blocked = blocks(failure);
    const milliseconds wait =
        std::clamp(wait_, blocked ? kBlockedFirst : kRetryFirst, blocked ? kBlockedLast : kRetryLast);
    wait_ = wait * 2;
    std::uniform_int_distribution<milliseconds::rep> jitter(wait.count() / 2, wait.count());
    return milliseconds(jitter(random_));
  }

 private:
  milliseconds wait_ = kRetryFirst;
  std::minstd_rand random_{std::random_device{}()};
};

/// Whether two reasons say the same: free space and offsets in them change from try to try.
bool same_but_for_numbers(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0;
  std::size_t j = 0;
  while (true) {
    while (i < a.size() && is_digit(a[i])) ++i;
    while (j < b.size() && is_digit(b[j])) ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (a[i++] != b[j++]) return false;
  }
}

}  // namespace

/// What one thread decodes in one go, and what it decodes with.
struct Consumer::DecodeChunk {
  streaming::Decoder decoder;
  std::vector<std::size_t> holes;  ///< indexes of the records that were refused
  std::vector<Refused> refused;
};

struct Consumer::Work {
  std::unique_ptr<streaming::Source> source;
  std::vector<DecodeChunk> chunks;
  streaming::RecordBatch batch;
  std::vector<Interaction> interactions;  ///< the first `decoded` are this batch's; the rest keep their buffers
  std::size_t decoded = 0;
  std::vector<std::size_t> holes;  ///< indexes of the records that were refused, ascending
  std::vector<Refused> refused;
  /// Of the partitions that are read, after the last applied batch: what the sink has stored.
  std::map<Partition, SourcePosition> positions;
  std::vector<Partition> accepted;      ///< whose gaps the source was told to pass over
  std::vector<SourcePosition> before;   ///< of the partitions that the batch moves
  steady_clock::time_point applied_at;  ///< the epoch before the first
  bool small = false;                   ///< the last batch would have had room for many more
};

Consumer::Consumer(Options options, SourceFactory make_source, Sink& sink, const InteractionTypes& types,
                   const Clock& clock)
    : options_(std::move(options)),
      make_source_(std::move(make_source)),
      sink_(sink),
      types_(types),
      clock_(clock),
      source_name_(make_source_()->name()),  // making a source does not connect it
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Consumer::~Consumer() { stop(); }

void Consumer::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
}

// ---- the thread ---------------------------------------------------------------------------------------------------

void Consumer::run(const std::stop_token& stop) {
  Backoff backoff;
  while (!stop.stop_requested()) {
    Work work;
    const Status ended = consume_guarded(stop, work);
    if (ended.ok()) return;
    // Only failures in a row make the waits grow: a source that brought something is well again.
    if (work.applied_at != steady_clock::time_point{}) backoff = Backoff{};
    forget_ends();
    if (anew_.exchange(false)) continue;  // as it was asked to
    set_trouble(ended);
    if (!pause_before_retry(stop, backoff.after(ended))) return;
  }
}

Status Consumer::consume_guarded(const std::stop_token& stop, Work& work) {
  try {
    return consume(stop, work);
  } catch (const std::bad_alloc&) {
    return {StatusCode::kResourceExhausted, "no memory for the next batch; give the process more"};
  } catch (const std::exception& thrown) {
    return internal_error(std::string("an exception while consuming: ") + thrown.what());
  } catch (...) {
    return internal_error("an exception without a text while consuming");
  }
}

Status Consumer::consume(const std::stop_token& stop, Work& work) {
  work.source = make_source_();
  {
    const MutexLock lock(mutex_);
    work.accepted = accepted_;
    anew_.store(false);
  }
  if (!work.accepted.empty()) work.source->accept_gaps(work.accepted);
  while (!stop.stop_requested()) {
    Status done = poll_and_apply(stop, work);
    if (done.code() == StatusCode::kCancelled) break;
    if (!done.ok()) {
      work.source->close();
      return done;
    }
  }
  work.source->close();
  return ok_status();
}

Status Consumer::poll_and_apply(const std::stop_token& stop, Work& work) {
  // Batches of one or two records would cost a synced write each. A short wait collects company for them; a stream that
  // fills its batches never waits.
  if (work.small) {
    const auto since = std::chrono::duration_cast<milliseconds>(steady_clock::now() - work.applied_at);
    if (since < options_.batch_wait_max && !pause(stop, options_.batch_wait_max - since))
      return {StatusCode::kCancelled, ""};
  }
  if (anew_.load(std::memory_order_relaxed)) return {StatusCode::kAborted, "the source is looked at again"};
  // Read before the poll: whatever was there when a mark was asked for is behind us once a poll that began later
  // reports the end.
  const std::uint64_t seen_mark = marks_.load();
  CAIRN_RETURN_IF_ERROR(work.source->poll(options_.records_max, kPollWait, &work.batch));
  CAIRN_KILL_POINT("consumer.polled");
  work.small = work.batch.records.size() < options_.records_max / 8;
  const bool ended = work.batch.at_end || work.batch.finished;
  const bool moved = !work.batch.positions.empty();
  const bool changed = !work.batch.revoked.empty() || !work.batch.assigned.empty();
  // The order matters: what is revoked is released with its last records applied, and what comes back in the same batch
  // is resumed behind them.
  if (moved) CAIRN_RETURN_IF_ERROR(apply(stop, work));
  if (!work.batch.revoked.empty()) CAIRN_RETURN_IF_ERROR(give_back(stop, work));
  if (!work.batch.assigned.empty()) CAIRN_RETURN_IF_ERROR(take_over(stop, work));
  if (!work.batch.unchecked.empty()) note_unchecked(work.batch.unchecked);
  if (changed || work.batch.obstacles_changed) note_obstacles(*work.source);
  set_trouble(ok_status());
  if (ended || moved || changed || work.batch.obstacles_changed) report(work, ended, ended ? seen_mark : 0);
  if (work.batch.finished && !pause(stop, kPollWait)) return {StatusCode::kCancelled, ""};
  return ok_status();
}

void Consumer::decode(Work& work) {
  const std::size_t records = work.batch.records.size();
  const std::size_t count = state::chunks_of(records);
  // Never shrunk: an interaction's strings keep their memory from batch to batch.
  if (work.interactions.size() < records) work.interactions.resize(records);
  while (work.chunks.size() < count) {
    work.chunks.push_back({streaming::Decoder(types_, options_.decode, clock_), {}, {}});
  }
  state::for_each_chunk(records, [&](std::size_t chunk, std::size_t begin, std::size_t end) {
    decode_chunk(begin, end, work, &work.chunks[chunk]);
  });
  close_up(std::span(work.chunks).first(count), work);
}

void Consumer::decode_chunk(std::size_t begin, std::size_t end, Work& work, DecodeChunk* chunk) const {
  chunk->holes.clear();
  chunk->refused.clear();
  for (std::size_t i = begin; i < end; ++i) {
    const streaming::Record& record = work.batch.records[i];
    streaming::Reject reject = record.reject;
    std::string_view detail = record.detail;
    if (record.decoded != nullptr) {
      std::swap(work.interactions[i], *record.decoded);  // the source gets a used one back, with its buffers
    } else if (reject == streaming::Reject::kNone) {
      reject = chunk->decoder.decode(record.payload, &work.interactions[i]);
      detail = chunk->decoder.detail();
    } else if (detail.empty() && chunk->decoder.decode(record.payload, &work.interactions[i]) == reject) {
      detail = chunk->decoder.detail();  // the payload tells it: the API's log does not keep such words
    }
    if (reject == streaming::Reject::kNone) continue;
    chunk->holes.push_back(i);
    chunk->refused.push_back({record.partition, record.offset,
                              work.source->incarnation(record.partition, record.offset), reject, std::string(detail),
                              record.payload});
  }
}

/// Brings the interactions together where refused records have left holes among them. Their order stays.
void Consumer::close_up(std::span<DecodeChunk> chunks, Work& work) {
  work.refused.clear();
  std::vector<std::size_t>& holes = work.holes;
  holes.clear();
  for (DecodeChunk& chunk : chunks) {
    std::move(chunk.refused.begin(), chunk.refused.end(), std::back_inserter(work.refused));
    holes.insert(holes.end(), chunk.holes.begin(), chunk.holes.end());
  }
  const std::size_t records = work.batch.records.size();
  work.decoded = records - holes.size();
  for (std::size_t hole = 0; hole < holes.size(); ++hole) {
    const std::size_t next_hole = hole + 1 < holes.size() ? holes[hole + 1] : records;
    for (std::size_t from = holes[hole] + 1; from < next_hole; ++from) {
      std::swap(work.interactions[from - hole - 1], work.interactions[from]);
    }
  }
}

/// Where the partitions that the batch moves have stood until now.
void Consumer::note_before(Work& work) {
  work.before.clear();
  for (const SourcePosition& after : work.batch.positions) {
    const auto old = work.positions.find(after.partition);
    if (old != work.positions.end()) work.before.push_back(old->second);
  }
}

Status Consumer::apply(const std::stop_token& stop, Work& work) {
  decode(work);
  note_before(work);
  const auto record_of = [&work](std::size_t interaction) {
    std::size_t at = interaction;  // among the records are those that were refused
    for (const std::size_t hole : work.holes) at += hole <= at ? 1 : 0;
    const streaming::Record& record = work.batch.records[at];
    return Refused{record.partition,
                   record.offset,
                   work.source->incarnation(record.partition, record.offset),
                   streaming::Reject::kNone,
                   "",
                   record.payload};
  };
  const DecodedBatch batch{std::span(work.interactions).first(work.decoded), work.refused, work.before,
                           work.batch.positions, record_of};
  CAIRN_RETURN_IF_ERROR(until_taken(stop, work, [&] { return sink_.apply(source_name_, batch); }));
  CAIRN_KILL_POINT("consumer.applied");
  if (work.batch.gap_records > 0 || work.batch.gap_bytes > 0) {
    options_.log.warning("consumer.gap_passed", "what is gone was passed over",
                         {{"consumer", options_.consumer},
                          {"source", source_name_},
                          {"records", std::to_string(work.batch.gap_records)},
                          {"bytes", std::to_string(work.batch.gap_bytes)}});
    const MutexLock lock(mutex_);
    gap_records_ += work.batch.gap_records;
    gap_bytes_ += work.batch.gap_bytes;
  }
  for (const SourcePosition& after : work.batch.positions) work.positions[after.partition] = after;
  work.applied_at = steady_clock::now();
  return ok_status();
}

Status Consumer::give_back(const std::stop_token& stop, Work& work) {
  CAIRN_RETURN_IF_ERROR(until_taken(stop, work, [&] { return sink_.revoke(source_name_, work.batch.revoked); }));
  for (const Partition partition : work.batch.revoked) work.positions.erase(partition);
  return work.source->release(work.batch.revoked);
}

/// The positions are looked up at every assignment, also of a partition that was read before: somebody else may have
/// read on meanwhile.
Status Consumer::take_over(const std::stop_token& stop, Work& work) {
  std::vector<SourcePosition> stored;
  // The source is kept while the sink is asked: it may have taken seconds to connect.
  CAIRN_RETURN_IF_ERROR(until_taken(stop, work, [&] {
    auto found = sink_.resume(source_name_, work.batch.assigned);
    if (found.ok()) stored = *std::move(found);
    return found.status();
  }));
  const Status resumed = work.source->resume(stored);
  {
    const bool gap = resumed.code() == StatusCode::kOutOfRange && work.source->can_pass_gaps();
    const MutexLock lock(mutex_);
    gone_ = gap ? work.batch.assigned : std::vector<Partition>{};
  }
  CAIRN_RETURN_IF_ERROR(Status(resumed));
  for (const SourcePosition& position : stored) work.positions[position.partition] = position;
  if (!work.accepted.empty()) {
    const MutexLock lock(mutex_);
    accepted_.clear();  // once: another gap is another decision
  }
  return ok_status();
}

Status Consumer::until_taken(const std::stop_token& stop, Work& work, const std::function<Status()>& attempt) {
  Backoff backoff;
  while (true) {
    Status answered = attempt();
    // Another try would be ABORTED too: the batch does not follow what is stored.
    if (answered.ok() || answered.code() == StatusCode::kAborted) return answered;
    set_trouble(answered);
    report(work, /*at_end=*/false, /*seen_mark=*/0);  // what waits in the source grows meanwhile
    if (!pause_before_retry(stop, backoff.after(answered))) return {StatusCode::kCancelled, "stopped"};
  }
}

bool Consumer::pause(const std::stop_token& stop, milliseconds time) const {
  MutexLock lock(mutex_);
  changed_.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

bool Consumer::pause_before_retry(const std::stop_token& stop, milliseconds time) {
  MutexLock lock(mutex_);
  changed_.wait_for(lock, stop, time, [this]() CAIRN_REQUIRES(mutex_) { return retry_; });
  retry_ = false;
  return !stop.stop_requested();
}

// ---- what others see ----------------------------------------------------------------------------------------------

ConsumerTrouble Consumer::as_trouble(std::string reason, bool blocked, bool gap) const {
  const std::string name = options_.consumer + ":" + source_name_;
  std::string remedy = blocked ? "once it is mended: cairn consumer retry " + name + ", or wait up to 30 s" : "wait";
  if (gap) {
    remedy = "restore the records, or go on without them: cairn consumer accept-gap " + name + options_.gap_advice;
  }
  return {.partition = std::nullopt,
          .blocked = blocked,
          .gap = gap,
          .since = clock_.now(),
          .reason = std::move(reason),
          .remedy = std::move(remedy)};
}

void Consumer::set_trouble(const Status& status) {
  // Logged when it changes, not at every retry: an outage of an hour is two lines.
  std::string remedy;
  {
    const MutexLock lock(mutex_);
    if (status.ok() && !trouble_) return;
    if (status.ok()) {
      trouble_.reset();
    } else {
      const bool gap = status.code() == StatusCode::kOutOfRange && !gone_.empty();
      ConsumerTrouble now = as_trouble(status.to_string(), blocks(status), gap);
      const bool same =
          trouble_ && trouble_->blocked == now.blocked && same_but_for_numbers(trouble_->reason, now.reason);
      if (trouble_ && trouble_->blocked == now.blocked) now.since = trouble_->since;
      remedy = now.remedy;
      trouble_ = std::move(now);
      if (same) return;
    }
  }
  if (status.ok()) {
    options_.log.info("consumer.recovered", "consuming again",
                      {{"consumer", options_.consumer}, {"source", source_name_}});
  } else if (blocks(status)) {
    options_.log.error("consumer.blocked", status.to_string(),
                       {{"consumer", options_.consumer}, {"source", source_name_}, {"remedy", remedy}});
  } else if (status.code() == StatusCode::kAborted) {
    // Another daemon on the same schema was first, as where both begin: one goes on from where the other has come to.
    options_.log.info("consumer.waiting", status.to_string(),
                      {{"consumer", options_.consumer}, {"source", source_name_}});
  } else {
    options_.log.warning("consumer.waiting", status.to_string(),
                         {{"consumer", options_.consumer}, {"source", source_name_}});
  }
}

void Consumer::note_unchecked(std::span<const SourcePosition> unchecked) {
  const MutexLock lock(mutex_);
  for (const SourcePosition& one : unchecked) {
    const auto known = std::find_if(unchecked_.begin(), unchecked_.end(),
                                    [&](const UncheckedPosition& old) { return old.partition == one.partition; });
    // A new life of the source that begins at the same place finds the same.
    if (known != unchecked_.end() && known->offset == one.offset) continue;
    if (known != unchecked_.end()) unchecked_.erase(known);
    unchecked_.push_back({one.partition, one.offset, clock_.now()});
  }
}

void Consumer::note_obstacles(const streaming::Source& source) {
  std::vector<ConsumerTrouble> now;
  for (streaming::Obstacle& one : source.obstacles()) {
    ConsumerTrouble& trouble = now.emplace_back(as_trouble(std::move(one.reason), /*blocked=*/true, one.gap));
    trouble.partition = one.partition;
  }
  std::vector<ConsumerTrouble> fresh;
  std::vector<ConsumerTrouble> over;
  {
    const MutexLock lock(mutex_);
    for (ConsumerTrouble& trouble : now) {
      const auto before = std::find_if(told_.begin(), told_.end(), [&](const ConsumerTrouble& one) {
        return one.partition == trouble.partition && same_but_for_numbers(one.reason, trouble.reason);
      });
      before == told_.end() ? fresh.push_back(trouble) : static_cast<void>(trouble.since = before->since);
    }
    for (const ConsumerTrouble& one : told_) {
      const bool stays = std::any_of(
          now.begin(), now.end(), [&](const ConsumerTrouble& trouble) { return trouble.partition == one.partition; });
      if (!stays) over.push_back(one);
    }
    // A life of the source that ends says nothing of its partitions: what was told is told once.
    told_ = now;
    obstacles_ = std::move(now);
  }
  for (const ConsumerTrouble& trouble : fresh) {
    options_.log.error("consumer.partition_blocked", trouble.reason,
                       {{"consumer", options_.consumer},
                        {"source", source_name_},
                        {"partition", std::to_string(trouble.partition->value)},
                        {"remedy", trouble.remedy}});
  }
  for (const ConsumerTrouble& trouble : over) {
    options_.log.info("consumer.partition_recovered", "the partition is read again",
                      {{"consumer", options_.consumer},
                       {"source", source_name_},
                       {"partition", std::to_string(trouble.partition->value)}});
  }
}

/// A source that cannot be reached may have grown: how far behind the consumer is, is not known.
void Consumer::forget_ends() {
  const MutexLock lock(mutex_);
  for (ConsumerStatus& one : status_) {
    one.end_offset.reset();
    one.at_end = false;
  }
}

void Consumer::report(const Work& work, bool at_end, std::uint64_t seen_mark) {
  std::vector<ConsumerStatus> status;
  for (const auto& [partition, position] : work.positions) {
    status.push_back({options_.consumer, source_name_, {partition, position.offset, {}}, std::nullopt, at_end});
  }
  if (const auto ends = work.source->end_positions(); ends.ok()) {
    for (const SourcePosition& end : *ends) {
      for (ConsumerStatus& one : status) {
        if (one.position.partition == end.partition) one.end_offset = end.offset;
      }
    }
  }
  {
    const MutexLock lock(mutex_);
    passed_ = std::max(passed_, seen_mark);
    status_ = std::move(status);
  }
  changed_.notify_all();
}

void Consumer::retry() {
  {
    const MutexLock lock(mutex_);
    retry_ = true;
    // What stands still in a source that works is looked at by a new life of it.
    if (!obstacles_.empty()) anew_.store(true);
  }
  changed_.notify_all();
}

bool Consumer::accept_gap() {
  {
    const MutexLock lock(mutex_);
    std::vector<Partition> gaps;
    if (trouble_ && trouble_->gap) gaps = gone_;
    for (const ConsumerTrouble& one : obstacles_) {
      if (one.gap) gaps.push_back(*one.partition);
    }
    if (gaps.empty()) return false;
    accepted_ = std::move(gaps);
    retry_ = true;
    anew_.store(true);
  }
  changed_.notify_all();
  return true;
}

std::uint64_t Consumer::mark() { return ++marks_; }

Status Consumer::wait_passed(std::uint64_t mark, const CallContext& context) const {
  const auto over = [this, mark]() CAIRN_REQUIRES(mutex_) { return stopped_ || passed_ >= mark; };
  MutexLock lock(mutex_);
  const bool in_time = context.wait_for_others(changed_, lock, over);
  if (passed_ >= mark) return ok_status();
  std::string message = "the " + options_.consumer + " consumer has not reached the end of '" + source_name_ + "'";
  for (const ConsumerTrouble& one : troubles()) {
    message += "; it waits: " + one.reason;
  }
  return in_time ? unavailable(message + ": it has stopped") : context.gave_up().with_context(message);
}

std::vector<ConsumerStatus> Consumer::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

std::vector<ConsumerTrouble> Consumer::troubles() const {
  std::vector<ConsumerTrouble> all = obstacles_;
  if (trouble_) all.insert(all.begin(), *trouble_);
  return all;
}

std::string Consumer::trouble() const {
  const MutexLock lock(mutex_);
  std::string all;
  for (const ConsumerTrouble& one : troubles()) all += (all.empty() ? "" : "; ") + one.reason;
  return all;
}

ConsumerHealth Consumer::health() const {
  const MutexLock lock(mutex_);
  return {.consumer = options_.consumer,
          .source = source_name_,
          .required = options_.required,
          .gap_records = gap_records_,
          .gap_bytes = gap_bytes_,
          .unchecked = unchecked_,
          .troubles = troubles()};
}

}  // namespace cairn::ingest
