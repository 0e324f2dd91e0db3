#include "engine/model_side.h"

#include <filesystem>
#include <utility>

namespace cairn {
namespace {

/// A directory in one spelling, by which it is known again.
std::string spelled(const std::string& directory) {
  std::string normal = std::filesystem::path(directory).lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

}  // namespace

ModelSide::ModelSide(ranking::Recommender& recommender, std::unique_ptr<gpu::Backend> backend, std::string configured,
                     const Clock& clock, Logger log)
    : recommender_(recommender),
      backend_(std::move(backend)),
      log_(std::move(log)),
      shelf_(*backend_, clock),
      configured_(std::move(configured)) {}

Result<std::unique_ptr<ModelSide>> ModelSide::open(const ModelOptions& options, ranking::Recommender& recommender,
                                                   const Clock& clock, const Logger& log) {
  const std::string directory = options.dir.empty() ? "" : spelled(options.dir);
  // One thread: it loads beside requests, which have the processors.
  CAIRN_ASSIGN_OR_RETURN(auto backend, gpu::make_cpu_backend({.threads = 1}));
  std::unique_ptr<ModelSide> made(new ModelSide(recommender, std::move(backend), directory, clock, log));
  // No reason to refuse the start: what the check of a configuration accepts, a start accepts.
  if (!directory.empty()) {
    const MutexLock lock(made->activation_mutex_);
    static_cast<void>(made->load(directory));
  }
  return made;
}

Status ModelSide::load(const std::string& directory) {
  const Status loaded = shelf_.activate(directory);
  if (loaded.ok()) {
    const auto model = shelf_.current();
    recommender_.serve_model(model);
    log_.info("model.activated", "a model is in force",
              {{"directory", directory},
               {"version", model ? model->version() : ""},
               {"items", std::to_string(model ? model->model().items.size() : 0)}});
  } else {
    const auto before = shelf_.current();
    log_.error("model.refused", loaded.message(),
               {{"directory", directory}, {"in_force", before ? before->directory() : "none"}});
  }
  return loaded;
}

Status ModelSide::activate(const CallContext& call, const std::string& directory, ModelChoice choice) {
  CAIRN_RETURN_IF_ERROR(call.check());
  const std::string wanted = directory.empty() ? "" : spelled(directory);
  if (choice == ModelChoice::kConfigured) {
    const MutexLock lock(mutex_);
    configured_ = wanted;
  }
  const MutexLock one_at_a_time(activation_mutex_);
  if (wanted.empty()) {
    shelf_.clear();
    recommender_.serve_model(nullptr);
    log_.info("model.activated", "no model is in force", {});
  } else {
    CAIRN_RETURN_IF_ERROR(load(wanted));
  }
  return ok_status();
}

ModelStatus ModelSide::status() const {
  ModelStatus status;
  {
    const MutexLock lock(mutex_);
    status.configured = configured_;
  }
  if (const auto failure = shelf_.last_failure(); !failure.status.ok()) {
    status.last_failure = {failure.at, failure.directory, failure.status.message()};
  }
  const auto model = shelf_.current();
  if (!model) return status;
  status.directory = model->directory();
  status.version = model->version();
  status.kind = model->model().kind;
  status.items = model->model().items.size();
  status.segments = model->model().segments.count();
  status.memory_bytes = model->memory_bytes();
  status.loaded = model->loaded();
  if (const auto scores = recommender_.model(); scores && scores->model() == model) {
    status.items_without_place = scores->rows().items_without_place();
    status.places_without_item = scores->rows().places_without_item();
    status.memory_bytes += scores->memory_bytes();
  }
  return status;
}

std::string trouble_of(const ModelStatus& status) {
  if (status.configured.empty()) return {};
  const bool failed = status.last_failure && status.last_failure->directory == status.configured;
  if (!failed) return {};
  const std::string instead = status.in_force() ? "version " + status.version + " stays in force" : "none is in force";
  return "the configured model could not be loaded, and " + instead + ": " + status.last_failure->reason +
         "; mend it and send SIGHUP, or activate another";
}

std::string remark_of(const ModelStatus& status) {
  if (!status.in_force()) return {};
  return "version " + status.version + " of " + status.directory +
         (status.as_configured() ? "" : ", which is not the configured one");
}

}  // namespace cairn
