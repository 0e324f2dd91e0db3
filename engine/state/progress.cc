#include "engine/state/progress.h"

namespace cairn::state {

namespace {

std::vector<Watermark> watermarks(const Positions& positions) {
  std::vector<Watermark> marks;
  marks.reserve(positions.size());
  for (const auto& [key, position] : positions) marks.push_back({key.first, {position.partition, position.offset, {}}});
  return marks;
}

}  // namespace

void Progress::restore(Positions positions, const Counters& counters) {
  const MutexLock lock(mutex_);
  durable_ = positions;
  reflected_ = std::move(positions);
  counters_ = counters;
}

void Progress::reflect(std::string_view source, std::span<const SourcePosition> positions, const Counters& counters) {
  {
    const MutexLock lock(mutex_);
    for (const SourcePosition& position : positions) {
      reflected_[{std::string(source), position.partition}] = position;
    }
    counters_ = counters;
  }
  advanced_.notify_all();
}

void Progress::keep(Positions positions) {
  const MutexLock lock(mutex_);
  durable_ = std::move(positions);
}

std::vector<SourcePosition> Progress::reflected(std::string_view source) const {
  const MutexLock lock(mutex_);
  std::vector<SourcePosition> found;
  for (const auto& [key, position] : reflected_) {
    if (key.first == source) found.push_back(position);
  }
  return found;
}

std::vector<Watermark> Progress::reflected() const {
  const MutexLock lock(mutex_);
  return watermarks(reflected_);
}

std::vector<Watermark> Progress::durable() const {
  const MutexLock lock(mutex_);
  return watermarks(durable_);
}

Positions Progress::positions() const {
  const MutexLock lock(mutex_);
  return reflected_;
}

Counters Progress::counters() const {
  const MutexLock lock(mutex_);
  return counters_;
}

Status Progress::wait_for(const Watermark& watermark, const CallContext& context) const {
  const auto over = [&]() CAIRN_REQUIRES(mutex_) { return stopped_waiting_ || has_reached(watermark); };
  MutexLock lock(mutex_);
  const bool in_time = context.wait_for_others(advanced_, lock, over);
  if (has_reached(watermark)) return ok_status();
  if (in_time) return unavailable("the engine is closing");
  return context.gave_up().with_context("features have not reached offset " +
                                        std::to_string(watermark.position.offset.value) + " of '" + watermark.source +
                                        "'");
}

bool Progress::reached(const Watermark& watermark) const {
  const MutexLock lock(mutex_);
  return has_reached(watermark);
}

void Progress::stop_waiting() {
  {
    const MutexLock lock(mutex_);
    stopped_waiting_ = true;
  }
  advanced_.notify_all();
}

bool Progress::has_reached(const Watermark& watermark) const {
  const auto found = reflected_.find(std::pair(watermark.source, watermark.position.partition));
  return found != reflected_.end() && found->second.offset >= watermark.position.offset;
}

}  // namespace cairn::state
