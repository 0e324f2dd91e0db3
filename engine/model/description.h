#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/model/model.h"

namespace cairn::model {

inline constexpr const char* kDescriptionFile = "model.toml";

/// What model.toml says: a model without its tensors, and the files that hold them.
struct Description {
  Model model = {};  ///< its components without tensors
  std::uint64_t generation = 0;
  std::uint64_t item_count = 0;  ///< 0: not said
  std::string items_file = {};
  std::vector<std::string> component_files = {};  ///< one a component

  /// All files, each once, in the order of names.
  [[nodiscard]] std::vector<std::string> files() const;
};

/// The path of a file in a folder.
[[nodiscard]] std::string in_folder(const std::string& folder, const std::string& name);

/// Returns: NOT_FOUND when the folder has no model.toml; INVALID_ARGUMENT with file and line for what is not of the
/// format, UNIMPLEMENTED for a format of later versions.
[[nodiscard]] Result<Description> read_description(const std::string& folder);

/// The text of model.toml for this model, with generation and files of `names`, whose own model is not looked at.
[[nodiscard]] std::string render_description(const Model& model, const Description& names);

}  // namespace cairn::model
