#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "cairn/byte_text.h"
#include "cairn/engine.h"
#include "tools/cairn/doctor.h"
#include "tools/cairn/output.h"
#include "tools/cairn/vocabulary.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kSlowSyncMs = 20.0;
constexpr std::uint64_t kOpenFilesMin = 4096;

/// The folder itself, or the nearest one above it that exists: where it would be created.
fs::path existing_part(fs::path path) {
  std::error_code ignored;
  while (!fs::exists(path, ignored) && path.has_parent_path() && path != path.parent_path()) path = path.parent_path();
  return path;
}

Finding examine_writable(const std::string& dir, const fs::path& existing) {
  const std::string where = existing == dir ? dir : dir + " (not there yet; " + existing.string() + " is)";
  if (::access(existing.c_str(), W_OK | X_OK) == 0) return {"state directory", Health::kOk, where + " is writable", ""};
  // Looking as another user than the server's is the usual case, and no fault of the server.
  return {"state directory", Health::kWarn, where + " is not writable by this user: " + std::strerror(errno),
          "run this as the user that cairnd runs as; as root, where that is the unit cairnd.service, whose user exists "
          "only while it runs"};
}

Finding examine_space(const fs::path& existing, std::uint64_t free_bytes_min) {
  struct statvfs space {};
  if (::statvfs(existing.c_str(), &space) != 0) {
    return {"free space", Health::kWarn, "cannot be read: " + std::string(std::strerror(errno)), ""};
  }
  const std::uint64_t free_bytes = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  const std::string detail = byte_text(free_bytes) + " free; ingest pauses below " + byte_text(free_bytes_min);
  const std::string remedy = "free some space, or move the state directory to a larger disk";
  if (free_bytes < free_bytes_min) return {"free space", Health::kFail, detail, remedy};
  if (free_bytes / 4 < free_bytes_min) return {"free space", Health::kWarn, detail, remedy};
  return {"free space", Health::kOk, detail, ""};
}

/// File systems by the magic number of statfs(2).
const std::map<std::uint32_t, std::string>& file_systems() {
  static const std::map<std::uint32_t, std::string> kNames = {
      {0xEF53, "ext4"},        {0x58465342, "xfs"},   {0x9123683E, "btrfs"}, {0x2FC12FC1, "zfs"},
      {0x794C7630, "overlay"}, {0x01021994, "tmpfs"}, {0x6969, "nfs"},       {0xFF534D42, "cifs"},
      {0xFE534D42, "smb2"},    {0x65735546, "fuse"},  {0xF2F52010, "f2fs"},  {0x01021997, "9p"}};
  return kNames;
}

/// State needs locks that hold and syncs that sync; not every file system has both.
Finding examine_file_system(const fs::path& existing) {
  struct statfs info {};
  if (::statfs(existing.c_str(), &info) != 0) {
    return {"file system", Health::kWarn, "cannot be read: " + std::string(std::strerror(errno)), ""};
  }
  const auto found = file_systems().find(static_cast<std::uint32_t>(info.f_type));
  const std::string name = found == file_systems().end() ? "of a kind unknown here" : found->second;
  if (name == "tmpfs") {
    return {"file system", Health::kWarn, "tmpfs: state is in memory and gone after a restart of the machine",
            "set state.dir to a folder on a disk"};
  }
  const bool remote = name == "nfs" || name == "cifs" || name == "smb2" || name == "fuse" || name == "9p";
  if (remote) {
    return {"file system", Health::kWarn, name + ": locks and syncs over a network are not to be relied on",
            "set state.dir to a folder on a local disk"};
  }
  return {"file system", Health::kOk, name, ""};
}

