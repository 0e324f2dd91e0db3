#include "engine/ingest/sinks.h"

#include <vector>

namespace cairn::ingest {

Status FeatureSink::apply(const std::string& source, const DecodedBatch& batch) {
  if (!batch.refused.empty()) {
    std::vector<streaming::DeadLetter> letters;
    letters.reserve(batch.refused.size());
    for (const Refused& one : batch.refused) {
      letters.push_back({source, one.partition, one.offset, one.reason, one.detail, one.payload, clock_.now()});
    }
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(dead_letters_.append(letters));
  }
  return state_.apply({source, batch.interactions, batch.after, batch.refused.size()});
}

Result<std::vector<SourcePosition>> SqlSink::resume(const std::string& source) {
  if (!migrated_.load()) {
    CAIRN_RETURN_IF_ERROR(upkeep_.migrate());
    migrated_.store(true);
  }
  return materializer_.load_positions(name_in_sql(source));
}

std::string SqlSink::name_in_sql(const std::string& source) const {
  return source == kApiSource ? source + "/" + state_id_ : source;
}

Status SqlSink::apply(const std::string& source, const DecodedBatch& batch) {
  CAIRN_ASSIGN_OR_RETURN(const auto applied,
                         materializer_.apply(name_in_sql(source), batch.interactions, batch.before, batch.after));
  rows_.fetch_add(applied.rows, std::memory_order_relaxed);
  return ok_status();
}

}  // namespace cairn::ingest
