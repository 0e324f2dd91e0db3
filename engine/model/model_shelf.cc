#include "engine/model/model_shelf.h"

#include <utility>

namespace cairn::model {

std::shared_ptr<const ServedModel> ModelShelf::current() const {
  const MutexLock lock(mutex_);
  return current_;
}

ModelShelf::Failure ModelShelf::last_failure() const {
  const MutexLock lock(mutex_);
  return failure_;
}

Status ModelShelf::activate(const std::string& directory) {
  const MutexLock one_at_a_time(activation_mutex_);
  auto loaded = ServedModel::load(directory, backend_, clock_.now());
  if (!loaded.ok()) {
    const MutexLock lock(mutex_);
    failure_ = {clock_.now(), directory, loaded.status()};
    return std::move(loaded).status();
  }
  std::shared_ptr<const ServedModel> fresh = *std::move(loaded);
  // What was made for the model in force, such as its rows of places, stays good for it.
  const auto running = current();
  const bool same = running && running->directory() == directory && running->version() == fresh->version();
  put(same ? running : std::move(fresh));
  return ok_status();
}

void ModelShelf::clear() {
  const MutexLock one_at_a_time(activation_mutex_);
  put(nullptr);
}

void ModelShelf::put(std::shared_ptr<const ServedModel> model) {
  // The old one is let go of after the lock: freeing it may take a while.
  const MutexLock lock(mutex_);
  current_.swap(model);
  failure_ = {};
}

}  // namespace cairn::model
