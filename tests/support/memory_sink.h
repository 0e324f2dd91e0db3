#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/mutex.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "engine/ingest/sink.h"

namespace cairn::test {

/// A sink in memory: counts of places and positions, stored together. A test can make it fail, and look at it while a
/// consumer works. Threads: any.
class MemorySink final : public ingest::Sink {
 public:
  using Counts = std::map<std::string, std::int64_t>;  ///< events by place

  [[nodiscard]] Result<std::vector<SourcePosition>> resume(const std::string& source,
                                                           std::span<const Partition> partitions) override {
    const MutexLock lock(mutex_);
    if (Status answer = next_answer(); !answer.ok()) return answer;
    std::vector<SourcePosition> stored;
    for (const Partition partition : partitions) {
      const auto found = positions_.find({source, partition});
      if (found != positions_.end()) stored.push_back(found->second);
    }
    return stored;
  }

  Status apply(const std::string& source, const ingest::DecodedBatch& batch) override {
    const MutexLock lock(mutex_);
    if (Status answer = next_answer(); !answer.ok()) return answer;
    for (const SourcePosition& after : batch.after) {
      const auto stored = positions_.find({source, after.partition});
      const auto before = std::find_if(batch.before.begin(), batch.before.end(),
                                       [&](const SourcePosition& one) { return one.partition == after.partition; });
      const bool follows = stored == positions_.end() ? before == batch.before.end()
                                                      : before != batch.before.end() && *before == stored->second;
      if (!follows) return {StatusCode::kAborted, "the stored positions are others"};
    }
    for (const Interaction& one : batch.interactions) ++counts_[one.place.str()];
    refused_ += batch.refused.size();
    for (const ingest::Refused& one : batch.refused) details_.push_back(one.detail);
    for (const SourcePosition& after : batch.after) positions_[{source, after.partition}] = after;
    applied_.notify_all();
    return ok_status();
  }

  Status revoke(const std::string&, std::span<const Partition> partitions) override {
    const MutexLock lock(mutex_);
    if (Status answer = next_answer(); !answer.ok()) return answer;
    revoked_.insert(revoked_.end(), partitions.begin(), partitions.end());
    return ok_status();
  }

  /// The next calls answer these first, one each; OK stands for a normal answer.
  void script(std::span<const StatusCode> answers) {
    const MutexLock lock(mutex_);
    answers_.insert(answers_.end(), answers.begin(), answers.end());
  }

  /// All calls answer this, until told otherwise.
  void fail_with(StatusCode answer) {
    const MutexLock lock(mutex_);
    always_ = answer;
  }

  [[nodiscard]] Counts counts() const {
    const MutexLock lock(mutex_);
    return counts_;
  }
  [[nodiscard]] std::size_t refused() const {
    const MutexLock lock(mutex_);
    return refused_;
  }
  /// What was said of each refused record.
  [[nodiscard]] std::vector<std::string> details() const {
    const MutexLock lock(mutex_);
    return details_;
  }
  [[nodiscard]] std::optional<SourcePosition> position(const std::string& source, Partition partition) const {
    const MutexLock lock(mutex_);
    const auto found = positions_.find({source, partition});
    return found == positions_.end() ? std::nullopt : std::optional(found->second);
  }
  /// Waits until the position stored for the partition is `offset` or later.
  void wait_until(const std::string& source, Partition partition, Offset offset) {
    const MutexLock lock(mutex_);
    while (true) {
      const auto found = positions_.find({source, partition});
      if (found != positions_.end() && found->second.offset >= offset) return;
      applied_.wait(mutex_);
    }
  }
  /// Every partition that was revoked, as often as it was.
  [[nodiscard]] std::vector<Partition> revoked() const {
    const MutexLock lock(mutex_);
    return revoked_;
  }

 private:
  [[nodiscard]] Status next_answer() CAIRN_REQUIRES(mutex_) {
    if (always_ != StatusCode::kOk) return {always_, "as told"};
    if (answers_.empty()) return ok_status();
    const StatusCode answer = answers_.front();
    answers_.pop_front();
    return answer == StatusCode::kOk ? ok_status() : Status(answer, "as told");
  }

  mutable Mutex mutex_;
  CondVar applied_;
  StatusCode always_ CAIRN_GUARDED_BY(mutex_) = StatusCode::kOk;
  std::deque<StatusCode> answers_ CAIRN_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, Partition>, SourcePosition> positions_ CAIRN_GUARDED_BY(mutex_);
  Counts counts_ CAIRN_GUARDED_BY(mutex_);
  std::size_t refused_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> details_ CAIRN_GUARDED_BY(mutex_);
  std::vector<Partition> revoked_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::test
