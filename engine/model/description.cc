#include "engine/model/description.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include "engine/model/digest.h"
#include "engine/model/files.h"
#include "engine/model/toml_table.h"

namespace cairn::model {
namespace {

using gpu::FoldInOptions;
using toml::Node;

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kDescriptionBytesMax = 1u << 20;
constexpr std::string_view kTargets[] = {"one", "hu_koren_volinsky"};

/// A file stands in the model's own folder.
Status take_file(TomlTable* table, std::string* file) {
  CAIRN_RETURN_IF_ERROR(table->take("file", file));
  const bool plain = !file->empty() && *file != "." && *file != ".." && file->find('/') == std::string::npos &&
                     file->find('\0') == std::string::npos;
  return plain ? ok_status() : table->fault("file", "file must name a file beside model.toml");
}

void read_parameters(const Node& node, Model* model) {
  for (const toml::Member& member : node.members) {
    if (member.value.kind == Node::Kind::kString) model->parameters[member.name] = member.value.text;
  }
}

template <class Enum, class Find>
Status take_name(TomlTable* table, const char* key, Find find, Enum* value) {
  std::string name(to_string(*value));
  CAIRN_RETURN_IF_ERROR(table->take(key, &name));
  const auto found = find(name);
  if (!found) return table->fault(key, std::string(key) + " '" + name + "' is not known");
  *value = *found;
  return ok_status();
}

Status take_fold_in(TomlTable* table, FoldInOptions* options) {
  std::string target(kTargets[static_cast<std::size_t>(options->target)]);
  CAIRN_RETURN_IF_ERROR(table->take("target", &target));
  const auto found = std::find(std::begin(kTargets), std::end(kTargets), target);
  if (found == std::end(kTargets)) return table->fault("target", "target '" + target + "' is not known");
  options->target = static_cast<FoldInOptions::Target>(found - std::begin(kTargets));
  CAIRN_RETURN_IF_ERROR(table->take("unobserved_weight", &options->unobserved_weight));
  CAIRN_RETURN_IF_ERROR(table->take("regularization", &options->regularization));
  return table->take("frequency_exponent", &options->frequency_exponent);
}

Status read_component(const std::string& path, const Node& node, Description* description) {
  TomlTable table(path, node);
  Component component{.name = "component" + std::to_string(description->component_files.size() + 1)};
  std::string file;
  std::uint64_t dim = 0;
  if (!table.has("kind")) return table.fault("kind", "a [[component]] needs its kind");
  CAIRN_RETURN_IF_ERROR(table.take("name", &component.name));
  CAIRN_RETURN_IF_ERROR(take_name(&table, "kind", component_kind_of, &component.kind));
  CAIRN_RETURN_IF_ERROR(take_name(&table, "normalization", normalization_of, &component.normalization));
  CAIRN_RETURN_IF_ERROR(table.take("weight", &component.weight));
  CAIRN_RETURN_IF_ERROR(table.take("degree_exponent", &component.degree_exponent));
  CAIRN_RETURN_IF_ERROR(table.take("dim", &dim));
  component.dim = dim;
  if (component.kind == ComponentKind::kFoldIn) CAIRN_RETURN_IF_ERROR(take_fold_in(&table, &component.fold_in));
  CAIRN_RETURN_IF_ERROR(take_file(&table, &file));
  CAIRN_RETURN_IF_ERROR(table.refuse_others());
  description->model.components.push_back(std::move(component));
  description->component_files.push_back(std::move(file));
  return ok_status();
}

Status read_items(const std::string& path, const Node* node, Description* description) {
  if (!node || node->kind != Node::Kind::kTable) return invalid_argument(path + ": there is no table [items]");
  TomlTable table(path, *node);
  CAIRN_RETURN_IF_ERROR(table.take("count", &description->item_count));
  CAIRN_RETURN_IF_ERROR(take_file(&table, &description->items_file));
  return table.refuse_others();
}

Status read_segments(const std::string& path, const Node* node, Description* description) {
  if (!node) return ok_status();
  if (node->kind != Node::Kind::kTable) return invalid_argument(path + ": segments is no table [segments]");
  TomlTable table(path, *node);
  CAIRN_RETURN_IF_ERROR(take_file(&table, &description->segments_file));
  return table.refuse_others();
}

Status read_components(const std::string& path, const Node* node, Description* description) {
  if (!node || node->kind != Node::Kind::kArray || node->items.empty()) {
    return invalid_argument(path + ": there is no table [[component]]");
  }
  for (const Node& item : node->items) {
    CAIRN_RETURN_IF_ERROR(read_component(path, item, description));
  }
  return ok_status();
}

Status check_format(TomlTable* root) {
  std::uint64_t format = 0;
  CAIRN_RETURN_IF_ERROR(root->take("format", &format));
  if (format == kFormat) return ok_status();
  if (format == 0) return root->fault("format", "format = " + std::to_string(kFormat) + " is missing");
  Status later =
      root->fault("format", "format " + std::to_string(format) + " is of another version of Cairn; this one " +
                                "reads " + std::to_string(kFormat));
  return {StatusCode::kUnimplemented, later.message()};
}

Result<Description> read_root(const std::string& path, const Node& node) {
  Description description;
  Model& model = description.model;
  TomlTable root(path, node);
  CAIRN_RETURN_IF_ERROR(check_format(&root));
  CAIRN_RETURN_IF_ERROR(root.take("kind", &model.kind));
  CAIRN_RETURN_IF_ERROR(root.take("created_by", &model.created_by));
  CAIRN_RETURN_IF_ERROR(root.take("generation", &description.generation));
  CAIRN_RETURN_IF_ERROR(root.take("users", &model.users));
  CAIRN_RETURN_IF_ERROR(root.take("interactions", &model.interactions));
  if (const Node* parameters = root.take_node("parameters")) read_parameters(*parameters, &model);
  static_cast<void>(root.take_node("metrics"));  // for people; nothing depends on it
  CAIRN_RETURN_IF_ERROR(read_items(path, root.take_node("items"), &description));
  CAIRN_RETURN_IF_ERROR(read_components(path, root.take_node("component"), &description));
  CAIRN_RETURN_IF_ERROR(read_segments(path, root.take_node("segments"), &description));
  CAIRN_RETURN_IF_ERROR(root.refuse_others());
  return description;
}

/// The text of model.toml, line by line.
class TomlText {
 public:
  void table(const std::string& heading) { text_ += "\n" + heading + "\n"; }
  void line(const std::string& key, const std::string& value) { text_ += key + " = " + value + "\n"; }
  void text(const std::string& key, std::string_view value) { line(key, toml_string(value)); }
  void number(const std::string& key, std::uint64_t value) { line(key, std::to_string(value)); }
  void number(const std::string& key, float value) { line(key, toml_number(value)); }

