#include "streaming/file/rotation.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "streaming/gzip/inflater.h"

namespace cairn::streaming {
namespace {

/// What follows the rotated file's name and its separator; nullopt when `name` is not one that a rotation makes.
std::optional<std::string_view> rotation_suffix(std::string_view name, std::string_view base) {
  if (name.size() < base.size() + 2 || !name.starts_with(base)) return std::nullopt;
  if (name[base.size()] != '.' && name[base.size()] != '-') return std::nullopt;
  std::string_view suffix = name.substr(base.size() + 1);
  if (suffix.ends_with(".gz")) suffix.remove_suffix(3);
  const bool digit_first = !suffix.empty() && suffix[0] >= '0' && suffix[0] <= '9';
  if (!digit_first || suffix.find_first_not_of("0123456789-_.:TZ") != std::string_view::npos) return std::nullopt;
  return suffix;
}

std::int64_t leading_number(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Ascending keys are files from old to young. logrotate counts upwards with age, so at the same time the higher number
/// is the older file.
auto age_key(const FoundFile& file, std::string_view base) {
  const std::string name = std::filesystem::path(file.path).filename().string();
  const auto suffix = rotation_suffix(name, base);
  return std::make_tuple(file.info.modified.tv_sec, file.info.modified.tv_nsec,
                         -leading_number(suffix.value_or(std::string_view{})));
}

bool younger(const posix::FileInfo& a, const posix::FileInfo& b) {
  return std::tie(a.modified.tv_sec, a.modified.tv_nsec) > std::tie(b.modified.tv_sec, b.modified.tv_nsec);
}

/// A file that may vanish at any time: nullopt when it has.
Result<std::optional<FoundFile>> look_at(const std::string& path) {
  const auto info = posix::file_info(path);
  if (info.ok()) return std::optional(FoundFile{path, *info});
  if (info.status().code() == StatusCode::kNotFound) return std::optional<FoundFile>{};
  return info.status();
}

Result<bool> begins_alike(const FoundFile& found, const FileCursor& cursor, std::int64_t content_bytes) {
  if (!found.info.regular) return false;
  auto file = posix::File::open(found.path, O_RDONLY);
  if (!file.ok()) return file.status().code() == StatusCode::kNotFound ? Result<bool>(false) : file.status();
  Fingerprint head = cursor.head;
  CAIRN_ASSIGN_OR_RETURN(const bool alike, verify(*file, &head));
  if (!alike) return false;
  char magic[sizeof gzip::kMagic] = {};
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file->read_at(magic, 0));
  // A gzip file's size says nothing of its content's.
  const bool gzip = n == sizeof magic && std::memcmp(magic, gzip::kMagic, n) == 0;
  return gzip || found.info.size >= content_bytes;
}

}  // namespace

Result<std::vector<FoundFile>> rotated_files(const std::string& path) {
  const std::string directory = posix::directory_of(path);
  const std::string base = std::filesystem::path(path).filename().string();
  std::vector<FoundFile> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!rotation_suffix(name, base)) continue;
    // It may be gone already: rotations rename and remove while the folder is read.
    CAIRN_ASSIGN_OR_RETURN(const auto found, look_at(directory + "/" + name));
    if (found && found->info.regular) files.push_back(*found);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return posix::io_error("cannot list", directory, error.value());
  }
  std::sort(files.begin(), files.end(),
            [&](const FoundFile& a, const FoundFile& b) { return age_key(a, base) < age_key(b, base); });
  return files;
}

Result<std::optional<FoundFile>> file_after(const std::string& path, const posix::FileInfo& current,
                                            std::span<const posix::FileId> read) {
  CAIRN_ASSIGN_OR_RETURN(const std::optional<FoundFile> at_path, look_at(path));
  if (!at_path || at_path->info.id == current.id) return std::optional<FoundFile>{};
  CAIRN_ASSIGN_OR_RETURN(const std::vector<FoundFile> rotated, rotated_files(path));
  const auto self =
      std::find_if(rotated.begin(), rotated.end(), [&](const auto& f) { return f.info.id == current.id; });
  for (auto it = self == rotated.end() ? rotated.begin() : std::next(self); it != rotated.end(); ++it) {
    // A file that is not among the rotated ones (it was removed, or given a name of its own) has no place in their
    // order; only the time of its last byte tells which of them came later.
    const bool later = self != rotated.end() || younger(it->info, current);
    if (std::find(read.begin(), read.end(), it->info.id) != read.end()) continue;
    if (later && it->info.size > 0) return std::optional(*it);
  }
  return at_path->info.size > 0 ? at_path : std::nullopt;
}

Result<std::optional<FoundFile>> find_file(const std::string& path, const FileCursor& cursor,
                                           std::int64_t content_bytes) {
  CAIRN_ASSIGN_OR_RETURN(const std::optional<FoundFile> at_path, look_at(path));
  CAIRN_ASSIGN_OR_RETURN(std::vector<FoundFile> candidates, rotated_files(path));
  if (at_path) candidates.push_back(*at_path);
  std::reverse(candidates.begin(), candidates.end());  // the one at `path`, then the youngest first
  for (const bool same_inode : {true, false}) {
    // Without a fingerprint every file would match: only the inode is left to go by.
    if (!same_inode && cursor.head.size == 0) break;
    for (const FoundFile& candidate : candidates) {
      if ((candidate.info.id == cursor.id) != same_inode) continue;
      CAIRN_ASSIGN_OR_RETURN(const bool alike, begins_alike(candidate, cursor, content_bytes));
      if (alike) return std::optional(candidate);
    }
  }
  return std::optional<FoundFile>{};
}

}  // namespace cairn::streaming
