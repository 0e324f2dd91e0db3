#pragma once

#include <memory>
#include <string>

#include "cairn/call_context.h"
#include "cairn/clock.h"
#include "cairn/engine.h"
#include "cairn/engine_status.h"
#include "cairn/log.h"
#include "cairn/mutex.h"
#include "cairn/options.h"
#include "engine/model/model_shelf.h"
#include "engine/ranking/model_scores.h"
#include "engine/ranking/retrieve/place_index.h"
#include "gpu/backend.h"

namespace cairn {

/// All that an engine has for models: what they are computed with, the one in force, and its scores for the place index
/// in force.
///
/// Threads: any.
class ModelSide {
 public:
  /// Loads the configured model. One that cannot be loaded is logged, and none is in force: the engine serves without
  /// it. `clock` must outlive it.
  /// Returns: what gpu::make_cpu_backend() returns.
  [[nodiscard]] static Result<std::unique_ptr<ModelSide>> open(const ModelOptions& options, const Clock& clock,
                                                               const Logger& log);

  /// See Engine::activate_model. `index` is the place index in force.
  Status activate(const CallContext& call, const std::string& directory, ModelChoice choice,
                  const std::shared_ptr<const ranking::PlaceIndex>& index) CAIRN_EXCLUDES(mutex_);

  /// Brings the scores up to the index in force. Cheap when nothing has changed.
  void refresh(const std::shared_ptr<const ranking::PlaceIndex>& index) {
    static_cast<void>(scores_.of(index, shelf_.current()));
  }

  /// What ranking asks with: a request takes the model once, and its scores for the index that it holds.
  [[nodiscard]] std::shared_ptr<const model::ServedModel> current() const { return shelf_.current(); }
  [[nodiscard]] ranking::ModelScoresCache& scores() noexcept { return scores_; }

  [[nodiscard]] ModelStatus status() const CAIRN_EXCLUDES(mutex_);

 private:
  ModelSide(std::unique_ptr<gpu::Backend> backend, std::string configured, const Clock& clock, Logger log);
  Status load(const std::string& directory);

  const std::unique_ptr<gpu::Backend> backend_;
  const Logger log_;
  model::ModelShelf shelf_;
  ranking::ModelScoresCache scores_;
  mutable Mutex mutex_;
  std::string configured_ CAIRN_GUARDED_BY(mutex_);
};

/// What readiness says of models: trouble while the configured one could not be loaded; empty: none.
[[nodiscard]] std::string trouble_of(const ModelStatus& status);
/// The model in force in a few words; empty: none.
[[nodiscard]] std::string remark_of(const ModelStatus& status);

}  // namespace cairn
