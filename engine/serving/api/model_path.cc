#include "engine/serving/api/model_path.h"

#include "engine/serving/api/checkpoint_path.h"

namespace cairn::serving {

Result<std::string> model_path(std::string_view folder, std::string_view name) {
  if (folder.empty()) {
    return failed_precondition(
        "this server has no folder of models; set model.root in its configuration, or model.dir, whose folder it is");
  }
  const std::string prefix = folder.ends_with('/') ? std::string(folder) : std::string(folder) + "/";
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  while (name.size() > 1 && name.ends_with('/')) name.remove_suffix(1);  // as shells complete it
  if (!is_folder_name(name)) {
    return invalid_argument("dir must name a folder in " + std::string(folder) +
                            " on the server's disk (model.root): 1 to 128 letters, digits, '.', '_' or '-', the first "
                            "a letter or digit, such as \"2024-05-01\"");
  }
  return prefix + std::string(name);
}

}  // namespace cairn::serving
