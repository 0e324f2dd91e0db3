#include "engine/learning/distilled.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "engine/model/item_ids.h"
#include "engine/model/item_ranker.h"
#include "gpu/backend.h"
#include "gpu/dense_algebra.h"

namespace cairn::learning {
namespace {

constexpr std::size_t kUsersPerCall = 4'096;

/// Rows of `values` (rows × dim), one for each item, zeros where the row is kNone.
std::vector<float> gathered(const std::vector<float>& values, std::size_t dim, const std::vector<std::uint32_t>& rows) {
  if (values.empty()) return {};
  std::vector<float> result(rows.size() * dim);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != gpu::kNoRow) std::copy_n(values.data() + rows[i] * dim, dim, result.data() + i * dim);
  }
  return result;
}

/// The teacher over the items of the interactions.
Result<model::Model> seated(const model::Model& teacher, const Interactions& interactions) {
  const model::Component& own = teacher.components.front();
  const bool has_vectors = own.kind == model::ComponentKind::kFoldIn || own.kind == model::ComponentKind::kEmbedding;
  if (teacher.components.size() != 1 || !has_vectors) {
    return invalid_argument("a teacher has one component, and that one vectors; kind ials trains such models");
  }
  const std::vector<std::uint32_t> rows = model::IdIndex(teacher.items).find_all(interactions.items);
  model::Model model{.items = interactions.items, .popularity = std::vector<float>(rows.size())};
  model.components.push_back({.name = own.name,
                              .kind = own.kind,
                              .degree_exponent = own.degree_exponent,
                              .history_weight = gathered(own.history_weight, 1, rows),
                              .item_scale = gathered(own.item_scale, 1, rows),
                              .dim = own.dim,
                              .item_vectors = gathered(own.item_vectors, own.dim, rows),
                              .history_vectors = gathered(own.history_vectors, own.dim, rows),
                              .fold_in = own.fold_in});
  return model;
}

/// Item vectors with what differs by item in them, so that scores are plain dot products.
std::vector<float> scaled_items(const model::Component& component) {
  std::vector<float> items = component.item_vectors;
  if (component.item_scale.empty()) return items;
  for (std::size_t i = 0; i < items.size(); ++i) items[i] *= component.item_scale[i / component.dim];
  return items;
}

/// History vectors (items × teacher's dim) brought to the student's dim by the map of user vectors, which is linear.
std::vector<float> narrowed(const model::Component& teacher, const gpu::Student& student, std::size_t threads) {
  const std::vector<float>& wide = teacher.history_vectors.empty() ? teacher.item_vectors : teacher.history_vectors;
  const std::size_t rows = wide.size() / teacher.dim;
  std::vector<float> narrow(rows * student.dim);
  gpu::gemm({.rows = rows,
             .columns = student.dim,
             .inner = teacher.dim,
             .a = {.data = wide.data(), .stride = teacher.dim},
             .b = {.data = student.user_map.data(), .stride = student.dim},
             .c = narrow.data(),
             .c_stride = student.dim},
            threads);
  return narrow;
}

/// Some users' histories in the teacher's rows.
struct Histories {
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint32_t> columns = {};
  std::size_t width = 0;

  [[nodiscard]] gpu::SparseView view() const { return {.offsets = offsets, .columns = columns, .width = width}; }
  /// One a user: what they had is not ranked.
  [[nodiscard]] std::vector<gpu::RowFilter> exclusions() const {
    std::vector<gpu::RowFilter> filters;
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) filters.push_back({.excluded = view().columns_of(i)});
    return filters;
  }
};

/// Translates between a teacher's rows and those of interactions.
class Seating {
 public:
  Seating(const model::Model& teacher, const Interactions& interactions)
      : interactions_(interactions),
        teachers_row_(model::IdIndex(teacher.items).find_all(interactions.items)),
        own_row_(model::IdIndex(interactions.items).find_all(teacher.items)) {}

