#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "engine/config/config.h"

namespace cairn::config {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

Result<std::string> read_config_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const std::string hint = errno == ENOENT ? "; write one with: cairnd --print-sample-config > " + path : "";
    return invalid_argument("cannot be read: " + std::string(std::strerror(errno)) + hint);
  }
  std::string text;
  std::array<char, 16384> buffer{};
  ssize_t got = 0;
  while (text.size() <= kFileBytesMax && (got = ::read(fd, buffer.data(), buffer.size())) != 0) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  const int error = got < 0 ? errno : 0;
  ::close(fd);
  if (error != 0) return invalid_argument("cannot be read: " + std::string(std::strerror(error)));
  if (text.size() > kFileBytesMax) return invalid_argument("is longer than 1MiB; is it a configuration file?");
  return text;
}

}  // namespace

ConfigReport check_config_file(const std::string& path, const Environment& environment, const Vocabulary& vocabulary) {
  const Result<std::string> text = read_config_file(path);
  if (text.ok()) return check_config(*text, path, environment, vocabulary);
  ConfigReport report;
  report.problems.push_back({path + ":1:1", text.status().message()});
  return report;
}

Result<Config> load_config(const std::string& path, const Environment& environment, const Vocabulary& vocabulary) {
  ConfigReport report = check_config_file(path, environment, vocabulary);
  if (!report.ok()) return invalid_argument(report.problems_text());
  return std::move(report.config);
}

}  // namespace cairn::config
