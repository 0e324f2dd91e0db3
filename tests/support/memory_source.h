#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/check.h"
#include "cairn/mutex.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/source.h"

namespace cairn::test {

/// A topic in memory whose world the test scripts: records, partitions that are assigned and revoked, errors. It
/// outlives its sources, as a broker does; each source() is one life of a reader, and begins with nothing. Offsets
/// count records. The sources check that they are used as streaming::Source asks for, and stop the program when they
/// are not.
///
/// Threads: any.
class MemoryTopic {
 public:
  /// All of `partitions` are assigned to whoever reads.
  explicit MemoryTopic(std::string name, std::span<const Partition> partitions) : name_(std::move(name)) {
    for (const Partition partition : partitions) shelves_[partition].assigned = true;
  }

  void append(Partition partition, std::string_view payload) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    shelves_[partition].payloads.emplace_back(payload);
    changed_.notify_all();
  }

  /// What the next poll tells: the partition is the reader's, or no longer. Assigning what is assigned says nothing.
  void assign(Partition partition) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    Shelf& shelf = shelves_[partition];
    shelf.turn += shelf.assigned ? 0 : 1;
    shelf.assigned = true;
    changed_.notify_all();
  }
  void revoke(Partition partition) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    shelves_[partition].assigned = false;
    changed_.notify_all();
  }

  /// Waits until no source reads the partition: it was released, or its reader was closed.
  void wait_until_free(Partition partition) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (shelves_[partition].readers > 0) changed_.wait(mutex_);
  }

  /// The next polls, or resumes, of whichever source answer these first, one each; OK stands for a normal answer.
  void script_polls(std::span<const Status> answers) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    polls_.insert(polls_.end(), answers.begin(), answers.end());
  }
  void script_resumes(std::span<const Status> answers) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    resumes_.insert(resumes_.end(), answers.begin(), answers.end());
  }

  /// Sources tell of the obstacle and read nothing of its partition. One whose gap is accepted reads it, and says that
  /// it passed over kGapRecords.
  static constexpr std::uint64_t kGapRecords = 7;
  void obstruct(Partition partition, streaming::Obstacle obstacle) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    obstacles_[partition] = std::move(obstacle);
  }

  /// Records of the partition from `offset` on.
  [[nodiscard]] std::vector<std::string> payloads(Partition partition, std::int64_t offset) const
      CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto& all = shelves_.at(partition).payloads;
    return {all.begin() + offset, all.end()};
  }

  /// A new life of a reader. The topic must outlive it.
  [[nodiscard]] std::unique_ptr<streaming::Source> source();

 private:
  friend class MemorySource;

  struct Shelf {
    std::vector<std::string> payloads;
    bool assigned = false;
    std::uint64_t turn = 0;  ///< how often it was assigned: tells a partition that went and came back
    int readers = 0;
  };

  [[nodiscard]] static Status next(std::deque<Status>* answers) {
    if (answers->empty()) return ok_status();
    Status answer = std::move(answers->front());
    answers->pop_front();
    return answer;
  }

  const std::string name_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::map<Partition, Shelf> shelves_ CAIRN_GUARDED_BY(mutex_);
  std::map<Partition, streaming::Obstacle> obstacles_ CAIRN_GUARDED_BY(mutex_);
  std::deque<Status> polls_ CAIRN_GUARDED_BY(mutex_);
  std::deque<Status> resumes_ CAIRN_GUARDED_BY(mutex_);
};

class MemorySource final : public streaming::Source {
 public:
  explicit MemorySource(MemoryTopic& topic) : topic_(topic) {}
  ~MemorySource() override { close(); }

  [[nodiscard]] const std::string& name() const noexcept override { return topic_.name_; }

  Status poll(std::size_t records_max, std::chrono::milliseconds wait, streaming::RecordBatch* batch) override {
    const auto deadline = std::chrono::steady_clock::now() + wait;
    const MutexLock lock(topic_.mutex_);
    CAIRN_CHECK(to_resume_.empty() && to_release_.empty());
    batch->clear();
    bytes_.clear();
    if (Status scripted = MemoryTopic::next(&topic_.polls_); !scripted.ok()) return scripted;
    while (!closed_) {
      deliver(records_max, batch);
      tell_gaps(batch);
      tell_partitions(batch);
      const bool something = !batch->positions.empty() || !batch->assigned.empty() || !batch->revoked.empty();
      if (something || topic_.changed_.wait_until(topic_.mutex_, deadline) == std::cv_status::timeout) break;
    }
    batch->at_end = !closed_ && to_resume_.empty() && at_end();
    return ok_status();
  }

  Status resume(std::span<const SourcePosition> positions) override {
    const MutexLock lock(topic_.mutex_);
    CAIRN_CHECK(!to_resume_.empty() && to_release_.empty());
    std::map<Partition, Reading> starts;
    for (const auto& [partition, turn] : to_resume_) starts[partition] = {.next = 0, .turn = turn};
    for (const SourcePosition& position : positions) {
      CAIRN_CHECK(to_resume_.contains(position.partition));
      const auto end = static_cast<std::int64_t>(topic_.shelves_[position.partition].payloads.size());
      if (position.offset.value > end) {
        return {StatusCode::kOutOfRange, "topic '" + name() + "', partition " +
                                             std::to_string(position.partition.value) + ", has no offset " +
                                             std::to_string(position.offset.value)};
      }
      starts[position.partition].next = position.offset.value;
    }
    if (Status scripted = MemoryTopic::next(&topic_.resumes_); !scripted.ok()) return scripted;
    for (const auto& [partition, start] : starts) {
      CAIRN_CHECK(reading_.emplace(partition, start).second);
      CAIRN_CHECK(++topic_.shelves_[partition].readers == 1);
    }
    to_resume_.clear();
    return ok_status();
  }

