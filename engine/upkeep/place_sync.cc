#include "engine/upkeep/place_sync.h"

#include "cairn/kill_point.h"

namespace cairn::upkeep {

void PlaceSync::push() {
  const Status pushed = bring_up_to_date();
  std::string trouble = pushed.ok() ? "" : pushed.to_string();
  if (trouble == trouble_) return;  // said already
  trouble_ = std::move(trouble);
  if (!trouble_.empty()) log_.warning("sql.places", trouble_);
}

Status PlaceSync::bring_up_to_date() {
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t written, find_out());
  // Read before the places are: what is added in between is among them, or above this version.
  const std::uint64_t version = catalog_.version();
  if (written >= version) return ok_status();
  const auto newer = catalog_.newer_than(written);
  CAIRN_RETURN_IF_ERROR(write(newer));
  // A catalogue without places has a version too, after it rose above PostgreSQL's: there is nothing to write for it.
  if (newer.empty()) set_written(version);
  return ok_status();
}

Result<std::uint64_t> PlaceSync::find_out() {
  {
    const MutexLock lock(mutex_);
    if (written_) return *written_;
  }
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t stored, mirror_.places_version());
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t pushed, catalog_.pushed_version());
  if (stored != pushed) CAIRN_RETURN_IF_ERROR(catalog_.rise_above(stored));
  set_written(stored);
  return stored;
}

Status PlaceSync::write(std::span<const state::Catalog::Stored> newer) {
  std::vector<Place> chunk;
  std::vector<sql::DeletedPlace> deleted;
  for (std::size_t i = 0; i < newer.size(); ++i) {
    const state::Catalog::Stored& one = newer[i];
    if (one.deleted) {
      deleted.push_back({one.place, one.deleted->at, one.deleted->history_erased});
    } else {
      chunk.push_back(one.place);
    }
    const bool last = i + 1 == newer.size();
    if (chunk.size() + deleted.size() < chunk_places_max_ && !last) continue;
    const bool version_ends = last || newer[i + 1].version != newer[i].version;
    const std::uint64_t version = version_ends ? newer[i].version : newer[i].version - 1;
    CAIRN_KILL_POINT("places.before_push");
    CAIRN_RETURN_IF_ERROR(mirror_.write_places(chunk, deleted, version));
    CAIRN_KILL_POINT("places.pushed");
    chunk.clear();
    deleted.clear();
    CAIRN_RETURN_IF_ERROR(catalog_.set_pushed_version(version));
    set_written(version);
  }
  return ok_status();
}

void PlaceSync::set_written(std::uint64_t version) {
  {
    const MutexLock lock(mutex_);
    written_ = version;
  }
  written_cv_.notify_all();
}

void PlaceSync::forget() {
  const MutexLock lock(mutex_);
  written_.reset();
}

void PlaceSync::stop() {
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
  }
  written_cv_.notify_all();
}

std::optional<std::uint64_t> PlaceSync::mark() const {
  const MutexLock lock(mutex_);
  return written_ ? std::optional(catalog_.version()) : std::nullopt;
}

Status PlaceSync::wait_for(std::optional<std::uint64_t> mark, const CallContext& context) const {
  MutexLock lock(mutex_);
  const auto there = [&]() CAIRN_REQUIRES(mutex_) {
    if (!mark && written_) mark = catalog_.version();
    return mark && written_ && *written_ >= *mark;
  };
  const auto over = [this, there]() CAIRN_REQUIRES(mutex_) { return stopped_ || there(); };
  if (context.wait_for_others(written_cv_, lock, over)) {
    return there() ? ok_status() : unavailable("the engine is closing; the places have not reached PostgreSQL");
  }
  return context.gave_up().with_context("the places have not reached PostgreSQL");
}

}  // namespace cairn::upkeep
