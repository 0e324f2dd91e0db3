#include "engine/learning/segments.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "engine/model/item_ranker.h"
#include "gpu/backend.h"
#include "gpu/train/k_means.h"

namespace cairn::learning {
namespace {

constexpr std::size_t kUsersPerCall = 4'096;

/// The users whose vectors have a direction, and how long they are.
struct Tastes {
  std::vector<std::uint64_t> users = {};  ///< rows of the interactions
  std::vector<float> directions = {};     ///< users × dim, of length 1
  std::vector<double> lengths = {};
};

void add_taste(std::uint64_t user, std::span<const float> vector, Tastes* tastes) {
  double squares = 0.0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  const double length = std::sqrt(squares);
  if (!(length > 0.0) || !std::isfinite(length)) return;
  tastes->users.push_back(user);
  tastes->lengths.push_back(length);
  for (const float value : vector)
    tastes->directions.push_back(static_cast<float>(static_cast<double>(value) / length));
}

Result<Tastes> tastes_of(const model::Model& model, const Interactions& interactions, std::size_t threads,
                         const gpu::Progress& progress) {
  CAIRN_ASSIGN_OR_RETURN(const auto backend, gpu::make_cpu_backend({.threads = threads}));
  CAIRN_ASSIGN_OR_RETURN(const auto ranker, model::ItemRanker::create(model, *backend, {.threads = threads}));
  const std::size_t dim = model.components.front().dim;
  const gpu::SparseView all = interactions.view();
  Tastes tastes;
  std::vector<std::uint64_t> offsets;
  std::vector<float> vectors;
  for (std::size_t first = 0; first < all.rows(); first += kUsersPerCall) {
    CAIRN_RETURN_IF_ERROR(gpu::report_progress(progress, static_cast<double>(first) / static_cast<double>(all.rows())));
    const std::size_t count = std::min(kUsersPerCall, all.rows() - first);
    const std::uint64_t begin = all.offsets[first];
    const std::uint64_t size = all.offsets[first + count] - begin;
    offsets.clear();
    for (std::size_t i = 0; i <= count; ++i) offsets.push_back(all.offsets[first + i] - begin);
    const gpu::SparseView some{.offsets = offsets,
                               .columns = all.columns.subspan(begin, size),
                               .values = all.values.empty() ? all.values : all.values.subspan(begin, size),
                               .width = all.width};
    CAIRN_RETURN_IF_ERROR(ranker->queries(0, some, &vectors));
    for (std::size_t i = 0; i < count; ++i) add_taste(first + i, std::span(vectors).subspan(i * dim, dim), &tastes);
  }
  return tastes;
}

/// The numbers of segments by the center they were found around, the one with the most users first; kNone: with none.
constexpr std::uint32_t kNone = ~std::uint32_t{0};

std::vector<std::uint32_t> by_size(const std::vector<std::uint64_t>& users) {
  std::vector<std::uint32_t> order(users.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return users[a] > users[b]; });
  std::vector<std::uint32_t> number(users.size(), kNone);
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    if (users[order[i]] > 0) number[order[i]] = i;
  }
  return number;
}

model::Segments described(const Tastes& tastes, const gpu::KMeans& groups, const Interactions& interactions) {
  const std::size_t dim = groups.dim;
  std::vector<std::uint64_t> users(groups.centers.size() / dim, 0);
  for (const std::uint32_t center : groups.of_row) ++users[center];
  const std::vector<std::uint32_t> number = by_size(users);
  const auto count = static_cast<std::size_t>(
      std::count_if(users.begin(), users.end(), [](std::uint64_t of_center) { return of_center > 0; }));

  model::Segments segments;
  segments.users.resize(count);
  segments.item_users.resize(interactions.items.size() * count);
  std::vector<double> sums(count * dim, 0.0);
  for (std::size_t i = 0; i < tastes.users.size(); ++i) {
    const std::uint32_t segment = number[groups.of_row[i]];
    ++segments.users[segment];
    for (std::size_t j = 0; j < dim; ++j) {
      sums[segment * dim + j] += tastes.lengths[i] * static_cast<double>(tastes.directions[i * dim + j]);
    }
    for (const std::uint32_t item : interactions.view().columns_of(tastes.users[i])) {
      ++segments.item_users[item * count + segment];
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    segments.vectors.push_back(static_cast<float>(sums[i] / static_cast<double>(segments.users[i / dim])));
  }
  return segments;
}

}  // namespace

Result<model::Segments> segments_of(const model::Model& model, const Interactions& interactions,
                                    const SegmentOptions& options, const gpu::Progress& progress) {
  if (options.count == 0 || options.count > model::kSegmentsMax) {
    return invalid_argument("segments must be 1 to " + std::to_string(model::kSegmentsMax));
  }
  if (!model::may_have_segments(model)) {
    return invalid_argument("segments need a model of one component with vectors and without normalization");
  }
  CAIRN_ASSIGN_OR_RETURN(const Tastes tastes,
                         tastes_of(model, interactions, options.threads, gpu::part_of(progress, 0.0, 0.3)));
  if (tastes.users.empty()) return invalid_argument("no user has a history to be put in a segment by");
  const std::size_t dim = model.components.front().dim;
  CAIRN_ASSIGN_OR_RETURN(const gpu::KMeans groups,
                         gpu::k_means({tastes.directions, tastes.users.size(), dim},
                                      {.clusters = options.count, .seed = options.seed, .threads = options.threads},
                                      gpu::part_of(progress, 0.3, 1.0)));
  return described(tastes, groups, interactions);
}

}  // namespace cairn::learning