/// Median cost in milliseconds of making 4 KiB durable, measured on a file without a name.
std::optional<double> sync_cost_ms(const fs::path& dir) {
  const int file = ::open(dir.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return std::nullopt;
  const std::array<char, 4096> block{};
  std::array<double, 15> costs{};
  bool failed = false;
  for (double& cost : costs) {
    const auto start = std::chrono::steady_clock::now();
    failed |= ::write(file, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || ::fdatasync(file) != 0;
    cost = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
  ::close(file);
  if (failed) return std::nullopt;
  std::nth_element(costs.begin(), costs.begin() + costs.size() / 2, costs.end());
  return costs[costs.size() / 2];
}

Finding examine_sync(const fs::path& existing) {
  const std::optional<double> cost = sync_cost_ms(existing);
  if (!cost) return {"sync cost", Health::kWarn, "cannot be measured in " + existing.string(), ""};
  const std::string detail = number_text(*cost) + " ms to make a window durable (median of 15)";
  if (*cost < kSlowSyncMs) return {"sync cost", Health::kOk, detail, ""};
  return {"sync cost", Health::kWarn, detail,
          "use a faster disk; or raise state.window, so that more events share one sync"};
}

}  // namespace

DoctorConfig examine_config(const std::string& path, bool required) {
  DoctorConfig examined;
  std::error_code ignored;
  if (!required && !fs::exists(path, ignored)) {
    examined.config = config::Config();
    examined.findings.push_back({"configuration", Health::kOk, path + " is not there; the defaults are looked at",
                                 "cairn config sample > " + path + " begins one"});
    return examined;
  }
  config::ConfigReport report = config::check_config_file(path, config::process_environment(), vocabulary());
  for (const config::Problem& problem : report.problems) {
    examined.findings.push_back(
        {"configuration", Health::kFail, problem.to_string(), "mend the file: cairn config check " + path});
  }
  for (const config::Problem& warning : report.warnings) {
    examined.findings.push_back(
        {"configuration", Health::kWarn, warning.to_string(), "rename the variable, or take it away"});
  }
  if (report.ok()) {
    examined.config = std::move(report.config);
    examined.findings.push_back({"configuration", Health::kOk, path + " has no problems", ""});
  }
  return examined;
}

std::vector<Finding> examine_state_dir(const EngineOptions& options) {
  const fs::path existing = existing_part(options.state_dir);
  std::error_code ignored;
  if (fs::exists(existing, ignored) && !fs::is_directory(existing, ignored)) {
    const std::string what = fs::is_regular_file(existing, ignored) ? " is a file" : " is no directory";
    return {{"state directory", Health::kFail, existing.string() + what,
             "set state.dir to a directory, which is created where there is none, or move that out of the way"}};
  }
  return {examine_writable(options.state_dir, existing), examine_space(existing, options.state.free_bytes_min),
          examine_file_system(existing), examine_sync(existing)};
}

std::vector<Finding> examine_state_files(const EngineOptions& options) {
  std::error_code ignored;
  if (!fs::is_directory(options.state_dir, ignored)) return {{"state files", Health::kOk, "none yet", ""}};
  const StateExamination found = examine_state(options.state_dir);
  std::vector<Finding> findings;
  for (const Damage& damage : found.damaged) {
    findings.push_back({"state files", Health::kFail, damage.what, damage.remedy});
  }
  if (findings.empty()) {
    findings.push_back({"state files", Health::kOk, "every checksum is right; " + grouped(found.rows) + " rows", ""});
  }
  if (found.quarantined > 0) {
    findings.push_back({"quarantine", Health::kWarn,
                        grouped(found.quarantined) + " changes of rows made no sense and are kept aside",
                        "the features of their rows lack them; restore a checkpoint, or let the events be read again"});
  }
  return findings;
}

Finding examine_database(const EngineOptions& options) {
  if (options.sql.dsn.empty()) {
    return {"postgresql", Health::kOk, "not configured: Cairn runs on its own state alone", ""};
  }
  const Status status = probe_postgres(options.sql);
  if (status.ok()) return {"postgresql", Health::kOk, "answers", ""};
  return {"postgresql", Health::kFail, status.message(), "check sql.dsn, the server, and that this user may connect"};
}

Finding examine_open_files(std::size_t connections_max) {
  struct rlimit limit {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t wanted = std::max<std::uint64_t>(kOpenFilesMin, connections_max + 1024);
  const std::string detail =
      "limit of " + grouped(limit.rlim_cur) + " open files (at most " + grouped(limit.rlim_max) + ")";
  if (limit.rlim_cur >= wanted) return {"open files", Health::kOk, detail, ""};
  return {
      "open files", Health::kWarn, detail,
      "ulimit -n " + std::to_string(wanted) + ", or LimitNOFILE=" + std::to_string(wanted) + " in the service's unit"};
}

Finding examine_clock() {
  struct timex state {};
  const int answer = ::adjtimex(&state);
  const auto now = std::chrono::system_clock::now();
  const std::chrono::sys_days built{std::chrono::year{2024} / 1 / 1};
  if (now < built) {
    return {"clock", Health::kFail, "the clock stands before this program was written",
            "set the clock: timedatectl set-ntp true"};
  }
  if (answer == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    return {"clock", Health::kWarn, "the clock is not synchronised; decay and expiry go by it",
            "timedatectl set-ntp true"};
  }
  return {"clock", Health::kOk, "synchronised", ""};
}

}  // namespace cairn::cli
