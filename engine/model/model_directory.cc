#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "engine/model/description.h"
#include "engine/model/digest.h"
#include "engine/model/files.h"
#include "engine/model/model.h"
#include "engine/model/safetensors.h"
#include "engine/model/vector_storage.h"
#include "gpu/half.h"

namespace cairn::model {
namespace {

constexpr int kReadsMax = 5;  ///< of a folder whose model is replaced each time while it is read

/// Reads the tensor files of one folder, and remembers what their bytes were.
class TensorFiles {
 public:
  explicit TensorFiles(std::string folder) : folder_(std::move(folder)) {}

  /// Returns: what TensorFile::read() returns; UNAVAILABLE when the file was another when it was read before.
  [[nodiscard]] Result<TensorFile> read(const std::string& name) {
    CAIRN_ASSIGN_OR_RETURN(TensorFile file, TensorFile::read(in_folder(folder_, name)));
    const auto [known, fresh] = digests_.emplace(name, file.digest());
    if (!fresh && known->second != file.digest()) return unavailable(file.path() + ": changed while it was read");
    return file;
  }

  /// What tells this folder's bytes from others.
  [[nodiscard]] std::string version(const Description& description) const {
    Digest digest;
    digest.add(description.digest);  // it has the names of the files, in their order
    for (const auto& [name, bytes] : digests_) digest.add(bytes);
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digest.value()));
    return std::string(text) + "-" + std::to_string(description.generation);
  }

 private:
  const std::string folder_;
  std::map<std::string, std::uint64_t> digests_ = {};  ///< by name
};

Result<std::vector<std::string>> cut_ids(const TensorFile& file) {
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, file.values<std::uint8_t>("id_bytes", 1));
  CAIRN_ASSIGN_OR_RETURN(const auto offsets, file.values<std::uint64_t>("id_offsets", 1));
  const bool ends_fit = !offsets.empty() && offsets.front() == 0 && offsets.back() == bytes.size();
  if (!ends_fit || !std::is_sorted(offsets.begin(), offsets.end())) {
    return file.fault("id_offsets", "must ascend from 0 to the number of id_bytes");
  }
  std::vector<std::string> ids;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    ids.emplace_back(reinterpret_cast<const char*>(bytes.data()) + offsets[i], offsets[i + 1] - offsets[i]);
  }
  return ids;
}

/// A tensor of one float for each item; `*values` stays empty when there is none.
Status load_per_item(const TensorFile& file, const char* name, std::size_t items, std::vector<float>* values) {
  if (!file.find(name)) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(const auto found, file.values<float>(name, 1));
  if (found.size() != items) {
    return file.fault(name, "has " + std::to_string(found.size()) + " values for " + std::to_string(items) + " items");
  }
  values->assign(found.begin(), found.end());
  return ok_status();
}

template <class From, class To>
Status convert_indices(const TensorFile& file, const char* name, std::vector<To>* values) {
  CAIRN_ASSIGN_OR_RETURN(const auto found, file.values<From>(name, 1));
  if (!std::all_of(found.begin(), found.end(), [](From value) { return std::in_range<To>(value); })) {
    return file.fault(name, "has a value below 0 or above " + std::to_string(std::numeric_limits<To>::max()));
  }
  values->assign(found.begin(), found.end());
  return ok_status();
}

/// Reads a tensor of any type that NumPy and SciPy keep indices in.
template <class To>
Status load_indices(const TensorFile& file, const char* name, std::vector<To>* values) {
  const TensorView* found = file.find(name);
  switch (found ? found->dtype : Dtype::kI64) {
    case Dtype::kI32:
      return convert_indices<std::int32_t>(file, name, values);
    case Dtype::kU32:
      return convert_indices<std::uint32_t>(file, name, values);
    case Dtype::kU64:
      return convert_indices<std::uint64_t>(file, name, values);
    default:
      return convert_indices<std::int64_t>(file, name, values);
  }
}

/// Values in F32 or F16.
Status load_values(const TensorFile& file, const char* name, std::vector<float>* values, gpu::Precision* precision) {
  const TensorView* found = file.find(name);
  if (!found || found->dtype != Dtype::kF16) {
    CAIRN_ASSIGN_OR_RETURN(const auto floats, file.values<float>(name, 1));
    values->assign(floats.begin(), floats.end());
    return ok_status();
  }
  CAIRN_ASSIGN_OR_RETURN(const auto halves, file.values<Half>(name, 1));
  values->resize(halves.size());
  std::transform(halves.begin(), halves.end(), values->begin(),
                 [](Half half) { return gpu::float_of_half(half.bits); });
  *precision = gpu::Precision::kFp16;
  return ok_status();
}

