#include "engine/learning/checkpoint.h"

#include <bit>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "engine/model/files.h"
#include "engine/model/safetensors.h"

namespace cairn::learning {
namespace {

constexpr const char* kFile = "ials.safetensors";
constexpr const char* kEpochs = "epochs_done";
constexpr const char* kFingerprint = "training";

std::string path_in(const std::string& folder) { return (std::filesystem::path(folder) / kFile).string(); }

/// FNV-1a, 64 bits, over words: what is hashed is no adversary's.
class Hash {
 public:
  void add(std::uint64_t word) { state_ = (state_ ^ word) * 0x100000001b3U; }
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  [[nodiscard]] std::string hex() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(state_));
    return text;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

Result<std::size_t> epochs_of(const model::TensorFile& file) {
  const auto found = file.metadata().find(kEpochs);
  std::size_t epochs = 0;
  if (found != file.metadata().end()) {
    const char* end = found->second.data() + found->second.size();
    if (std::from_chars(found->second.data(), end, epochs).ptr == end) return epochs;
  }
  return invalid_argument(file.path() + ": does not say how many epochs were done");
}

}  // namespace

std::string training_fingerprint(const Interactions& interactions, const std::string& parameters) {
  Hash hash;
  hash.add(parameters);
  for (const std::string& user : interactions.users) hash.add(user);
  for (const std::string& item : interactions.items) hash.add(item);
  for (const std::uint64_t offset : interactions.offsets) hash.add(offset);
  for (const std::uint32_t column : interactions.columns) hash.add(std::uint64_t{column});
  for (const float value : interactions.values) hash.add(std::uint64_t{std::bit_cast<std::uint32_t>(value)});
  return hash.hex();
}

Status save_checkpoint(const std::string& folder, const std::string& fingerprint, const gpu::IalsFactors& factors,
                       std::size_t epochs_done) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return unavailable(folder + ": cannot be created: " + error.message());
  const std::string path = path_in(folder);
  const std::size_t users = factors.users.size() / factors.dim;
  const std::size_t items = factors.items.size() / factors.dim;
  CAIRN_RETURN_IF_ERROR(
      model::write_safetensors(path + ".part",
                               {model::tensor("users", {users, factors.dim}, std::span(factors.users)),
                                model::tensor("items", {items, factors.dim}, std::span(factors.items))},
                               {{kEpochs, std::to_string(epochs_done)}, {kFingerprint, fingerprint}}));
  std::filesystem::rename(path + ".part", path, error);
  if (error) return unavailable(path + ": cannot be renamed from .part: " + error.message());
  return model::sync_folder(folder);
}

Result<std::optional<Checkpoint>> load_checkpoint(const std::string& folder, const std::string& fingerprint) {
  auto file = model::TensorFile::read(path_in(folder));
  if (!file.ok() && file.status().code() == StatusCode::kNotFound) return std::optional<Checkpoint>();
  if (!file.ok()) return std::move(file).status();
  const auto training = file->metadata().find(kFingerprint);
  if (training == file->metadata().end() || training->second != fingerprint) return std::optional<Checkpoint>();
  Checkpoint checkpoint;
  std::vector<std::size_t> shape;
  CAIRN_ASSIGN_OR_RETURN(checkpoint.epochs_done, epochs_of(*file));
  CAIRN_ASSIGN_OR_RETURN(const auto users, file->values<float>("users", 2, &shape));
  CAIRN_ASSIGN_OR_RETURN(const auto items, file->values<float>("items", 2));
  checkpoint.factors = {.dim = shape[1], .users = {users.begin(), users.end()}, .items = {items.begin(), items.end()}};
  return std::optional(std::move(checkpoint));
}

void remove_checkpoint(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::remove(path_in(folder), ignored);
  std::filesystem::remove(path_in(folder) + ".part", ignored);
  std::filesystem::remove(folder, ignored);  // refused when something else is in it
}

}  // namespace cairn::learning
