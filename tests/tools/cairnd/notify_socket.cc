#include "tests/tools/cairnd/notify_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tests/tools/cairnd/process.h"

namespace cairn::cairnd::test {

NotifySocket::NotifySocket(std::string address) : address_(std::move(address)) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address_.size() >= sizeof(to.sun_path)) throw std::runtime_error("socket path too long");
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  if (::bind(fd_, reinterpret_cast<const sockaddr*>(&to), length) != 0) throw std::runtime_error("bind failed");
}

NotifySocket::~NotifySocket() { ::close(fd_); }

std::string NotifySocket::next() {
  pollfd poller{fd_, POLLIN, 0};
  if (::poll(&poller, 1, kPatienceMs) != 1) return {};
  std::array<char, 8192> buffer{};
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  return {buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::string NotifySocket::wait_for(const std::string& start) {
  for (;;) {
    const std::string message = next();
    if (message.empty() || ("\n" + message).find("\n" + start) != std::string::npos) return message;
  }
}

}  // namespace cairn::cairnd::test