Status load_weights(const TensorFile& file, std::size_t items, gpu::SparseWeights* weights) {
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint32_t> columns;
  std::vector<float> values;
  gpu::Precision precision = gpu::Precision::kFp32;
  CAIRN_RETURN_IF_ERROR(load_indices(file, "indptr", &offsets));
  CAIRN_RETURN_IF_ERROR(load_indices(file, "indices", &columns));
  CAIRN_RETURN_IF_ERROR(load_values(file, "data", &values, &precision));
  if (values.size() != columns.size() || offsets.size() != items + 1) {
    return invalid_argument(file.path() + ": indptr, indices and data are no matrix of " + std::to_string(items) +
                            " rows");
  }
  auto made = gpu::SparseWeights::make({offsets, columns, values, items}, precision);
  if (!made.ok()) return std::move(made).status().with_context(file.path());
  *weights = *std::move(made);
  return ok_status();
}

Status load_vectors_of(const TensorFile& file, std::size_t items, Component* component) {
  CAIRN_ASSIGN_OR_RETURN(LoadedVectors loaded, load_vectors(file, "item_vectors", items, component->dim));
  component->dim = loaded.dim;
  component->precision = loaded.precision;
  component->item_vectors = std::move(loaded.values);
  if (component->kind != ComponentKind::kEmbedding || !file.find("history_vectors")) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(loaded, load_vectors(file, "history_vectors", items, component->dim));
  component->history_vectors = std::move(loaded.values);
  return ok_status();
}

Status load_component(const TensorFile& file, std::size_t items, Component* component) {
  CAIRN_RETURN_IF_ERROR(load_per_item(file, "history_weight", items, &component->history_weight));
  CAIRN_RETURN_IF_ERROR(load_per_item(file, "item_scale", items, &component->item_scale));
  if (component->kind == ComponentKind::kItemWeights) return load_weights(file, items, &component->weights);
  if (component->kind == ComponentKind::kPopularity) return ok_status();
  return load_vectors_of(file, items, component);
}

/// Ids as integers, or as one run of bytes that offsets cut.
Result<std::vector<std::string>> load_ids(const TensorFile& file) {
  if (!file.find("ids")) return cut_ids(file);
  std::vector<std::uint64_t> numbers;
  CAIRN_RETURN_IF_ERROR(load_indices(file, "ids", &numbers));
  std::vector<std::string> ids;
  for (const std::uint64_t number : numbers) ids.push_back(std::to_string(number));
  return ids;
}

Status load_items(const TensorFile& file, std::uint64_t count, Model* model) {
  CAIRN_ASSIGN_OR_RETURN(model->items, load_ids(file));
  if (count != 0 && model->items.size() != count) {
    return invalid_argument(file.path() + ": has " + std::to_string(model->items.size()) + " ids, where model.toml " +
                            "says " + std::to_string(count));
  }
  CAIRN_RETURN_IF_ERROR(load_per_item(file, "popularity", model->items.size(), &model->popularity));
  model->popularity.resize(model->items.size());
  return ok_status();
}

Status load_segments(const TensorFile& file, std::size_t items, std::size_t dim, Segments* segments) {
  CAIRN_RETURN_IF_ERROR(load_indices(file, "users", &segments->users));
  std::vector<std::size_t> shape;
  CAIRN_ASSIGN_OR_RETURN(const auto vectors, file.values<float>("vectors", 2, &shape));
  if (shape != std::vector{segments->count(), dim}) {
    return file.fault("vectors", "must be segments x dim: as many rows as users has values, of " + std::to_string(dim));
  }
  CAIRN_ASSIGN_OR_RETURN(const auto item_users, file.values<std::uint32_t>("item_users", 2, &shape));
  if (shape != std::vector{items, segments->count()}) {
    return file.fault("item_users", "must be items x segments");
  }
  segments->vectors.assign(vectors.begin(), vectors.end());
  segments->item_users.assign(item_users.begin(), item_users.end());
  return segments->count() > 0 ? ok_status() : file.fault("users", "has no segment");
}

bool has_vectors(const Component& component) {
  return component.kind == ComponentKind::kEmbedding || component.kind == ComponentKind::kFoldIn;
}

std::string tensor_file(const std::string& name, std::uint64_t generation) {
  return name + "-" + std::to_string(generation) + ".safetensors";
}

