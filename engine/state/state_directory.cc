#include "engine/state/state_directory.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "cairn/state_dir.h"

namespace cairn {

Status check_state_dir(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path part = directory;
  while (!part.empty() && part != part.parent_path()) {
    const fs::file_status found = fs::status(part, ignored);
    if (fs::is_directory(found)) return ok_status();
    if (fs::exists(found)) {
      const std::string what = fs::is_regular_file(found) ? "a file" : "no directory";
      return invalid_argument("state.dir: '" + part.string() + "' is " + what +
                              "; name a directory, which is created where there is none, or move that out of the way");
    }
    part = part.parent_path();
  }
  return ok_status();
}

}  // namespace cairn

namespace cairn::state {

namespace fs = std::filesystem;

namespace {

Status make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0750) == 0) return ok_status();
  return unavailable("cannot create '" + path.string() + "': " + std::generic_category().message(errno) +
                     "; make its parent writable for uid " + std::to_string(::geteuid()));
}

Status sync_folder(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return ok_status();
  return unavailable("cannot sync '" + path.string() + "': " + std::generic_category().message(error));
}

/// Whatever the umask allows more, others cannot look into it. A folder whose name is not on the disk is lost in a
/// power failure with everything that was synced in it.
Status make_directories(const fs::path& path) {
  std::error_code error;
  if (path.empty() || fs::is_directory(path, error)) return ok_status();
  if (path.parent_path() != path) CAIRN_RETURN_IF_ERROR(make_directories(path.parent_path()));
  Status made = make_directory(path);
  if (!fs::is_directory(path, error)) return made;
  return sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

/// "cairn (uid 999)"
std::string user_text(uid_t uid) {
  constexpr std::size_t kBytesMax = 16 << 10;
  std::string buffer(kBytesMax, '\0');
  passwd entry{};
  passwd* found = nullptr;
  const bool named = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  const std::string number = "uid " + std::to_string(uid);
  return named ? std::string(entry.pw_name) + " (" + number + ")" : number;
}

/// The user whose files are in the directory; before there are any, to root, who may write anywhere, the one whose
/// directory it is. Nothing: nobody's yet, or the kernel says itself what is allowed.
std::optional<uid_t> owner_of(const std::string& path, const std::string& store) {
  struct stat found {};
  if (::stat((store + "/OWNER").c_str(), &found) == 0) return found.st_uid;
  if (::geteuid() == 0 && ::stat(path.c_str(), &found) == 0) return found.st_uid;
  return std::nullopt;
}

Status check_owner(const std::string& path, const std::string& store) {
  const std::optional<uid_t> owner = owner_of(path, store);
  if (!owner || *owner == ::geteuid()) return ok_status();
  const std::string theirs = user_text(*owner);
  const std::string ours = user_text(::geteuid());
  return failed_precondition("the state directory '" + path + "' belongs to " + theirs + " and this process runs as " +
                             ours + ", whose files that user could not open; run it as " + theirs + " (sudo -u '#" +
                             std::to_string(*owner) + "' ...), or chown -R the directory to " + ours +
                             ", or set state.any_owner = true");
}

}  // namespace

Result<StateDirectory> StateDirectory::open(const std::string& path, Owner owner) {
  if (path.empty())
    return invalid_argument("state.dir (EngineOptions::state_dir) is empty; name a directory for the engine's state");
  CAIRN_RETURN_IF_ERROR(check_state_dir(path));
  if (owner == Owner::kOurs) CAIRN_RETURN_IF_ERROR(check_owner(path, at(path).store()));
  CAIRN_RETURN_IF_ERROR(
      make_directories(fs::path(path)).with_context("cannot create the state directory '" + path + "'"));
  return StateDirectory(path);
}

Result<StateDirectory> StateDirectory::create_new(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error)) return Status(StatusCode::kAlreadyExists, "'" + path + "' exists; name a new directory");
  if (Status made = make_directory(fs::path(path)); !made.ok()) return invalid_argument(made.message());
  return StateDirectory(path);
}

bool StateDirectory::contains(const std::string& path) const {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  if (error) return false;
  const fs::path outer = fs::canonical(path_, error);
  if (error) return false;
  const auto [end, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return end == outer.end();
}

Status StateDirectory::sync() const {
  std::error_code error;
  const fs::path own = fs::absolute(path_, error);
  CAIRN_RETURN_IF_ERROR(sync_folder(own));
  return sync_folder(own.parent_path());
}

std::uint64_t StateDirectory::bytes() const {
  std::uint64_t total = 0;
  std::error_code error;
  // What cannot be looked at counts nothing: the sum is for people.
  for (fs::recursive_directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    const std::uintmax_t size = entry->is_regular_file(unknown) ? entry->file_size(unknown) : 0;
    if (!unknown) total += size;
  }
  return total;
}

void StateDirectory::remove() const {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace cairn::state
