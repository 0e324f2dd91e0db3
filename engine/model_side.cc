#include "engine/model_side.h"

#include <filesystem>
#include <utility>

namespace cairn {
namespace {

/// A directory in one spelling, by which it is known again.
std::string spelled(const std::string& directory) {
  if (directory.empty()) return {};
  std::string normal = std::filesystem::path(directory).lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

}  // namespace

ModelSide::ModelSide(ranking::Recommender& recommender, std::unique_ptr<gpu::Backend> backend, std::string configured,
                     const Clock& clock, Logger log)
    : recommender_(recommender),
      backend_(std::move(backend)),
      clock_(clock),
      log_(std::move(log)),
      shelf_(*backend_, clock),
      configured_(std::move(configured)) {}

Result<std::unique_ptr<ModelSide>> ModelSide::open(const ModelOptions& options, const std::string& ranker_dir,
                                                   ranking::Recommender& recommender, const Clock& clock,
                                                   const Logger& log) {
  const std::string directory = spelled(options.dir);
  // One thread: it loads beside requests, which have the processors.
  CAIRN_ASSIGN_OR_RETURN(auto backend, gpu::make_cpu_backend({.threads = 1}));
  std::unique_ptr<ModelSide> made(new ModelSide(recommender, std::move(backend), directory, clock, log));
  {
    const MutexLock lock(made->mutex_);
    made->ranker_.configured = made->ranker_.directory = spelled(ranker_dir);
  }
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
  if (ranking::is_ranker(directory)) return activate_ranker(call, directory, choice);
  CAIRN_RETURN_IF_ERROR(call.check());
  const std::string wanted = spelled(directory);
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

Status ModelSide::load_ranker(const std::string& directory) {
  Result<ranking::RankerModel> read = ranking::configured_ranker(directory);
  Status served = read.ok() ? recommender_.serve_ranker(*std::move(read)) : std::move(read).status();
  const MutexLock lock(mutex_);
  const std::string named = directory.empty() ? "the one that ships with Cairn" : directory;
  if (served.ok()) {
    ranker_.directory = directory;
    ranker_.last_failure.reset();
    log_.info("ranker.activated", "a ranker is in force",
              {{"directory", named}, {"version", std::to_string(recommender_.ranker()->version())}});
  } else {
    ranker_.last_failure = {clock_.now(), directory, served.message()};
    log_.error("ranker.refused", served.message(), {{"directory", named}, {"in_force", ranker_.directory}});
  }
  return served;
}

Status ModelSide::activate_ranker(const CallContext& call, const std::string& directory, ModelChoice choice) {
  CAIRN_RETURN_IF_ERROR(call.check());
  const std::string wanted = spelled(directory);
  if (choice == ModelChoice::kConfigured) {
    const MutexLock lock(mutex_);
    ranker_.configured = wanted;
  }
  const MutexLock one_at_a_time(activation_mutex_);
  return load_ranker(wanted);
}

ModelStatus ModelSide::status() const {
  ModelStatus status;
  {
    const MutexLock lock(mutex_);
    status.configured = configured_;
    status.ranker = ranker_;
  }
  const auto ranker = recommender_.ranker();
  status.ranker.version = ranker->version();
  status.ranker.network = ranker->second() != nullptr;
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

namespace {

/// Trouble of what is configured and could not be loaded; empty: none.
std::string trouble_of(const char* what, const std::string& configured, const std::optional<ModelFailure>& failure,
                       const std::string& in_force) {
  if (!failure || failure->directory != configured) return {};
  return "the configured " + std::string(what) + " could not be loaded, and " + in_force + ": " + failure->reason +
         "; mend it and send SIGHUP, or activate another";
}

}  // namespace

std::string trouble_of(const ModelStatus& status) {
  const RankerStatus& ranker = status.ranker;
  const std::string of_ranker = trouble_of("ranker", ranker.configured, ranker.last_failure,
                                           "version " + std::to_string(ranker.version) + " stays in force");
  if (!of_ranker.empty() || status.configured.empty()) return of_ranker;
  return trouble_of("model", status.configured, status.last_failure,
                    status.in_force() ? "version " + status.version + " stays in force" : "none is in force");
}

std::string remark_of(const ModelStatus& status) {
  if (!status.in_force()) return {};
  return "version " + status.version + " of " + status.directory +
         (status.as_configured() ? "" : ", which is not the configured one");
}

}  // namespace cairn
