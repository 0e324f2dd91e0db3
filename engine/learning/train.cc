#include "engine/learning/train.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "engine/learning/checkpoint.h"
#include "engine/learning/distilled.h"
#include "engine/learning/parameters.h"
#include "engine/learning/segments.h"
#include "gpu/train/ease.h"
#include "gpu/train/graph_filter.h"
#include "gpu/train/ials.h"
#include "gpu/train/item_knn.h"

namespace cairn::learning {
namespace {

using Components = std::vector<model::Component>;

/// What every way of training is given.
struct Training {
  const Interactions& interactions;
  const TrainOptions& options;
  Parameters parameters;
  std::size_t segments = 0;  ///< of users, found when the components are trained

  [[nodiscard]] gpu::SparseView view() const { return interactions.view(); }
  /// No matrix has more singular vectors than it has rows or columns.
  [[nodiscard]] std::size_t rank_max() const { return std::min(interactions.users.size(), interactions.items.size()); }
  void remark(const std::string& text) const {
    if (options.remark) options.remark(text);
  }
};

model::Component item_weights(std::string name, gpu::SparseWeights weights) {
  return {.name = std::move(name), .kind = model::ComponentKind::kItemWeights, .weights = std::move(weights)};
}

// Popularity and item-knn.

Result<Components> train_popularity(Training& training) {
  CAIRN_RETURN_IF_ERROR(training.parameters.check());
  return Components{{.name = "popularity", .kind = model::ComponentKind::kPopularity}};
}

Result<Components> train_neighbours(Training& training) {
  gpu::ItemKnnOptions options{.threads = training.options.threads};
  training.parameters.take("shrinkage", &options.shrinkage);
  training.parameters.take("keep", &options.keep);
  CAIRN_RETURN_IF_ERROR(training.parameters.check());
  CAIRN_ASSIGN_OR_RETURN(auto weights, gpu::train_item_knn(training.view(), options, training.options.progress));
  Components components;
  components.push_back(item_weights("neighbours", std::move(weights)));
  return components;
}

// EASE.

void take_ease(const std::string& prefix, Parameters* parameters, gpu::EaseOptions* options) {
  parameters->take(prefix + "regularization", &options->regularization);
  parameters->take(prefix + "user_exponent", &options->user_exponent);
  parameters->take(prefix + "item_offset", &options->item_offset);
  parameters->take(prefix + "item_slope", &options->item_slope);
  parameters->take(prefix + "item_exponent", &options->item_exponent);
  parameters->take(prefix + "diagonal_exponent", &options->diagonal_exponent);
  parameters->take(prefix + "output_exponent", &options->output_exponent);
  parameters->take(prefix + "keep", &options->keep);
  parameters->take("memory_max_bytes", &options->memory_max_bytes);
}

Result<Components> train_plain_ease(Training& training) {
  gpu::EaseOptions options{.threads = training.options.threads};
  take_ease("", &training.parameters, &options);
  CAIRN_RETURN_IF_ERROR(training.parameters.check());
  CAIRN_ASSIGN_OR_RETURN(auto weights, gpu::train_ease(training.view(), options, training.options.progress));
  Components components;
  components.push_back(item_weights("ease", std::move(weights)));
  return components;
}

// Graph filters.

Result<Components> train_graph(Training& training) {
  gpu::GraphFilterOptions options{.seed = training.options.seed, .threads = training.options.threads};
  Parameters& parameters = training.parameters;
  parameters.take("dim", &options.dim);
  parameters.take("low_rank_weight", &options.low_rank_weight);
  parameters.take("low_rank_exponent", &options.low_rank_exponent);
  parameters.take("user_exponent", &options.user_exponent);
  parameters.take("item_exponent", &options.item_exponent);
  parameters.take("svd_iterations", &options.svd_iterations);
  parameters.take("sharpening", &options.sharpening);
  parameters.take("sharpening_steps", &options.sharpening_steps);
  parameters.take("sharpen_low_rank", &options.sharpen_low_rank);
  parameters.take("keep", &options.keep);
  CAIRN_RETURN_IF_ERROR(parameters.check());
  options.dim = std::min(options.dim, training.rank_max());
  CAIRN_ASSIGN_OR_RETURN(gpu::GraphFilter filter,
                         gpu::train_graph_filter(training.view(), options, training.options.progress));
  Components components;
  components.push_back(item_weights("filter", std::move(filter.weights)));
  if (filter.dim == 0) return components;
  components.push_back({.name = "low_rank",
                        .kind = model::ComponentKind::kEmbedding,
                        .dim = filter.dim,
                        .item_vectors = std::move(filter.items),
                        .history_vectors = std::move(filter.history)});
  return components;
}

// iALS, by itself or after a teacher.

/// A block of 0 stands for whole rows, solved by the processors' fold-in.
struct IalsPlan {
  gpu::IalsOptions options = {.block = 0};
  std::size_t epochs = 10;
};

void take_ials(const std::string& prefix, Parameters* parameters, IalsPlan* plan) {
  gpu::IalsOptions& options = plan->options;
  bool hu_koren_volinsky = options.objective.target == gpu::FoldInOptions::Target::kHuKorenVolinsky;
  parameters->take("dim", &options.dim);
  parameters->take("epochs", &plan->epochs);
  parameters->take(prefix + "block", &options.block);
  parameters->take(prefix + "unobserved_weight", &options.objective.unobserved_weight);
  parameters->take(prefix + "regularization", &options.objective.regularization);
  parameters->take(prefix + "frequency_exponent", &options.objective.frequency_exponent);
  parameters->take(prefix + "init_stddev", &options.init_stddev);
  parameters->take(prefix + "hu_koren_volinsky", &hu_koren_volinsky);
  options.objective.target =
      hu_koren_volinsky ? gpu::FoldInOptions::Target::kHuKorenVolinsky : gpu::FoldInOptions::Target::kOne;
}

/// Everything that factors depend on, but for the number of epochs, which may grow from one run to the next.
std::string fingerprint_of(const Training& training) {
  std::string text = "ials seed=" + std::to_string(training.options.seed);
  for (const auto& [name, value] : training.parameters.used()) {
    if (name != "epochs" && name != "segments") text += " " + name + "=" + value;
  }
  return training_fingerprint(training.interactions, text);
}

Status resume(const Training& training, const std::string& fingerprint, std::size_t epochs, gpu::IalsTrainer* trainer) {
  const std::string& folder = training.options.checkpoint;
  CAIRN_ASSIGN_OR_RETURN(std::optional<Checkpoint> found, load_checkpoint(folder, fingerprint));
  if (!found || found->epochs_done > epochs) {
    training.remark("nothing to resume: " + folder + " has no checkpoint of this training");
    return ok_status();
  }
  training.remark("resuming after epoch " + std::to_string(found->epochs_done));
  return trainer->restore(std::move(found->factors), found->epochs_done).with_context(folder);
}

Status run_epochs(const Training& training, std::size_t epochs, const gpu::Progress& progress,
                  gpu::IalsTrainer* trainer) {
  const bool kept = !training.options.checkpoint.empty();
  const std::string fingerprint = kept ? fingerprint_of(training) : std::string();
  if (kept && training.options.resume) CAIRN_RETURN_IF_ERROR(resume(training, fingerprint, epochs, trainer));
  while (trainer->epochs_done() < epochs) {
    const auto done = static_cast<double>(trainer->epochs_done());
    const auto all = static_cast<double>(epochs);
    CAIRN_RETURN_IF_ERROR(trainer->epoch(gpu::part_of(progress, done / all, (done + 1.0) / all)));
    if (!kept) continue;
    CAIRN_RETURN_IF_ERROR(
        save_checkpoint(training.options.checkpoint, fingerprint, trainer->factors(), trainer->epochs_done()));
  }
  return ok_status();
}

Result<model::Component> trained_factors(const Training& training, IalsPlan plan, const gpu::Progress& progress) {
  plan.options.seed = training.options.seed;
  plan.options.threads = training.options.threads;
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = plan.options.threads}));
  if (plan.options.block == 0) plan.options.backend = backend.get();
  CAIRN_ASSIGN_OR_RETURN(const auto trainer, gpu::IalsTrainer::create(training.view(), plan.options));
  CAIRN_RETURN_IF_ERROR(run_epochs(training, plan.epochs, progress, trainer.get()));
  return model::Component{.name = "ials",
                          .kind = model::ComponentKind::kFoldIn,
                          .dim = trainer->factors().dim,
                          .item_vectors = trainer->factors().items,
                          .fold_in = plan.options.objective};
}