/// A name that no component has.
std::string free_name(const Model& model, std::string name) {
  while (std::any_of(model.components.begin(), model.components.end(),
                     [&](const Component& component) { return component.name == name; })) {
    name += '_';
  }
  return name;
}

Status write_items(const std::string& path, const Model& model) {
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint64_t> offsets = {0};
  for (const std::string& id : model.items) {
    bytes.insert(bytes.end(), id.begin(), id.end());
    offsets.push_back(bytes.size());
  }
  const std::span<const std::uint8_t> all_bytes(bytes);
  const std::span<const std::uint64_t> all_offsets(offsets);
  return write_safetensors(
      path, {tensor("id_bytes", {bytes.size()}, all_bytes), tensor("id_offsets", {offsets.size()}, all_offsets),
             tensor("popularity", {model.items.size()}, std::span(model.popularity))});
}

Status write_segments(const std::string& path, const Segments& segments, std::size_t items, std::size_t dim) {
  const std::size_t count = segments.count();
  return write_safetensors(path, {tensor("vectors", {count, dim}, std::span(segments.vectors)),
                                  tensor("users", {count}, std::span(segments.users)),
                                  tensor("item_users", {items, count}, std::span(segments.item_users))});
}

Status write_weights(const std::string& path, const gpu::SparseWeights& weights, std::vector<TensorView> tensors) {
  static_assert(sizeof(Half) == sizeof(std::uint16_t));
  tensors.push_back(tensor("indptr", {weights.offsets().size()}, weights.offsets()));
  tensors.push_back(tensor("indices", {weights.columns().size()}, weights.columns()));
  TensorView data{.name = "data", .dtype = Dtype::kF32, .shape = {weights.entries()}};
  data.bytes = std::as_bytes(weights.values());
  if (weights.storage() == gpu::Precision::kFp16) {
    data.dtype = Dtype::kF16;
    data.bytes = std::as_bytes(weights.halves());
  }
  tensors.push_back(std::move(data));
  return write_safetensors(path, std::move(tensors));
}

void append(std::vector<TensorView> more, std::vector<TensorView>* tensors) {
  tensors->insert(tensors->end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Status write_component(const std::string& path, const Component& component, std::size_t items) {
  std::vector<TensorView> tensors;
  if (!component.history_weight.empty()) {
    tensors.push_back(tensor("history_weight", {items}, std::span(component.history_weight)));
  }
  if (!component.item_scale.empty()) tensors.push_back(tensor("item_scale", {items}, std::span(component.item_scale)));
  if (component.kind == ComponentKind::kItemWeights) return write_weights(path, component.weights, std::move(tensors));
  if (!has_vectors(component)) return write_safetensors(path, std::move(tensors));
  const StoredVectors vectors("item_vectors", component.item_vectors, items, component.dim, component.precision);
  append(vectors.tensors(), &tensors);
  if (component.history_vectors.empty()) return write_safetensors(path, std::move(tensors));
  const StoredVectors history("history_vectors", component.history_vectors, items, component.dim, component.precision);
  append(history.tensors(), &tensors);
  return write_safetensors(path, std::move(tensors));
}

bool any_in(const std::vector<std::string>& names, const std::vector<std::string>& others) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::find(others.begin(), others.end(), name) != others.end();
  });
}

Status create_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder, error)) return unavailable(folder + ": cannot be created as a directory");
  return ok_status();
}

/// Names for the files of a model, of a generation that no file of the model before has.
Description describe(const Model& model, const Description& before) {
  Description description{.generation = before.generation, .item_count = model.items.size()};
  const std::vector<std::string> taken = before.files();
  do {
    ++description.generation;
    description.items_file = tensor_file(free_name(model, "items"), description.generation);
    if (model.segments.count() > 0) {
      description.segments_file = tensor_file(free_name(model, "segments"), description.generation);
    }
    description.component_files.clear();
    for (const Component& component : model.components) {
      description.component_files.push_back(tensor_file(component.name, description.generation));
    }
  } while (any_in(description.files(), taken));
  return description;
}

Status write_tensors(const Model& model, const Description& description, const std::string& folder) {
  CAIRN_RETURN_IF_ERROR(write_items(in_folder(folder, description.items_file), model));
  for (std::size_t i = 0; i < model.components.size(); ++i) {
    const std::string path = in_folder(folder, description.component_files[i]);
    CAIRN_RETURN_IF_ERROR(write_component(path, model.components[i], model.items.size()));
  }
  if (!description.segments_file.empty()) {
    const std::string path = in_folder(folder, description.segments_file);
    CAIRN_RETURN_IF_ERROR(write_segments(path, model.segments, model.items.size(), model.components.front().dim));
  }
  return sync_folder(folder);
}

