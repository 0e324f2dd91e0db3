#include "storage/rocksdb/status_translation.h"

#include <string_view>

#include "storage/owner_remark.h"

namespace cairn::storage {
namespace {

constexpr std::string_view kRestore =
    "; restore a checkpoint, or move the directory away and let the events be read again from the start";

bool mentions(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

bool is_damage(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsPathNotFound() || status.IsNotFound();
}

bool names_a_file(const std::string& text) {
  return mentions(text, ".sst") || mentions(text, "MANIFEST") || mentions(text, ".log") || mentions(text, "CURRENT");
}

// Of a table file that is missing RocksDB names the spelling that it tried last, LevelDB's.
std::string with_current_extension(std::string text) {
  for (std::size_t at = text.find(".ldb"); at != std::string::npos; at = text.find(".ldb", at)) {
    text.replace(at, 4, ".sst");
  }
  return text;
}

}  // namespace

Status from_rocksdb(const rocksdb::Status& status) {
  if (status.ok()) return ok_status();
  if (status.IsCorruption()) return data_loss(status.ToString() + std::string(kRestore));
  if (status.IsNoSpace()) return resource_exhausted(status.ToString() + "; free space on that disk");
  return unavailable(status.ToString() + "; check the disk and open the store again");
}

Status open_failure(const rocksdb::Status& status, const std::string& path) {
  const std::string text = with_current_extension(status.ToString());
  if (is_damage(status)) {
    const std::string where = names_a_file(text) ? "" : " (in the MANIFEST that CURRENT names)";
    return data_loss("the state in " + path + " is damaged: " + text + where + std::string(kRestore));
  }
  if (status.IsIOError() && mentions(text, "/LOCK")) {
    return failed_precondition(path + " is open in another program: " + text + "; stop it or choose another state.dir");
  }
  if (status.IsIOError() && mentions(text, "Permission denied")) {
    return failed_precondition("cannot open the state in " + path + ": " + text + owner_remark(path));
  }
  return from_rocksdb(status).with_context("cannot open the state in " + path);
}

}  // namespace cairn::storage