IalsPlan default_ials() {
  IalsPlan plan;
  plan.options.objective = {.unobserved_weight = 0.01F, .regularization = 0.003F, .frequency_exponent = 1.0F};
  return plan;
}

Result<Components> train_factors(Training& training) {
  IalsPlan plan = default_ials();
  take_ials("", &training.parameters, &plan);
  CAIRN_RETURN_IF_ERROR(training.parameters.check());
  Components components(1);
  CAIRN_ASSIGN_OR_RETURN(components[0], trained_factors(training, plan, training.options.progress));
  return components;
}

/// The best approximation of the teacher's scores by narrow vectors.
Result<Components> train_projected(Training& training) {
  gpu::DistilOptions options{.dim = 64, .threads = training.options.threads};
  Parameters& parameters = training.parameters;
  parameters.take("dim", &options.dim);
  parameters.take("epochs", &options.epochs);
  parameters.take("interaction_weight", &options.interaction_weight);
  parameters.take("regularization", &options.regularization);
  CAIRN_RETURN_IF_ERROR(parameters.check());
  Components components(1);
  CAIRN_ASSIGN_OR_RETURN(
      components[0], distilled(*training.options.teacher, training.interactions, options, training.options.progress));
  return components;
}

/// iALS on the interactions and the teacher's advice.
Result<Components> train_advised(Training& training) {
  IalsPlan plan = default_ials();
  AdviceOptions advice{.threads = training.options.threads};
  plan.options.dim = 64;
  take_ials("", &training.parameters, &plan);
  training.parameters.take("advice_items", &advice.items);
  training.parameters.take("advice_weight", &advice.weight);
  CAIRN_RETURN_IF_ERROR(training.parameters.check());
  if (!(advice.weight > 0.0F)) return invalid_argument("advice_weight must be positive");
  CAIRN_ASSIGN_OR_RETURN(const Interactions advised,
                         with_advice(*training.options.teacher, training.interactions, advice));
  const Training own{advised, training.options, training.parameters};
  Components components(1);
  CAIRN_ASSIGN_OR_RETURN(components[0], trained_factors(own, plan, training.options.progress));
  return components;
}