Result<VersionedModel> load_described(const std::string& folder, const Description& description) {
  TensorFiles files(folder);
  VersionedModel loaded{.model = description.model, .generation = description.generation};
  Model& model = loaded.model;
  {
    CAIRN_ASSIGN_OR_RETURN(const TensorFile file, files.read(description.items_file));
    CAIRN_RETURN_IF_ERROR(load_items(file, description.item_count, &model));
  }
  for (std::size_t i = 0; i < model.components.size(); ++i) {
    CAIRN_ASSIGN_OR_RETURN(const TensorFile file, files.read(description.component_files[i]));
    CAIRN_RETURN_IF_ERROR(load_component(file, model.items.size(), &model.components[i]));
  }
  if (!description.segments_file.empty()) {
    CAIRN_ASSIGN_OR_RETURN(const TensorFile file, files.read(description.segments_file));
    CAIRN_RETURN_IF_ERROR(
        load_segments(file, model.items.size(), model.components.front().dim, &model.segments).with_context(folder));
  }
  CAIRN_RETURN_IF_ERROR(check_model(model).with_context(folder));
  loaded.version = files.version(description);
  return loaded;
}

Status check_described(const std::string& folder, const Description& description) {
  for (const std::string& name : description.files()) {
    CAIRN_RETURN_IF_ERROR(TensorFile::check_head(in_folder(folder, name)));
  }
  return ok_status();
}

/// Where the files of a folder are: what a link leads to, or the folder itself.
std::string resolved(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(folder, error);
  return error ? folder : path.string();
}

/// Gives `read` a folder and its description; the next one too, where the model was replaced under its hands. A link is
/// followed once, so that all files are read from one folder although it may be turned meanwhile.
Status read_described(const std::string& folder,
                      const std::function<Status(const std::string& folder, const Description&)>& read) {
  for (int reads = 1;; ++reads) {
    const std::string at = resolved(folder);
    const auto description = read_description(at);
    Status outcome = description.ok() ? read(at, *description) : description.status();
    // For want of a file that went because the model was replaced since?
    if (outcome.code() != StatusCode::kNotFound || reads == kReadsMax) return outcome;
    const auto now = read_description(at);
    const bool changed = description.ok() && now.ok() && now->digest != description->digest;
    if (!changed && resolved(folder) == at) return outcome;
  }
}

}  // namespace

Result<Model> load_model(const std::string& folder) {
  CAIRN_ASSIGN_OR_RETURN(VersionedModel loaded, load_versioned_model(folder));
  return std::move(loaded.model);
}

Result<VersionedModel> load_versioned_model(const std::string& folder) {
  VersionedModel loaded;
  CAIRN_RETURN_IF_ERROR(read_described(folder, [&](const std::string& at, const Description& description) -> Status {
    CAIRN_ASSIGN_OR_RETURN(loaded, load_described(at, description));
    return ok_status();
  }));
  return loaded;
}

Status check_model_head(const std::string& folder) {
  return read_described(
      folder, [](const std::string& at, const Description& description) { return check_described(at, description); });
}

Status save_model(const Model& model, const std::string& folder) {
  CAIRN_RETURN_IF_ERROR(check_model(model));
  CAIRN_RETURN_IF_ERROR(create_folder(folder));
  auto before = read_description(folder);
  const Description old = before.ok() ? *std::move(before) : Description{};
  const Description names = describe(model, old);
  CAIRN_RETURN_IF_ERROR(write_tensors(model, names, folder));
  CAIRN_RETURN_IF_ERROR(replace_text(in_folder(folder, kDescriptionFile), render_description(model, names)));
  CAIRN_RETURN_IF_ERROR(sync_folder(folder));
  std::error_code ignored;  // a file that stays only costs room
  for (const std::string& name : old.files()) std::filesystem::remove(in_folder(folder, name), ignored);
  return ok_status();
}

Result<std::vector<ModelFile>> model_files(const std::string& folder) {
  CAIRN_ASSIGN_OR_RETURN(const Description description, read_description(folder));
  std::vector<std::string> names = description.files();
  names.insert(names.begin(), kDescriptionFile);
  std::vector<ModelFile> files;
  for (const std::string& name : names) {
    CAIRN_ASSIGN_OR_RETURN(const InputFile file, InputFile::open(in_folder(folder, name)));
    files.push_back({name, file.bytes()});
  }
  return files;
}

}  // namespace cairn::model
