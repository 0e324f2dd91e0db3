#include "engine/ingest/consumer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>

#include "engine/state/parallel.h"
#include "streaming/decode.h"

namespace cairn::ingest {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollWait{200};
constexpr milliseconds kRetryFirst{50};
constexpr milliseconds kRetryLast{5'000};

/// Doubling waits with jitter, so that consumers that failed together do not return together.
class Backoff {
 public:
  milliseconds next() {
    const milliseconds wait = std::min(wait_, kRetryLast);
    wait_ = wait * 2;
    std::uniform_int_distribution<milliseconds::rep> jitter(wait.count() / 2, wait.count());
    return milliseconds(jitter(random_));
  }

 private:
  milliseconds wait_ = kRetryFirst;
  std::minstd_rand random_{std::random_device{}()};
};

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
  std::vector<Refused> refused;
  /// Of the partitions that are read, after the last applied batch: what the sink has stored.
  std::map<Partition, SourcePosition> positions;
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
    const Status ended = consume(stop, work);
    if (ended.ok()) return;
    // Only failures in a row make the waits grow: a source that brought something is well again.
    if (work.applied_at != steady_clock::time_point{}) backoff = Backoff{};
    set_trouble(ended);
    if (!is_retryable(ended.code())) {
      options_.log.error("consumer.stopped", ended.message(),
                         {{"consumer", options_.consumer}, {"source", source_name_}});
      return;
    }
    if (!pause(stop, backoff.next())) return;
  }
}

Status Consumer::consume(const std::stop_token& stop, Work& work) {
  work.source = make_source_();
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
  // Read before the poll: whatever was there when a mark was asked for is behind us once a poll that began later
  // reports the end.
  const std::uint64_t seen_mark = marks_.load();
  CAIRN_RETURN_IF_ERROR(work.source->poll(options_.records_max, kPollWait, &work.batch));
  work.small = work.batch.records.size() < options_.records_max / 8;
  const bool ended = work.batch.at_end || work.batch.finished;
  const bool moved = !work.batch.positions.empty();
  const bool changed = !work.batch.revoked.empty() || !work.batch.assigned.empty();
  // The order matters: what is revoked is released with its last records applied, and what comes back in the same batch
  // is resumed behind them.
  if (moved) CAIRN_RETURN_IF_ERROR(apply(stop, work));
  if (!work.batch.revoked.empty()) CAIRN_RETURN_IF_ERROR(give_back(stop, work));
  if (!work.batch.assigned.empty()) CAIRN_RETURN_IF_ERROR(take_over(work));
  set_trouble(ok_status());
  if (ended || moved || changed) report(work, ended ? seen_mark : 0);
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
    }
    if (reject == streaming::Reject::kNone) continue;
    chunk->holes.push_back(i);
    chunk->refused.push_back({record.partition, record.offset, reject, std::string(detail), record.payload});
  }
}

/// Brings the interactions together where refused records have left holes among them. Their order stays.
void Consumer::close_up(std::span<DecodeChunk> chunks, Work& work) {
  work.refused.clear();
  std::vector<std::size_t> holes;
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
  const DecodedBatch batch{std::span(work.interactions).first(work.decoded), work.refused, work.before,
                           work.batch.positions};
  CAIRN_RETURN_IF_ERROR(until_taken(stop, [&] { return sink_.apply(source_name_, batch); }));
  for (const SourcePosition& after : work.batch.positions) work.positions[after.partition] = after;
  work.applied_at = steady_clock::now();
  return ok_status();
}

Status Consumer::give_back(const std::stop_token& stop, Work& work) {
  CAIRN_RETURN_IF_ERROR(until_taken(stop, [&] { return sink_.revoke(source_name_, work.batch.revoked); }));
  for (const Partition partition : work.batch.revoked) work.positions.erase(partition);
  return work.source->release(work.batch.revoked);
}

/// The positions are looked up at every assignment, also of a partition that was read before: somebody else may have
/// read on meanwhile.
Status Consumer::take_over(Work& work) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<SourcePosition> stored, sink_.resume(source_name_, work.batch.assigned));
  CAIRN_RETURN_IF_ERROR(work.source->resume(stored));
  for (const SourcePosition& position : stored) work.positions[position.partition] = position;
  return ok_status();
}

Status Consumer::until_taken(const std::stop_token& stop, const std::function<Status()>& attempt) {
  Backoff backoff;
  while (true) {
    Status answered = attempt();
    // Another try would be ABORTED too: the batch does not follow what is stored.
    if (answered.ok() || answered.code() == StatusCode::kAborted || !is_retryable(answered.code())) return answered;
    set_trouble(answered);
    if (!pause(stop, backoff.next())) return {StatusCode::kCancelled, "stopped"};
  }
}

bool Consumer::pause(const std::stop_token& stop, milliseconds time) const {
  MutexLock lock(mutex_);
  changed_.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

// ---- what others see ----------------------------------------------------------------------------------------------

void Consumer::set_trouble(const Status& status) {
  const std::string now = status.ok() ? "" : status.to_string();
  // Logged when it changes, not at every retry: an outage of an hour is two lines.
  {
    const MutexLock lock(mutex_);
    if (trouble_ == now) return;
    trouble_ = now;
  }
  if (now.empty()) {
    options_.log.info("consumer.recovered", "consuming again",
                      {{"consumer", options_.consumer}, {"source", source_name_}});
  } else {
    options_.log.warning("consumer.waiting", now, {{"consumer", options_.consumer}, {"source", source_name_}});
  }
}

void Consumer::report(const Work& work, std::uint64_t seen_mark) {
  std::vector<ConsumerStatus> status;
  for (const auto& [partition, position] : work.positions) {
    status.push_back({options_.consumer,
                      source_name_,
                      {partition, position.offset, {}},
                      std::nullopt,
                      work.batch.at_end || work.batch.finished});
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

std::uint64_t Consumer::mark() { return ++marks_; }

Status Consumer::wait_passed(std::uint64_t mark, const CallContext& context) const {
  const auto over = [this, mark]() CAIRN_REQUIRES(mutex_) { return stopped_ || passed_ >= mark; };
  MutexLock lock(mutex_);
  const bool in_time = context.wait(changed_, lock, over);
  if (passed_ >= mark) return ok_status();
  std::string message = "the " + options_.consumer + " consumer has not reached the end of '" + source_name_ + "'";
  if (!trouble_.empty()) message += "; it waits: " + trouble_;
  return in_time ? unavailable(message + ": it has stopped") : context.check().with_context(message);
}

std::vector<ConsumerStatus> Consumer::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

std::string Consumer::trouble() const {
  const MutexLock lock(mutex_);
  return trouble_;
}

}  // namespace cairn::ingest