Result<Components> train_ials(Training& training) {
  bool project = false;
  training.parameters.take("segments", &training.segments);
  if (!training.options.teacher) return train_factors(training);
  training.parameters.take("project", &project);
  return project ? train_projected(training) : train_advised(training);
}

// The best.

/// EASE on interactions damped by the degrees of both sides, whose scores grow with the length of a history, and beside
/// it wide iALS vectors, whose scores do not: users of whom little is known are ranked more by the latter.
Result<Components> train_best(Training& training) {
  gpu::EaseOptions ease{.regularization = 8.0F,
                        .user_exponent = 0.25F,
                        .item_exponent = 0.25F,
                        .diagonal_exponent = 1.0F,
                        .output_exponent = 0.125F,
                        .keep = 500,
                        .threads = training.options.threads};
  IalsPlan ials{.options = {.dim = 512, .block = 0}, .epochs = 5};
  ials.options.objective = {.unobserved_weight = 0.02F, .regularization = 0.002F, .frequency_exponent = 1.0F};
  float ease_degree_exponent = 0.0F;
  float ials_weight = 0.05F;
  take_ease("ease_", &training.parameters, &ease);
  take_ials("ials_", &training.parameters, &ials);
  training.parameters.take("ease_degree_exponent", &ease_degree_exponent);
  training.parameters.take("ials_weight", &ials_weight);
  CAIRN_RETURN_IF_ERROR(training.parameters.check());
  ials.options.dim = std::min(ials.options.dim, training.rank_max());  // more can say nothing more
  const gpu::Progress& progress = training.options.progress;
  CAIRN_ASSIGN_OR_RETURN(auto weights, gpu::train_ease(training.view(), ease, gpu::part_of(progress, 0.0, 0.8)));
  CAIRN_ASSIGN_OR_RETURN(model::Component factors, trained_factors(training, ials, gpu::part_of(progress, 0.8, 1.0)));
  Components components;
  components.push_back(item_weights("ease", std::move(weights)));
  components.back().degree_exponent = ease_degree_exponent;
  components.push_back(std::move(factors));
  components.back().weight = ials_weight;
  return components;
}

