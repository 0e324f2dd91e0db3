#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <utility>

#include "streaming/api_record.h"
#include "streaming/event_log.h"
#include "streaming/log/record.h"
#include "streaming/one_partition.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

constexpr Partition kPartition{0};
/// The longest that a poll waits, whatever it may: close() cannot wake the log's reader. Records do.
constexpr std::chrono::milliseconds kWaitMax{100};

class LogSource final : public Source {
 public:
  LogSource(std::string name, EventLog& log, const InteractionTypes& types)
      : name_(std::move(name)), log_(log), types_(types) {}

  const std::string& name() const noexcept override { return name_; }

  Status poll(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) override {
    batch->clear();
    if (closed_) return ok_status();
    if (partition_.assign(batch)) return ok_status();
    const Offset before = next_;
    // A gap that was passed over is a position to be stored, whatever comes after it.
    const std::int64_t gap = std::exchange(gap_, 0);
    if (gap != 0) wait = std::chrono::milliseconds(0);
    CAIRN_RETURN_IF_ERROR(read(records_max, std::min(wait, kWaitMax), batch));
    if (gap > 0) batch->gap_bytes += static_cast<std::uint64_t>(gap);
    if (next_ != before || gap != 0) batch->positions.push_back({kPartition, next_, {}});  // records may hold no events
    batch->at_end = next_ == log_.end_offset();
    return ok_status();
  }

  Status resume(std::span<const SourcePosition> positions) override {
    const SourcePosition* stored = partition_.stored(positions);
    const Offset begin = log_.begin_offset();
    const Offset end = log_.end_offset();
    Offset next = stored ? stored->offset : begin;
    const bool gone = next < begin || next > end;
    if (gone && gap_accepted_) {
      // Behind the end lies what was read of a log that was longer: what is written from now on is new.
      const Offset there = std::clamp(next, begin, end);
      gap_ = there.value - next.value;
      next = there;
    } else if (gone) {
      return {StatusCode::kOutOfRange, "source '" + name_ + "', partition 0, is to resume at offset " +
                                           std::to_string(next.value) + ", and its log holds " +
                                           std::to_string(begin.value) + " to " + std::to_string(end.value)};
    }
    next_ = next;
    partition_.resumed();
    return ok_status();
  }

  void accept_gaps(std::span<const Partition> partitions) override { gap_accepted_ = !partitions.empty(); }
  [[nodiscard]] bool can_pass_gaps() const override { return true; }

  Status release(std::span<const Partition> partitions) override { return OnePartition::release(partitions); }

  /// The oldest of the log's ancestors that has the record; empty for the first of them all.
  [[nodiscard]] std::string incarnation(Partition, Offset offset) const override {
    const LogIdentity& identity = log_.identity();
    std::string id = identity.ancestors.empty() ? "" : identity.id;
    Offset shared{INT64_MAX};
    for (const LogAncestor& ancestor : identity.ancestors) {
      shared = std::min(shared, ancestor.end);
      if (offset >= shared) break;
      id = &ancestor == &identity.ancestors.back() ? "" : ancestor.id;
    }
    return id;
  }

  Result<std::vector<SourcePosition>> end_positions() const override {
    return std::vector<SourcePosition>{{kPartition, log_.end_offset(), {}}};
  }

  void close() override { closed_ = true; }

 private:
  Status read(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) {
    decoded_ = 0;
    Status taken;
    const auto visit = [&](Offset offset, Offset next, std::string_view bytes) {
      if (!taken.ok()) return;
      taken = bytes.starts_with(kGivenUp) ? pass_over(offset, next, batch) : take_all(offset, bytes, batch);
      if (taken.ok()) next_ = next;
    };
    const Offset before = next_;
    CAIRN_RETURN_IF_ERROR(log_.read(next_, records_max, wait, &bytes_, visit));
    // The records before a bad one are delivered. The next poll begins with the bad one and reports it.
    return next_ == before ? taken : ok_status();
  }

  /// What stands here is lost, and somebody has decided to go on without it.
  static Status pass_over(Offset offset, Offset next, RecordBatch* batch) {
    batch->gap_bytes += static_cast<std::uint64_t>(next.value - offset.value);
    return ok_status();
  }

  /// A call's events stand together in one record. They are delivered together, because a position lies between records
  /// of the log only; the offset of each is where it begins inside.
  Status take_all(Offset offset, std::string_view bytes, RecordBatch* batch) {
    if (is_erased_record(bytes)) return ok_status();
    if (is_event_record(bytes)) return take(offset, bytes, batch);
    const auto events = events_in(bytes);
    if (!events) return no_event(offset);
    const std::size_t records = batch->records.size();
    const std::size_t decoded = decoded_;
    for (const std::string_view event : *events) {
      if (is_erased_record(event)) continue;
      const Offset inside{offset.value + (event.data() - bytes.data())};
      if (Status taken = take(inside, event, batch); !taken.ok()) {
        batch->records.resize(records);  // all or none
        decoded_ = decoded;
        return taken;
      }
    }
    return ok_status();
  }

  Status no_event(Offset offset) const {
    return data_loss("record at offset " + std::to_string(offset.value) + " of the log of source '" + name_ +
                     "' is whole and holds no event; restore the log from a backup");
  }

  /// A record whose checksum is right and whose content is not was written by a fault of ours, or beside us. It is not
  /// refused like a bad event: the API has acknowledged it as accepted, and a dead letter would lose it in silence. It
  /// does not stop the process either, which would stop again at every start: the consumer stops here, and says so.
  Status take(Offset offset, std::string_view bytes, RecordBatch* batch) {
    if (decoded_ == interactions_.size()) interactions_.emplace_back();
    Interaction& interaction = interactions_[decoded_];
    const auto read = read_api_record(bytes, types_, &interaction);
    if (!read) return no_event(offset);
    const bool is_decoded = read->reject == Reject::kNone;
    if (is_decoded) ++decoded_;
    batch->records.push_back(
        {kPartition, offset, read->payload, read->reject, read->detail, is_decoded ? &interaction : nullptr});
    return ok_status();
  }

  const std::string name_;
  EventLog& log_;
  const InteractionTypes& types_;
  // Of the polling thread.
  OnePartition partition_{kPartition};
  Offset next_;
  bool gap_accepted_ = false;
  std::int64_t gap_ = 0;  ///< passed over by resume(), and not told yet; below 0: the position lay behind the end
  std::string bytes_;     ///< what the last batch's records view
  /// The first `decoded_` are the last batch's; the rest keep their buffers. A deque, because records point into it
  /// while it grows.
  std::deque<Interaction> interactions_;
  std::size_t decoded_ = 0;

  std::atomic<bool> closed_ = false;
};

}  // namespace

std::unique_ptr<Source> make_log_source(std::string name, EventLog& log, const InteractionTypes& types) {
  return std::make_unique<LogSource>(std::move(name), log, types);
}

}  // namespace cairn::streaming
