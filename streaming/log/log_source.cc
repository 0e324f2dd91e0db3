#include <algorithm>
#include <atomic>
#include <utility>

#include "streaming/event_log.h"
#include "streaming/one_partition.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

constexpr Partition kPartition{0};
/// The longest that a poll waits, whatever it may: close() cannot wake the log's reader. Records do.
constexpr std::chrono::milliseconds kWaitMax{100};

class LogSource final : public Source {
 public:
  LogSource(std::string name, EventLog& log) : name_(std::move(name)), log_(log) {}

  const std::string& name() const noexcept override { return name_; }

  Status poll(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) override {
    batch->clear();
    if (closed_) return ok_status();
    if (partition_.assign(batch)) return ok_status();
    CAIRN_RETURN_IF_ERROR(read(records_max, std::min(wait, kWaitMax), batch));
    if (!batch->records.empty()) batch->positions.push_back({kPartition, next_, {}});
    batch->at_end = next_ == log_.end_offset();
    return ok_status();
  }

  Status resume(std::span<const SourcePosition> positions) override {
    const SourcePosition* stored = partition_.stored(positions);
    const Offset begin = log_.begin_offset();
    const Offset end = log_.end_offset();
    const Offset next = stored ? stored->offset : begin;
    if (next < begin || next > end) {
      return {StatusCode::kOutOfRange, "source '" + name_ + "', partition 0, is to resume at offset " +
                                           std::to_string(next.value) + ", and its log holds " +
                                           std::to_string(begin.value) + " to " + std::to_string(end.value)};
    }
    next_ = next;
    partition_.resumed();
    return ok_status();
  }

  Status release(std::span<const Partition> partitions) override { return OnePartition::release(partitions); }

  Result<std::vector<SourcePosition>> end_positions() const override {
    return std::vector<SourcePosition>{{kPartition, log_.end_offset(), {}}};
  }

  void close() override { closed_ = true; }

 private:
  Status read(std::size_t records_max, std::chrono::milliseconds wait, RecordBatch* batch) {
    return log_.read(next_, records_max, wait, &bytes_, [&](Offset offset, Offset next, std::string_view payload) {
      batch->records.push_back({kPartition, offset, payload, Reject::kNone});
      next_ = next;
    });
  }

  const std::string name_;
  EventLog& log_;
  // Of the polling thread.
  OnePartition partition_{kPartition};
  Offset next_;
  std::string bytes_;  ///< what the last batch's records view

  std::atomic<bool> closed_ = false;
};

}  // namespace

std::unique_ptr<Source> make_log_source(std::string name, EventLog& log) {
  return std::make_unique<LogSource>(std::move(name), log);
}

}  // namespace cairn::streaming