  [[nodiscard]] Histories histories(std::size_t first, std::size_t end, std::size_t width) const {
    Histories histories{.width = width};
    for (std::size_t user = first; user < end; ++user) {
      const auto begin = static_cast<std::ptrdiff_t>(histories.columns.size());
      for (const std::uint32_t item : interactions_.view().columns_of(user)) {
        if (teachers_row_[item] != gpu::kNoRow) histories.columns.push_back(teachers_row_[item]);
      }
      std::sort(histories.columns.begin() + begin, histories.columns.end());
      histories.offsets.push_back(histories.columns.size());
    }
    return histories;
  }

  [[nodiscard]] std::vector<std::uint32_t> advice(std::span<const std::uint32_t> ranked) const {
    std::vector<std::uint32_t> items;
    for (const std::uint32_t row : ranked) {
      if (own_row_[row] != gpu::kNoRow) items.push_back(own_row_[row]);
    }
    return items;
  }

 private:
  const Interactions& interactions_;
  std::vector<std::uint32_t> teachers_row_;  ///< by item of the interactions; kNone: the teacher lacks it
  std::vector<std::uint32_t> own_row_;       ///< by item of the teacher
};

/// A user's row with what was advised beside it. Somebody without history gets no advice: it would be for everybody.
void append_row(const Interactions& interactions, std::size_t user, const std::vector<std::uint32_t>& advice,
                float weight, Interactions* advised) {
  std::vector<std::pair<std::uint32_t, float>> row;
  for (std::uint64_t entry = interactions.offsets[user]; entry < interactions.offsets[user + 1]; ++entry) {
    row.emplace_back(interactions.columns[entry], interactions.view().value(entry));
  }
  if (!row.empty()) {
    for (const std::uint32_t item : advice) row.emplace_back(item, weight);
  }
  std::sort(row.begin(), row.end());
  for (const auto& [item, value] : row) {
    advised->columns.push_back(item);
    advised->values.push_back(value);
  }
  advised->offsets.push_back(advised->columns.size());
}

}  // namespace

Result<Interactions> with_advice(const model::Model& teacher, const Interactions& interactions,
                                 const AdviceOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = options.threads}));
  CAIRN_ASSIGN_OR_RETURN(const auto ranker, model::ItemRanker::create(teacher, *backend, {.threads = options.threads}));
  const Seating seating(teacher, interactions);
  Interactions advised{.users = interactions.users, .items = interactions.items};
  for (std::size_t first = 0; first < interactions.users.size(); first += kUsersPerCall) {
    const Histories histories =
        seating.histories(first, std::min(first + kUsersPerCall, interactions.users.size()), teacher.items.size());
    gpu::TopKAnswers answers;
    CAIRN_RETURN_IF_ERROR(ranker->rank(histories.view(), options.items, histories.exclusions(), &answers));
    for (std::size_t i = 0; i + 1 < histories.offsets.size(); ++i) {
      append_row(interactions, first + i, seating.advice(answers.rows_of(i)), options.weight, &advised);
    }
  }
  return advised;
}

Result<model::Component> distilled(const model::Model& teacher, const Interactions& interactions,
                                   const gpu::DistilOptions& options, const gpu::Progress& progress) {
  CAIRN_ASSIGN_OR_RETURN(const model::Model over_items, seated(teacher, interactions));
  const model::Component& wide = over_items.components.front();
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = options.threads}));
  CAIRN_ASSIGN_OR_RETURN(const auto ranker,
                         model::ItemRanker::create(over_items, *backend, {.threads = options.threads}));
  std::vector<float> users;
  CAIRN_RETURN_IF_ERROR(ranker->queries(0, interactions.view(), &users));
  const std::vector<float> items = scaled_items(wide);
  const gpu::Teacher scores{.users = {users, interactions.users.size(), wide.dim},
                            .items = {items, interactions.items.size(), wide.dim}};
  CAIRN_ASSIGN_OR_RETURN(gpu::Student student, gpu::distil(scores, interactions.view(), options, progress));
  model::Component narrow{.name = "student", .kind = wide.kind, .dim = student.dim, .fold_in = wide.fold_in};
  if (wide.kind == model::ComponentKind::kEmbedding) {
    narrow.degree_exponent = wide.degree_exponent;
    narrow.history_weight = wide.history_weight;
    narrow.history_vectors = narrowed(wide, student, options.threads);
  }
  narrow.item_vectors = std::move(student.items);
  return narrow;
}

}  // namespace cairn::learning
