#include "engine/ingest/api_intake_calls.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace cairn::ingest {

namespace {

using streaming::ApiCall;
using streaming::CallKey;

constexpr std::size_t kRecordsAtOnce = 10'000;
constexpr std::size_t kCallsPerRecord = 100'000;  // of 48 bytes each

}  // namespace

Result<std::optional<ApiCall>> TakenCalls::begin(const CallContext& context, CallKey key, std::uint32_t content) {
  MutexLock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(load());
  const auto free = [&]() CAIRN_REQUIRES(mutex_) { return !under_way_.contains(key); };
  if (!context.wait(over_, lock, free)) {
    return context.check().with_context("another call with this idempotency key is under way");
  }
  forget_old();
  const auto found = known_.find(key);
  if (found == known_.end()) {
    under_way_.insert(key);
    return std::optional<ApiCall>();
  }
  if (found->second.call.content != content) {
    return invalid_argument(
        "this idempotency key was used for other events; a call that is not a repeat needs a new one");
  }
  return std::optional(found->second.call);
}

void TakenCalls::end(CallKey key, const std::optional<ApiCall>& taken) {
  {
    const MutexLock lock(mutex_);
    under_way_.erase(key);
    // In the record, which ends where the call does.
    if (taken) remember(*taken, Offset{taken->end.value - 1});
  }
  over_.notify_all();
}

void TakenCalls::remember(const ApiCall& call, Offset at) {
  known_.insert_or_assign(call.key, Known{call, at});
  order_.emplace_back(call.taken, call.key);
}

void TakenCalls::forget_old() {
  const EventTime oldest = clock_.now() - options_.age_max;
  while (!order_.empty() && (order_.front().first < oldest || order_.size() > options_.calls_max)) {
    const auto found = known_.find(order_.front().second);
    // A key may have been used anew since.
    if (found != known_.end() && found->second.call.taken == order_.front().first) known_.erase(found);
    order_.pop_front();
  }
}

Status TakenCalls::load() {
  if (loaded_) return ok_status();
  known_.clear();
  order_.clear();
  // Nothing is removed from the log meanwhile: whoever removes calls keep() first. Calls that are appended meanwhile
  // have no key.
  CAIRN_RETURN_IF_ERROR(read_log(log_.begin_offset(), log_.end_offset()).with_context("idempotency keys"));
  // Those that were written down again stand twice, and behind newer ones.
  std::sort(order_.begin(), order_.end());
  order_.erase(std::unique(order_.begin(), order_.end()), order_.end());
  loaded_ = true;
  return ok_status();
}

Status TakenCalls::read_log(Offset from, Offset end) {
  std::string bytes;
  while (from < end) {
    const Offset before = from;
    const auto visit = [&](Offset offset, Offset next, std::string_view record) CAIRN_REQUIRES(mutex_) {
      from = next;
      if (streaming::is_event_record(record)) return;
      const auto calls = streaming::read_calls(record, next);
      // What is no record at all is the consumers' to report. They stop there, so nothing behind it is removed either.
      if (!calls) return;
      for (const ApiCall& call : *calls) remember(call, Offset{offset.value + 1});
    };
    CAIRN_RETURN_IF_ERROR(log_.read(from, kRecordsAtOnce, std::chrono::milliseconds(0), &bytes, visit));
    if (from == before) break;
  }
  return ok_status();
}

Status TakenCalls::keep(Offset begin) {
  const MutexLock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(load());
  forget_old();
  std::vector<ApiCall> lost;
  for (const auto& [taken, key] : order_) {
    const auto found = known_.find(key);
    if (found == known_.end() || found->second.call.taken != taken || found->second.at >= begin) continue;
    lost.push_back(found->second.call);
  }
  for (std::size_t first = 0; first < lost.size(); first += kCallsPerRecord) {
    const auto some = std::span(lost).subspan(first, std::min(kCallsPerRecord, lost.size() - first));
    std::string record;
    streaming::append_known_calls_record(some, &record);
    const std::string_view payload = record;
    CAIRN_ASSIGN_OR_RETURN(const Offset end, log_.append(std::span(&payload, 1)));
    for (const ApiCall& call : some) known_.at(call.key).at = Offset{end.value - 1};
  }
  return ok_status();
}

std::size_t TakenCalls::size() const {
  const MutexLock lock(mutex_);
  return known_.size();
}

}  // namespace cairn::ingest
