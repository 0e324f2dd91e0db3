#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cairn/clock.h"
#include "cairn/status.h"
#include "engine/model/item_ids.h"
#include "engine/model/item_ranker.h"
#include "engine/model/model.h"
#include "gpu/backend.h"
#include "gpu/matrix.h"

namespace cairn::model {

/// A model as a daemon serves it: read from its directory, checked whole, and ready to be asked. Immutable: a directory
/// that changed is another ServedModel. Threads: any.
class ServedModel {
 public:
  /// Reads `folder`, makes its ranker, and asks it once, so that what cannot answer is not served. `backend` may be
  /// destroyed before the model. A call of the ranker uses one thread.
  ///
  /// In memory it takes the model, and once more its vectors where they are asked through a matrix. What exploration
  /// reads of the whole model is read here, so that no question waits for it.
  /// Returns: what load_versioned_model() and ItemRanker::create() return; FAILED_PRECONDITION when a question about
  /// one item fails, or has a score that is not finite; RESOURCE_EXHAUSTED when memory does not suffice.
  [[nodiscard]] static Result<std::shared_ptr<const ServedModel>> load(const std::string& folder, gpu::Backend& backend,
                                                                       EventTime now);
  /// The same of a model that is in memory already, such as one that has just been trained; its directory() and
  /// version() are empty. Returns: as load(), but for what reading returns.
  [[nodiscard]] static Result<std::shared_ptr<const ServedModel>> create(Model model, gpu::Backend& backend,
                                                                         EventTime now);
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;

  [[nodiscard]] const Model& model() const noexcept { return loaded_.model; }
  [[nodiscard]] const ItemRanker& ranker() const noexcept { return *ranker_; }
  [[nodiscard]] const IdIndex& ids() const noexcept { return ids_; }  ///< the rows of items by id

  /// The directory as it was named, and VersionedModel::version and generation.
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] const std::string& version() const noexcept { return loaded_.version; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return loaded_.generation; }
  [[nodiscard]] EventTime loaded() const noexcept { return at_; }
  /// What it holds, about.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_bytes_; }

  /// The items' vectors as scores see them (items × dim), where a score is nothing but one dot product: the model is
  /// one component with vectors and without normalization. Elsewhere empty. The score of item j for a history is
  ///
  ///     float sum = 0;
  ///     for (std::size_t i = 0; i < dim; ++i) sum = std::fmaf(query[i], vectors[j * dim + i], sum);
  ///
  /// for the query vector of ranker().queries(0, …), and has, bit for bit, the score that ItemRanker::rank() answers.
  [[nodiscard]] gpu::MatrixView vectors() const noexcept;
  /// Whether those vectors are a fold-in's, so that ranker().explored_queries() and add_bounds() can explore.
  [[nodiscard]] bool explores() const noexcept;

 private:
  ServedModel(std::string directory, VersionedModel loaded, EventTime at);
  Status prepare(gpu::Backend& backend);
  [[nodiscard]] Status ask_once() const;

  // Fixed once prepare() is done.
  const std::string directory_;
  const VersionedModel loaded_;
  const EventTime at_;
  const IdIndex ids_;  ///< views loaded_'s ids
  std::unique_ptr<ItemRanker> ranker_;
  std::vector<float> vectors_;  ///< items × dim, or empty
  std::size_t memory_bytes_ = 0;
};

}  // namespace cairn::model
