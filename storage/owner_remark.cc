#include "storage/owner_remark.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace cairn::storage {

std::string owner_remark(const std::string& path) {
  std::filesystem::path part(path);
  struct stat st {};
  while (::stat(part.c_str(), &st) != 0 && part.has_parent_path() && part != part.parent_path()) {
    part = part.parent_path();
  }
  const std::string us = std::to_string(::geteuid());
  if (st.st_uid == ::geteuid())
    return "; make " + part.string() + " writable for uid " + us + " or choose another state.dir";
  return "; " + part.string() + " is owned by uid " + std::to_string(st.st_uid) + " and this process runs as uid " +
         us + ": chown -R " + us + " the state.dir, or run as its owner";
}

}  // namespace cairn::storage
