#pragma once

#include <memory>
#include <string>

#include "cairn/clock.h"
#include "cairn/mutex.h"
#include "cairn/status.h"
#include "engine/model/served_model.h"
#include "gpu/backend.h"

namespace cairn::model {

/// The model that is served, replaced while it is. Whoever asks takes current() once and holds it for as long as one
/// answer takes: rows of two models never meet. A model that was replaced lives until its last holder lets go of it.
///
/// Threads: any. current() waits for no load.
class ModelShelf {
 public:
  /// Why the last activation failed.
  struct Failure {
    EventTime at = {};  ///< the epoch: none did, or another has succeeded since
    std::string directory = {};
    Status status = {};
  };

  /// Both must outlive the shelf.
  ModelShelf(gpu::Backend& backend, const Clock& clock) : backend_(backend), clock_(clock) {}

  /// Returns: the model in force, or null.
  [[nodiscard]] std::shared_ptr<const ServedModel> current() const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] Failure last_failure() const CAIRN_EXCLUDES(mutex_);

  /// Loads and checks `directory` whole, then puts it in force in one step. With any failure the model before stays in
  /// force, and last_failure() tells of it. Where directory and version are those in force, nothing changes. One
  /// activation at a time: the next waits. Meanwhile both models are in memory.
  /// Returns: what ServedModel::load() returns.
  Status activate(const std::string& directory) CAIRN_EXCLUDES(activation_mutex_, mutex_);

  /// From here on no model is in force.
  void clear() CAIRN_EXCLUDES(activation_mutex_, mutex_);

 private:
  void put(std::shared_ptr<const ServedModel> model) CAIRN_EXCLUDES(mutex_);

  gpu::Backend& backend_;
  const Clock& clock_;
  Mutex activation_mutex_;  ///< one activation at a time; guards no field, and is taken before mutex_
  mutable Mutex mutex_;
  std::shared_ptr<const ServedModel> current_ CAIRN_GUARDED_BY(mutex_);
  Failure failure_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::model
