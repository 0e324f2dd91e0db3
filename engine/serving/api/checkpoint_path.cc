#include "engine/serving/api/checkpoint_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace cairn::serving {
namespace {

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_folder_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 128 && is_letter_or_digit(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

Result<std::string> checkpoint_path(std::string_view folder, std::string_view name) {
  if (folder.empty()) {
    return failed_precondition("this server has no folder for checkpoints; set state.checkpoints in its configuration");
  }
  const std::string prefix = folder.ends_with('/') ? std::string(folder) : std::string(folder) + "/";
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  if (!is_folder_name(name)) {
    return invalid_argument("path must name a new folder in " + std::string(folder) +
                            " on the server's disk (state.checkpoints): 1 to 128 letters, digits, '.', '_' or '-', the "
                            "first a letter or digit, such as \"2024-05-01\"");
  }
  return prefix + std::string(name);
}

Status make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return {};
  return unavailable("cannot create '" + folder + "', the folder for checkpoints: " + error.message() +
                     "; create it for the server's user, or set state.checkpoints to another");
}

}  // namespace cairn::serving
