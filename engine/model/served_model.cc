#include "engine/model/served_model.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

namespace cairn::model {
namespace {

template <class T>
std::size_t bytes_of(const std::vector<T>& values) {
  return values.capacity() * sizeof(T);
}

std::size_t bytes_of(const Model& model) {
  // An id has a string, and in the index of ids a node and its place in a table, about.
  constexpr std::size_t kIndexBytes = 64;
  std::size_t bytes = bytes_of(model.popularity) + bytes_of(model.items) + bytes_of(model.segments.vectors) +
                      bytes_of(model.segments.users) + bytes_of(model.segments.item_users);
  for (const std::string& id : model.items) bytes += id.capacity() + kIndexBytes;
  for (const Component& one : model.components) {
    bytes += bytes_of(one.history_weight) + bytes_of(one.item_scale) + bytes_of(one.item_vectors) +
             bytes_of(one.history_vectors) + one.weights.resident_bytes();
  }
  return bytes;
}

}  // namespace

ServedModel::ServedModel(std::string directory, VersionedModel loaded, EventTime at)
    : directory_(std::move(directory)), loaded_(std::move(loaded)), at_(at), ids_(loaded_.model.items) {}

Result<std::shared_ptr<const ServedModel>> ServedModel::load(const std::string& folder, gpu::Backend& backend,
                                                             EventTime now) try {
  CAIRN_ASSIGN_OR_RETURN(VersionedModel loaded, load_versioned_model(folder));
  const std::shared_ptr<ServedModel> made(new ServedModel(folder, std::move(loaded), now));
  CAIRN_RETURN_IF_ERROR(made->prepare(backend).with_context(folder));
  return std::shared_ptr<const ServedModel>(made);
} catch (const std::bad_alloc&) {
  // A model may be as large as memory, and the daemon goes on without it.
  return resource_exhausted(folder + ": memory does not suffice to load it beside what is in memory already");
}

Result<std::shared_ptr<const ServedModel>> ServedModel::create(Model model, gpu::Backend& backend, EventTime now) try {
  const std::shared_ptr<ServedModel> made(new ServedModel({}, {.model = std::move(model)}, now));
  CAIRN_RETURN_IF_ERROR(made->prepare(backend));
  return std::shared_ptr<const ServedModel>(made);
} catch (const std::bad_alloc&) {
  return resource_exhausted("memory does not suffice to serve the model beside what is in memory already");
}

Status ServedModel::prepare(gpu::Backend& backend) {
  CAIRN_ASSIGN_OR_RETURN(ranker_, ItemRanker::create(model(), backend, {.threads = 1}));
  const gpu::ItemMatrix* matrix = ranker_->matrix();
  if (matrix && model().components.front().normalization == Normalization::kNone) {
    vectors_.resize(matrix->rows() * matrix->dim());
    CAIRN_RETURN_IF_ERROR(matrix->decode(0, vectors_));
  }
  // Where this fails, questions that explore fail with the same, and others are answered.
  if (explores()) (void)ranker_->prepare_exploration();
  memory_bytes_ = bytes_of(model()) + bytes_of(vectors_) + (matrix ? matrix->resident_bytes() : 0);
  return ask_once();
}

Status ServedModel::ask_once() const {
  const std::uint64_t offsets[] = {0, 1};
  const std::uint32_t first[] = {0};
  std::vector<float> scores;
  const gpu::SparseView history{.offsets = offsets, .columns = first, .width = model().items.size()};
  CAIRN_RETURN_IF_ERROR(ranker_->score(history, &scores).with_context("a question about its first item"));
  const auto bad = std::find_if_not(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); });
  if (bad == scores.end()) return ok_status();
  return failed_precondition("a question about its first item: the score of item '" +
                             model().items[static_cast<std::size_t>(bad - scores.begin())] + "' is not finite");
}

gpu::MatrixView ServedModel::vectors() const noexcept {
  if (vectors_.empty()) return {};
  return {vectors_, model().items.size(), model().components.front().dim};
}

bool ServedModel::explores() const noexcept {
  return !vectors_.empty() && model().components.front().kind == ComponentKind::kFoldIn;
}

}  // namespace cairn::model