// All of them.

using TrainFunction = Result<Components> (*)(Training&);

constexpr TrainingKind kKinds[] = {
    {"popularity", "what most users had, for everybody"},
    {"item-knn", "neighbours of what a user had, by shrunk cosine"},
    {"graph", "graph filters: linear smoothing plus a low-rank part (GF-CF, BSPM)"},
    {"ials", "vectors by implicit alternating least squares; users are folded in"},
    {"ease", "weights between items in closed form (EASE)"},
    {"best", "the most accurate that Cairn knows; minutes to hours"},
};
constexpr TrainFunction kFunctions[] = {train_popularity, train_neighbours, train_graph,
                                        train_ials,       train_plain_ease, train_best};
static_assert(std::size(kKinds) == std::size(kFunctions));

/// Returns: the kind's index in kKinds.
Result<std::size_t> index_of(std::string_view kind) {
  std::string known;
  for (std::size_t i = 0; i < std::size(kKinds); ++i) {
    if (kKinds[i].name == kind) return i;
    known += (known.empty() ? "" : ", ") + std::string(kKinds[i].name);
  }
  return not_found("there is no kind '" + std::string(kind) + "'; there are: " + known);
}

void store_as(gpu::Precision precision, model::Component* component) {
  component->precision = precision;
  if (component->kind != model::ComponentKind::kItemWeights || precision == gpu::Precision::kFp32) return;
  auto halved = component->weights.stored_as(gpu::Precision::kFp16);
  CAIRN_CHECK_MSG(halved.ok(), halved.status().to_string());
  component->weights = *std::move(halved);
}

}  // namespace

std::span<const TrainingKind> training_kinds() noexcept { return kKinds; }

Result<model::Model> train(std::string_view kind, const Interactions& interactions, const TrainOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const std::size_t index, index_of(kind));
  if (interactions.columns.empty()) return invalid_argument("there are no interactions to train on");
  if (options.teacher && kind != "ials") return invalid_argument("only kind ials learns from a teacher");
  Training training{interactions, options, Parameters(options.parameters)};
  model::Model model{.kind = std::string(kind),
                     .created_by = std::string("cairn ") + CAIRN_VERSION,
                     .users = interactions.users.size(),
                     .interactions = interactions.columns.size(),
                     .items = interactions.items,
                     .popularity = gpu::item_popularity(interactions.view())};
  CAIRN_ASSIGN_OR_RETURN(model.components, kFunctions[index](training));
  for (model::Component& component : model.components) store_as(options.precision, &component);
  if (training.segments > 0) {
    const SegmentOptions wanted{.count = training.segments, .seed = options.seed, .threads = options.threads};
    // The components have told of all there is to do: what is left can only be ended.
    const auto go_on = [&](double) { return !options.progress || options.progress(1.0); };
    CAIRN_ASSIGN_OR_RETURN(model.segments, segments_of(model, interactions, wanted, go_on));
  }
  model.parameters = training.parameters.used();
  model.parameters["seed"] = std::to_string(options.seed);
  CAIRN_RETURN_IF_ERROR(model::check_model(model).with_context("training gave no usable model"));
  return model;
}

}  // namespace cairn::learning
