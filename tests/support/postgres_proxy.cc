#include "tests/support/postgres_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>

namespace cairn::test {
namespace {

constexpr int kPollMilliseconds = 50;  // how soon a stop is noticed

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

int connect_to(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(path);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// A simple Query message (protocol 3.0) with the text COMMIT.
bool is_commit(std::string_view bytes) {
  constexpr std::string_view kCommit(
      "Q\0\0\0\x0b"
      "COMMIT\0",
      12);
  return bytes.find(kCommit) != std::string_view::npos;
}

std::string_view receive(int fd, std::span<char> buffer) {
  const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

}  // namespace

PostgresProxy::PostgresProxy(const std::string& socket_folder, const std::string& port)
    : server_path_(socket_folder + "/.s.PGSQL." + port) {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(folder_.path() + "/.s.PGSQL." + port);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 16) != 0) {
    throw std::runtime_error("cannot listen in " + folder_.path());
  }
  acceptor_ = std::thread([this] { accept_connections(); });
}

PostgresProxy::~PostgresProxy() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  ::close(listener_);
}

void PostgresProxy::accept_connections() {
  while (!stopping_) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) connections_.emplace_back([this, client] { forward(client); });
  }
}

void PostgresProxy::forward(int client) const {
  const int server = connect_to(server_path_);
  char buffer[16 * 1024];
  bool open = server >= 0;
  while (open && !stopping_) {
    pollfd ends[] = {{.fd = client, .events = POLLIN, .revents = 0}, {.fd = server, .events = POLLIN, .revents = 0}};
    if (::poll(ends, 2, kPollMilliseconds) <= 0) continue;
    if (ends[0].revents != 0) open = pass_client_bytes(client, server);
    if (open && ends[1].revents != 0) {
      const std::string_view bytes = receive(server, buffer);
      open = !bytes.empty() && send_all(client, bytes);
    }
  }
  ::close(client);
  if (server >= 0) ::close(server);
}

/// False when the connection is to end here.
bool PostgresProxy::pass_client_bytes(int client, int server) const {
  char buffer[16 * 1024];
  const std::string_view bytes = receive(client, buffer);
  if (bytes.empty()) return false;
  const Cut cut = is_commit(bytes) ? cut_.exchange(Cut::kNever) : Cut::kNever;
  if (cut == Cut::kBeforeCommit || !send_all(server, bytes)) return false;
  if (cut == Cut::kAfterCommit) receive(server, buffer);  // the answer, which nobody gets
  return cut == Cut::kNever;
}

}  // namespace cairn::test
