#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/model/model.h"

namespace cairn::model {

inline constexpr const char* kDescriptionFile = "model.toml";

/// What model.toml says: a model without its tensors, and the names of the files that hold them.
struct Description {
  Model model = {};  ///< its components without tensors
  std::uint64_t generation = 0;
  std::uint64_t digest = 0;      ///< of the text that it was read from
  std::uint64_t item_count = 0;  ///< 0: the file does not say it
  std::string items_file = {};
  std::vector<std::string> component_files = {};  ///< one for each component
  std::string segments_file = {};                 ///< empty: there are no segments

  /// The names of all files, ascending, each once.
  [[nodiscard]] std::vector<std::string> files() const;
};

/// The path of a file in a folder.
[[nodiscard]] std::string in_folder(const std::string& folder, const std::string& name);

/// Returns: NOT_FOUND when the folder has no model.toml; INVALID_ARGUMENT with file and line when it breaks the format;
/// UNIMPLEMENTED for a format of a later version of Cairn.
[[nodiscard]] Result<Description> read_description(const std::string& folder);

/// The text of model.toml for `model`. The generation, the number of items and the names of files are taken from
/// `names`; its field `model` is not used.
[[nodiscard]] std::string render_description(const Model& model, const Description& names);

}  // namespace cairn::model
