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
#include "engine/ranking/recommender.h"
#include "gpu/backend.h"

namespace cairn {

/// All that an engine has for models: what they are computed with, and the one in force, which ranking is given, as is
/// the ranker.
///
/// Threads: any.
class ModelSide {
 public:
  /// Loads the configured model. One that cannot be loaded is logged, and none is in force: the engine serves without
  /// it. `recommender`, which was created with the ranker in `ranker_dir`, and `clock` must outlive it.
  /// Returns: what gpu::make_cpu_backend() returns.
  [[nodiscard]] static Result<std::unique_ptr<ModelSide>> open(const ModelOptions& options,
                                                               const std::string& ranker_dir,
                                                               ranking::Recommender& recommender, const Clock& clock,
                                                               const Logger& log);

  /// See Engine::activate_model.
  Status activate(const CallContext& call, const std::string& directory, ModelChoice choice)
      CAIRN_EXCLUDES(activation_mutex_, mutex_);
  /// See Engine::activate_ranker.
  Status activate_ranker(const CallContext& call, const std::string& directory, ModelChoice choice)
      CAIRN_EXCLUDES(activation_mutex_, mutex_);

  [[nodiscard]] ModelStatus status() const CAIRN_EXCLUDES(mutex_);

 private:
  ModelSide(ranking::Recommender& recommender, std::unique_ptr<gpu::Backend> backend, std::string configured,
            const Clock& clock, Logger log);
  Status load(const std::string& directory) CAIRN_REQUIRES(activation_mutex_);
  Status load_ranker(const std::string& directory) CAIRN_REQUIRES(activation_mutex_) CAIRN_EXCLUDES(mutex_);

  ranking::Recommender& recommender_;
  const std::unique_ptr<gpu::Backend> backend_;
  const Clock& clock_;
  const Logger log_;
  model::ModelShelf shelf_;
  Mutex activation_mutex_;  ///< until ranking has what was activated; guards no field, and is taken before mutex_
  mutable Mutex mutex_;
  std::string configured_ CAIRN_GUARDED_BY(mutex_);
  RankerStatus ranker_ CAIRN_GUARDED_BY(mutex_);  ///< but what the recommender knows of it
};

/// What readiness says of models: trouble while the configured one could not be loaded; empty: none.
[[nodiscard]] std::string trouble_of(const ModelStatus& status);
/// The model in force in a few words; empty: none.
[[nodiscard]] std::string remark_of(const ModelStatus& status);

}  // namespace cairn
