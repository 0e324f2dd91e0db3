#include "streaming/log/identity.h"

#include <cstdio>
#include <random>
#include <sstream>

#include "streaming/log/crc32c.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {
namespace {

constexpr std::string_view kTitle = "cairn event log 1";
constexpr std::size_t kAncestorsMax = 16;

std::string checked(const std::string& text) {
  char line[32];
  std::snprintf(line, sizeof line, "crc32c %08x\n", crc32c(text));
  return text + line;
}

std::string encode(const LogIdentity& identity) {
  std::ostringstream text;
  text << kTitle << "\nid " << (identity.id.empty() ? "-" : identity.id) << "\n";
  for (const LogAncestor& ancestor : identity.ancestors) {
    text << "from " << ancestor.id << " " << ancestor.end.value << "\n";
  }
  return checked(text.str());
}

std::optional<LogIdentity> decode(const std::string& bytes) {
  LogIdentity identity;
  std::istringstream in(bytes);
  std::string line;
  if (!std::getline(in, line) || line != kTitle) return std::nullopt;
  std::string word;
  while (in >> word) {
    LogAncestor ancestor;
    if (word == "id") in >> identity.id;
    if (word == "from" && in >> ancestor.id >> ancestor.end.value) identity.ancestors.push_back(ancestor);
    if (word == "crc32c") in >> word;
  }
  if (identity.id == "-") identity.id.clear();
  // There is one way to write it, so the whole is compared, the checksum included.
  return encode(identity) == bytes ? std::optional(identity) : std::nullopt;
}

}  // namespace

std::string identity_path(const std::string& directory) { return directory + "/identity"; }

Result<std::optional<LogIdentity>> read_identity(const std::string& directory) {
  const auto bytes = posix::read_file(identity_path(directory));
  if (bytes.status().code() == StatusCode::kNotFound) return std::optional<LogIdentity>();
  if (!bytes.ok()) return bytes.status();
  const auto identity = decode(*bytes);
  if (!identity) return data_loss("'" + identity_path(directory) + "' is damaged");
  return identity;
}

Status write_identity(const std::string& directory, const LogIdentity& identity) {
  return posix::replace_file(identity_path(directory), encode(identity));
}

std::string draw_log_id() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

LogIdentity fork_at(const LogIdentity& identity, Offset end) {
  LogIdentity fork{"", identity.ancestors};
  fork.ancestors.insert(fork.ancestors.begin(), {identity.id, end});
  if (fork.ancestors.size() > kAncestorsMax) fork.ancestors.resize(kAncestorsMax);
  return fork;
}

}  // namespace cairn::streaming