  Status release(std::span<const Partition> partitions) override {
    const MutexLock lock(topic_.mutex_);
    CAIRN_CHECK(std::ranges::equal(partitions, to_release_));
    for (const Partition partition : partitions) leave(partition);
    to_release_.clear();
    return ok_status();
  }

  [[nodiscard]] std::vector<streaming::Obstacle> obstacles() const override {
    const MutexLock lock(topic_.mutex_);
    std::vector<streaming::Obstacle> all;
    for (const auto& [partition, obstacle] : topic_.obstacles_) all.push_back(obstacle);
    return all;
  }

  void accept_gaps(std::span<const Partition> partitions) override {
    const MutexLock lock(topic_.mutex_);
    for (const Partition partition : partitions) gaps_ += topic_.obstacles_.erase(partition);
  }

  [[nodiscard]] Result<std::vector<SourcePosition>> end_positions() const override {
    const MutexLock lock(topic_.mutex_);
    std::vector<SourcePosition> ends;
    for (const auto& [partition, reading] : reading_) {
      const auto end = static_cast<std::int64_t>(topic_.shelves_[partition].payloads.size());
      ends.push_back({partition, Offset{end}, {}});
    }
    return ends;
  }

  void close() override {
    const MutexLock lock(topic_.mutex_);
    closed_ = true;
    while (!reading_.empty()) leave(reading_.begin()->first);
    topic_.changed_.notify_all();
  }

 private:
  struct Reading {
    std::int64_t next = 0;
    std::uint64_t turn = 0;
  };

  /// What is left of a partition that was revoked comes too, as far as there is room: those records are in flight.
  void deliver(std::size_t records_max, streaming::RecordBatch* batch) CAIRN_REQUIRES(topic_.mutex_) {
    for (auto& [partition, reading] : reading_) {
      if (topic_.obstacles_.contains(partition)) continue;
      const auto& payloads = topic_.shelves_[partition].payloads;
      const std::int64_t first = reading.next;
      for (; reading.next < static_cast<std::int64_t>(payloads.size()); ++reading.next) {
        if (batch->records.size() == records_max) break;
        const std::string& payload = payloads[static_cast<std::size_t>(reading.next)];
        bytes_.push_back(payload + std::string(streaming::kPayloadPadding, '\0'));
        batch->records.push_back({partition, Offset{reading.next}, {bytes_.back().data(), payload.size()}});
      }
      if (reading.next > first) batch->positions.push_back({partition, Offset{reading.next}, "a cursor"});
    }
  }

  void tell_gaps(streaming::RecordBatch* batch) CAIRN_REQUIRES(topic_.mutex_) {
    if (batch->positions.empty()) return;
    batch->gap_records = std::exchange(gaps_, 0) * MemoryTopic::kGapRecords;
  }

  void tell_partitions(streaming::RecordBatch* batch) CAIRN_REQUIRES(topic_.mutex_) {
    for (const auto& [partition, shelf] : topic_.shelves_) {
      const auto reading = reading_.find(partition);
      const bool mine = reading != reading_.end() && shelf.assigned && reading->second.turn == shelf.turn;
      if (mine) continue;
      if (reading != reading_.end()) batch->revoked.push_back(partition);
      if (shelf.assigned) batch->assigned.push_back(partition);
      if (shelf.assigned) to_resume_[partition] = shelf.turn;
    }
    to_release_ = batch->revoked;
  }

  [[nodiscard]] bool at_end() const CAIRN_REQUIRES(topic_.mutex_) {
    if (!topic_.obstacles_.empty()) return false;
    return std::all_of(reading_.begin(), reading_.end(), [&](const auto& one) CAIRN_REQUIRES(topic_.mutex_) {
      return one.second.next == static_cast<std::int64_t>(topic_.shelves_[one.first].payloads.size());
    });
  }

  void leave(Partition partition) CAIRN_REQUIRES(topic_.mutex_) {
    CAIRN_CHECK(reading_.erase(partition) == 1);
    --topic_.shelves_[partition].readers;
    topic_.changed_.notify_all();
  }

  MemoryTopic& topic_;
  std::map<Partition, Reading> reading_ CAIRN_GUARDED_BY(topic_.mutex_);
  std::map<Partition, std::uint64_t> to_resume_ CAIRN_GUARDED_BY(topic_.mutex_);  ///< assigned, with its turn
  std::vector<Partition> to_release_ CAIRN_GUARDED_BY(topic_.mutex_);
  std::uint64_t gaps_ CAIRN_GUARDED_BY(topic_.mutex_) = 0;  ///< accepted and not told yet
  bool closed_ CAIRN_GUARDED_BY(topic_.mutex_) = false;
  std::deque<std::string> bytes_;  ///< what the last batch's records view
};

inline std::unique_ptr<streaming::Source> MemoryTopic::source() { return std::make_unique<MemorySource>(*this); }

}  // namespace cairn::test