  [[nodiscard]] const std::string& str() const noexcept { return text_; }

 private:
  std::string text_;
};

void describe(const Component& component, const std::string& file, TomlText* toml) {
  const bool fold_in = component.kind == ComponentKind::kFoldIn;
  toml->table("[[component]]");
  toml->text("name", component.name);
  toml->text("kind", to_string(component.kind));
  toml->text("file", file);
  toml->number("weight", component.weight);
  toml->text("normalization", to_string(component.normalization));
  toml->number("degree_exponent", component.degree_exponent);
  if (fold_in || component.kind == ComponentKind::kEmbedding) toml->number("dim", std::uint64_t{component.dim});
  if (!fold_in) return;
  toml->text("target", kTargets[static_cast<std::size_t>(component.fold_in.target)]);
  toml->number("unobserved_weight", component.fold_in.unobserved_weight);
  toml->number("regularization", component.fold_in.regularization);
  toml->number("frequency_exponent", component.fold_in.frequency_exponent);
}

}  // namespace

std::vector<std::string> Description::files() const {
  std::vector<std::string> names = component_files;
  if (!items_file.empty()) names.push_back(items_file);
  if (!segments_file.empty()) names.push_back(segments_file);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string in_folder(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

Result<Description> read_description(const std::string& folder) {
  const std::string path = in_folder(folder, kDescriptionFile);
  auto text = read_text(path, kDescriptionBytesMax);
  if (!text.ok() && text.status().code() == StatusCode::kNotFound) {
    return not_found(folder + ": is no model directory: there is no model.toml in it");
  }
  if (!text.ok()) return std::move(text).status();
  CAIRN_ASSIGN_OR_RETURN(const toml::Node root, parse_toml(path, *text));
  CAIRN_ASSIGN_OR_RETURN(Description description, read_root(path, root));
  Digest digest;
  digest.add(std::as_bytes(std::span(*text)));
  description.digest = digest.value();
  return description;
}

std::string render_description(const Model& model, const Description& names) {
  TomlText toml;
  toml.number("format", kFormat);
  toml.text("kind", model.kind);
  toml.text("created_by", model.created_by);
  toml.number("generation", names.generation);
  toml.number("users", model.users);
  toml.number("interactions", model.interactions);
  if (!model.parameters.empty()) toml.table("[parameters]");
  for (const auto& [key, value] : model.parameters) toml.text(toml_string(key), value);
  toml.table("[items]");
  toml.number("count", names.item_count);
  toml.text("file", names.items_file);
  if (!names.segments_file.empty()) {
    toml.table("[segments]");
    toml.text("file", names.segments_file);
  }
  for (std::size_t i = 0; i < model.components.size(); ++i) {
    describe(model.components[i], names.component_files[i], &toml);
  }
  return toml.str();
}

}  // namespace cairn::model
