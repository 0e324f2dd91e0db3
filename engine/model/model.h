#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "gpu/fold_in.h"
#include "gpu/item_matrix.h"
#include "gpu/sparse_weights.h"

namespace cairn::model {

/// How a component scores every item for a history.
enum class ComponentKind : std::uint8_t {
  kPopularity,   ///< by Model::popularity, whatever the history
  kItemWeights,  ///< sum of the history's rows of a sparse matrix of weights between items
  kEmbedding,    ///< dot product with the sum of the history's vectors
  kFoldIn,       ///< dot product with the query vector that fits the history best (gpu/fold_in.h)
};

/// What a user's scores of one component are divided by before they are added to those of others. A divisor of 0
/// counts as 1.
enum class Normalization : std::uint8_t {
  kNone,
  kDeviation,  ///< their standard deviation over all items
  kMaximum,    ///< the largest magnitude among them
};

[[nodiscard]] std::string_view to_string(ComponentKind kind) noexcept;  ///< "item_weights"
[[nodiscard]] std::optional<ComponentKind> component_kind_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view to_string(Normalization normalization) noexcept;  ///< "deviation"
[[nodiscard]] std::optional<Normalization> normalization_of(std::string_view name) noexcept;

/// One way of scoring. For a history h with weights c (1 unless interactions have values), item j gets
///
///     score_j = weight · item_scale_j · s_j / divisor,  where s is the kind's score for the history weights
///     c_h · history_weight_h · (number of items in the history)^-degree_exponent
///
/// (a fold-in uses c alone, and popularity nothing of the history). Empty vectors stand for ones.
struct Component {
  std::string name = {};  ///< of its file; letters, digits and '_'
  ComponentKind kind = ComponentKind::kPopularity;
  float weight = 1.0F;
  Normalization normalization = Normalization::kNone;
  float degree_exponent = 0.0F;
  std::vector<float> history_weight = {};  ///< items
  std::vector<float> item_scale = {};      ///< items

  gpu::SparseWeights weights = {};  ///< items × items; kItemWeights

  std::size_t dim = 0;                               ///< kEmbedding, kFoldIn
  std::vector<float> item_vectors = {};              ///< items × dim
  std::vector<float> history_vectors = {};           ///< items × dim, or empty: item_vectors; kEmbedding
  gpu::Precision precision = gpu::Precision::kFp32;  ///< in which the vectors are stored
  gpu::FoldInOptions fold_in = {};                   ///< kFoldIn
};

/// The most segments a model may have.
inline constexpr std::size_t kSegmentsMax = 64;

/// Groups of users of like taste, for answers to somebody of whom the model knows nothing. Empty: there are none.
struct Segments {
  std::vector<float> vectors = {};             ///< segments × dim: what the model's one component is asked with
  std::vector<std::uint64_t> users = {};       ///< by segment; the largest first
  std::vector<std::uint32_t> item_users = {};  ///< items × segments: of a segment's users, how many had the item

  [[nodiscard]] std::size_t count() const noexcept { return users.size(); }
};

/// A trained model, or one from elsewhere: what is recommended, and the components whose weighted scores rank it. Plain
/// data; ItemRanker asks it. On disk it is a directory (format.md).
struct Model {
  std::string kind = {};                               ///< how it was trained: "ials"
  std::string created_by = {};                         ///< "cairn 0.1.0"
  std::map<std::string, std::string> parameters = {};  ///< of its training, by name
  std::uint64_t users = 0;                             ///< in what it was trained on
  std::uint64_t interactions = 0;                      ///< in what it was trained on

  std::vector<std::string> items = {};     ///< ids by row, all different
  std::vector<float> popularity = {};      ///< items; ranks for somebody without history
  std::vector<Component> components = {};  ///< at least one
  Segments segments = {};                  ///< only where may_have_segments()
};

/// Whether it is one component with vectors and without normalization, whose scores are one dot product each.
[[nodiscard]] bool may_have_segments(const Model& model) noexcept;

/// Checks that sizes fit together and numbers are finite.
/// Returns: INVALID_ARGUMENT naming the component and what is wrong with it.
[[nodiscard]] Status check_model(const Model& model);

/// Writes `folder`, which is created with its parents when absent. Readers see the model that was there before or this
/// one, also after a crash: tensors go to files with new names, then model.toml is replaced in one step, then the files
/// of the model before are removed. Files that belong to neither stay. One writer a folder.
/// Returns: INVALID_ARGUMENT from check_model(), UNAVAILABLE or RESOURCE_EXHAUSTED naming the path.
[[nodiscard]] Status save_model(const Model& model, const std::string& folder);

/// Reads a folder that save_model() wrote, or that somebody made after format.md.
/// Returns: NOT_FOUND when there is no model.toml, INVALID_ARGUMENT naming file and line or tensor for what is not of
/// the format, UNIMPLEMENTED for a format of later versions, UNAVAILABLE.
[[nodiscard]] Result<Model> load_model(const std::string& folder);

/// A model with what tells its directory's contents from others.
struct VersionedModel {
  Model model = {};
  std::uint64_t generation = 0;
  /// 16 hexadecimal digits over the bytes of model.toml and of the files that it names, as they were read, a hyphen and
  /// the generation: the same bytes have the same version everywhere.
  std::string version = {};
};
/// The same, and what the bytes that were read are known by. A folder whose model is replaced meanwhile is read again,
/// and a link that is turned to another folder meanwhile leads to one of the two. Returns: what load_model() returns.
[[nodiscard]] Result<VersionedModel> load_versioned_model(const std::string& folder);

/// Reads model.toml and the heads of the files that it names: all that can be checked without reading tensors.
/// Returns: what load_model() returns.
[[nodiscard]] Status check_model_head(const std::string& folder);

/// A file of a model directory and its size on disk.
struct ModelFile {
  std::string name;
  std::uint64_t bytes = 0;
};
/// The files of a model directory, model.toml included.
/// Returns: what load_model() returns for model.toml.
[[nodiscard]] Result<std::vector<ModelFile>> model_files(const std::string& folder);

}  // namespace cairn::model
