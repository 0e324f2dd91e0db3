#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "cairn/status.h"
#include "engine/config/draft.h"

namespace cairn::config {
namespace {

constexpr std::size_t kSecretBytesMax = 64 * 1024;

/// Looks at the open file, not at its path, which could be another file by then.
Status check_secret_file(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return invalid_argument(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return invalid_argument("is not a regular file");
  if ((info.st_mode & S_IROTH) != 0) {
    return invalid_argument("can be read by every user of this machine; run: chmod o= FILE");
  }
  return ok_status();
}

Result<std::string> read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() <= kSecretBytesMax) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return invalid_argument(std::strerror(errno));
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return invalid_argument("is longer than 64KiB");
}

/// A secret's file without the line end that editors leave.
Result<std::string> read_secret(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe that nobody writes to would never return.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return invalid_argument(std::strerror(errno));
  Result<std::string> text = std::string();
  if (Status status = check_secret_file(fd); status.ok()) {
    text = read_all(fd);
  } else {
    text = std::move(status);
  }
  ::close(fd);
  CAIRN_RETURN_IF_ERROR(text.status());
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty()) return invalid_argument("is empty");
  if (text->find('\0') != std::string::npos) return invalid_argument("holds a NUL character");
  return text;
}

void set_secret(const std::string& full, const std::string& secret, Draft* draft) {
  constexpr std::string_view kProperties = "kafka.properties.";
  if (full.starts_with(kProperties)) {
    draft->config.engine.kafka.properties[full.substr(kProperties.size())] = secret;
    return;
  }
  for (const Section& section : sections()) {
    for (const Key<Config>& key : section.keys) {
      if (full_key(section.name, key.name) == full) key.set(draft->config, Value(secret));
    }
  }
}

}  // namespace

void resolve_secret_files(Draft* draft) {
  for (const auto& [full, file] : draft->secret_files) {
    const std::string file_key = full + std::string(kFileSuffix);
    if (const Where* direct = draft->where(full); direct != nullptr && direct->origin >= file.where.origin) {
      draft->problem(file.where,
                     file_key + ": " + full + " is given too, at " + direct->to_string() + "; keep one of them");
      continue;
    }
    const Result<std::string> secret = read_secret(file.path);
    if (secret.ok()) {
      set_secret(full, *secret, draft);
    } else {
      draft->problem(file.where, file_key + ": " + file.path + ": " + secret.status().message());
    }
    draft->mention(full, file.where);  // also when it could not be read: it is not missing as well
  }
}

}  // namespace cairn::config
