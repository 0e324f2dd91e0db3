#include "tools/cairnd/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace cairn::cairnd {
namespace {

std::optional<std::int64_t> integer_variable(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value <= 0) return std::nullopt;
  return value;
}

std::optional<std::chrono::microseconds> watchdog_from_environment() {
  const auto interval = integer_variable("WATCHDOG_USEC");
  const auto pid = integer_variable("WATCHDOG_PID");
  if (!interval || (pid && *pid != ::getpid())) return std::nullopt;
  return std::chrono::microseconds{*interval};
}

/// A status is one line: what would end it is replaced.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

std::int64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

}  // namespace

Notifier Notifier::from_environment() {
  Notifier notifier;
  const char* address = std::getenv("NOTIFY_SOCKET");
  if (address == nullptr || (address[0] != '/' && address[0] != '@')) return notifier;
  if (std::strlen(address) >= sizeof(sockaddr_un::sun_path)) return notifier;
  notifier.address_ = address;
  notifier.socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  notifier.watchdog_ = watchdog_from_environment();
  return notifier;
}

Notifier::~Notifier() {
  if (socket_ >= 0) ::close(socket_);
}

Notifier::Notifier(Notifier&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), address_(std::move(other.address_)), watchdog_(other.watchdog_) {}

void Notifier::ready(std::string_view status) const { send("READY=1\nSTATUS=" + one_line(status)); }
void Notifier::status(std::string_view status) const { send("STATUS=" + one_line(status)); }
void Notifier::extend_timeout(std::chrono::microseconds more, std::string_view status) const {
  send("EXTEND_TIMEOUT_USEC=" + std::to_string(more.count()) + "\nSTATUS=" + one_line(status));
}
void Notifier::reloading() const {
  // Managers of systemd 253 and later match a reload by this time stamp.
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_microseconds()));
}
void Notifier::stopping(std::string_view status) const { send("STOPPING=1\nSTATUS=" + one_line(status)); }
void Notifier::watchdog() const { send("WATCHDOG=1"); }

void Notifier::send(const std::string& message) const {
  if (socket_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // MSG_DONTWAIT: a manager that does not read must not stop a daemon that works.
  (void)::sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&to), length);
}

}  // namespace cairn::cairnd
