#include "gpu/cuda/workspace.h"

#include <algorithm>

namespace cairn::gpu::cuda {
namespace {

/// A shape is recorded when it comes this often: recording costs what tens of direct runs do.
constexpr std::uint32_t kRunsBeforeGraph = 8;
constexpr std::size_t kEntriesMax = 64;

}  // namespace

std::vector<const void*> Workspace::places() const {
  return {host_input.data(),  input.data(),      output.data(),  host_output.data(),
          query_codes.data(), slot_state.data(), samples.data(), candidates.data()};
}

void Workspace::forget_moved_graphs() {
  std::vector<const void*> now = places();
  // Any graph may use any of the arrays, so all of them are forgotten when one has moved.
  if (now == places_) return;
  entries_.clear();
  places_ = std::move(now);
}

Workspace::Entry& Workspace::entry_of(const PassShape& shape) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.shape == shape; });
  if (found != entries_.end()) {
    std::rotate(found, found + 1, entries_.end());
  } else {
    // The one that was not used for longest makes room.
    if (entries_.size() == kEntriesMax) entries_.erase(entries_.begin());
    entries_.push_back({.shape = shape});
  }
  return entries_.back();
}

Status Workspace::run(const PassShape& shape, const std::function<void(Stream&)>& record) {
  Entry& entry = entry_of(shape);
  if (!has_graphs() || ++entry.runs < kRunsBeforeGraph) {
    record(stream);
    return ok_status();
  }
  if (entry.graph.empty()) {
    stream.begin_capture();
    record(stream);
    CAIRN_ASSIGN_OR_RETURN(Graph graph, stream.end_capture());
    entry.graph.push_back(std::move(graph));
  }
  stream.replay(entry.graph.front());
  return ok_status();
}

}  // namespace cairn::gpu::cuda
