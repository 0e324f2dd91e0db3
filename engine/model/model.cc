#include "engine/model/model.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_set>

namespace cairn::model {
namespace {

constexpr std::string_view kKinds[] = {"popularity", "item_weights", "embedding", "fold_in"};
constexpr std::string_view kNormalizations[] = {"none", "deviation", "maximum"};
constexpr std::size_t kNameBytesMax = 64;

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

Status check_per_item(const char* what, std::span<const float> values, std::size_t items, bool may_be_empty) {
  if (values.size() != items && !(may_be_empty && values.empty())) {
    return invalid_argument(std::string(what) + " has " + std::to_string(values.size()) + " values for " +
                            std::to_string(items) + " items");
  }
  return all_finite(values) ? ok_status() : invalid_argument(std::string(what) + " has a value that is not finite");
}

Status check_vectors(const char* what, std::span<const float> values, std::size_t items, std::size_t dim) {
  if (dim == 0 || values.size() != items * dim) {
    return invalid_argument(std::string(what) + " has " + std::to_string(values.size()) + " values, not " +
                            std::to_string(items) + " x " + std::to_string(dim));
  }
  return all_finite(values) ? ok_status() : invalid_argument(std::string(what) + " has a value that is not finite");
}

bool valid_name(std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return plain && !name.empty() && name.size() <= kNameBytesMax;
}

bool has_vectors(ComponentKind kind) { return kind == ComponentKind::kEmbedding || kind == ComponentKind::kFoldIn; }

Status check_weights(const gpu::SparseWeights& weights, std::size_t items) {
  if (weights.rows() != items || weights.width() != items) {
    return invalid_argument("weights are " + std::to_string(weights.rows()) + " x " + std::to_string(weights.width()) +
                            " for " + std::to_string(items) + " items");
  }
  for (std::size_t entry = 0; entry < weights.entries(); ++entry) {
    if (!std::isfinite(weights.value(entry))) return invalid_argument("weights have a value that is not finite");
  }
  return ok_status();
}

Status check_component(const Component& component, std::size_t items) {
  if (!valid_name(component.name)) return invalid_argument("its name must be of letters, digits and '_'");
  const gpu::FoldInOptions& fold_in = component.fold_in;
  if (!all_finite(std::vector{component.weight, component.degree_exponent, fold_in.unobserved_weight,
                              fold_in.regularization, fold_in.frequency_exponent})) {
    return invalid_argument("a parameter is not finite");
  }
  CAIRN_RETURN_IF_ERROR(check_per_item("history_weight", component.history_weight, items, true));
  CAIRN_RETURN_IF_ERROR(check_per_item("item_scale", component.item_scale, items, true));
  if (component.kind == ComponentKind::kItemWeights) return check_weights(component.weights, items);
  if (!has_vectors(component.kind)) return ok_status();
  CAIRN_RETURN_IF_ERROR(check_vectors("item_vectors", component.item_vectors, items, component.dim));
  if (component.history_vectors.empty()) return ok_status();
  return check_vectors("history_vectors", component.history_vectors, items, component.dim);
}

Status check_segments(const Model& model) {
  const Segments& segments = model.segments;
  const std::size_t count = segments.count();
  if (count == 0 && segments.vectors.empty() && segments.item_users.empty()) return ok_status();
  if (!may_have_segments(model)) {
    return invalid_argument("only a model of one component with vectors and without normalization has segments");
  }
  if (count == 0 || count > kSegmentsMax) {
    return invalid_argument("there are " + std::to_string(count) + " segments, not 1 to " +
                            std::to_string(kSegmentsMax));
  }
  CAIRN_RETURN_IF_ERROR(check_vectors("vectors", segments.vectors, count, model.components.front().dim));
  if (segments.item_users.size() != model.items.size() * count) {
    return invalid_argument("item_users has " + std::to_string(segments.item_users.size()) + " values, not " +
                            std::to_string(model.items.size()) + " x " + std::to_string(count));
  }
  if (std::is_sorted(segments.users.rbegin(), segments.users.rend()) && segments.users.back() > 0) return ok_status();
  return invalid_argument("users must be 1 or more and descend: the largest segment comes first");
}

}  // namespace

bool may_have_segments(const Model& model) noexcept {
  return model.components.size() == 1 && has_vectors(model.components.front().kind) &&
         model.components.front().normalization == Normalization::kNone;
}

std::string_view to_string(ComponentKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }

std::string_view to_string(Normalization normalization) noexcept {
  return kNormalizations[static_cast<std::size_t>(normalization)];
}

std::optional<ComponentKind> component_kind_of(std::string_view name) noexcept {
  const auto found = std::find(std::begin(kKinds), std::end(kKinds), name);
  if (found == std::end(kKinds)) return std::nullopt;
  return static_cast<ComponentKind>(found - std::begin(kKinds));
}

std::optional<Normalization> normalization_of(std::string_view name) noexcept {
  const auto found = std::find(std::begin(kNormalizations), std::end(kNormalizations), name);
  if (found == std::end(kNormalizations)) return std::nullopt;
  return static_cast<Normalization>(found - std::begin(kNormalizations));
}

Status check_model(const Model& model) {
  if (model.items.empty()) return invalid_argument("the model has no items");
  if (model.components.empty()) return invalid_argument("the model has no components");
  std::unordered_set<std::string_view> ids;
  for (const std::string& id : model.items) {
    if (!ids.insert(id).second) return invalid_argument("the item '" + id + "' is there twice");
  }
  CAIRN_RETURN_IF_ERROR(check_per_item("popularity", model.popularity, model.items.size(), false));
  std::unordered_set<std::string_view> names;
  for (const Component& component : model.components) {
    CAIRN_RETURN_IF_ERROR(
        check_component(component, model.items.size()).with_context("component '" + component.name + "'"));
    if (!names.insert(component.name).second) {
      return invalid_argument("two components have the name '" + component.name + "'");
    }
  }
  return check_segments(model).with_context("segments");
}

}  // namespace cairn::model
