#include "storage/rocksdb/file_names.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

std::optional<std::uint64_t> number_of(std::string_view digits) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string manifest_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  constexpr std::size_t kDigitsMin = 6;
  if (digits.size() < kDigitsMin) digits.insert(0, kDigitsMin - digits.size(), '0');
  return "MANIFEST-" + digits;
}

std::optional<std::uint64_t> manifest_number(std::string_view name) {
  constexpr std::string_view kPrefix = "MANIFEST-";
  name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
  return name.starts_with(kPrefix) ? number_of(name.substr(kPrefix.size())) : std::nullopt;
}

std::map<std::uint64_t, std::string> log_files(const std::string& directory) {
  std::map<std::uint64_t, std::string> logs;
  std::error_code error;
  for (fs::directory_iterator file(directory, error), end; !error && file != end; file.increment(error)) {
    if (file->path().extension() != ".log") continue;
    if (const auto number = number_of(file->path().stem().string())) logs.emplace(*number, file->path().string());
  }
  return logs;
}

Result<std::optional<std::string>> some_data_file(const std::string& directory) {
  std::error_code error;
  for (fs::directory_iterator file(directory, error), end; !error && file != end; file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (name.ends_with(".sst") || name.ends_with(".log") ||
        (name.starts_with("MANIFEST-") && name != manifest_name(1))) {
      return std::optional(name);
    }
  }
  if (error) return unavailable("cannot look into " + directory + ": " + error.message());
  return std::optional<std::string>();
}

std::string current_manifest(const std::string& directory) {
  std::string name;
  std::getline(std::ifstream(directory + "/CURRENT"), name);
  return directory + "/" + name;
}

}  // namespace cairn::storage
