#include "tests/support/forwarder.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace cairn::test {
namespace {

constexpr int kPollMilliseconds = 50;  // how soon a stop is noticed

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Address internet(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) throw std::runtime_error("no address: " + host);
  Address address;
  std::memcpy(&address.bytes, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

Address of_server(const std::string& server) {
  if (!server.starts_with('/')) return internet("127.0.0.1", server);
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  server.copy(path.sun_path, sizeof path.sun_path - 1);
  Address address;
  std::memcpy(&address.bytes, &path, sizeof path);
  address.size = sizeof path;
  return address;
}

int open_socket(const Address& address) { return ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0); }

const sockaddr* as_sockaddr(const Address& address) { return reinterpret_cast<const sockaddr*>(&address.bytes); }

/// Returns: false at the end of the stream.
bool pass(int from, int to) {
  std::array<char, 16 * 1024> bytes;
  const ssize_t got = ::recv(from, bytes.data(), bytes.size(), 0);
  for (ssize_t sent = 0; sent < got;) {
    const ssize_t more = ::send(to, bytes.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
    if (more <= 0) return false;
    sent += more;
  }
  return got > 0;
}

}  // namespace

Forwarder::Forwarder(const std::string& address, const std::string& port, std::string server)
    : server_(std::move(server)) {
  Address at = internet(address, port);
  listener_ = open_socket(at);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (listener_ < 0 || ::bind(listener_, as_sockaddr(at), at.size) != 0 || ::listen(listener_, 64) != 0) {
    if (listener_ >= 0) ::close(listener_);
    throw std::runtime_error("cannot listen on " + address);
  }
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at.bytes), &at.size);
  std::array<char, 16> number{};
  ::getnameinfo(as_sockaddr(at), at.size, nullptr, 0, number.data(), number.size(), NI_NUMERICSERV);
  port_ = number.data();
  acceptor_ = std::thread([this] { accept_connections(); });
}

Forwarder::~Forwarder() {
  stopping_ = true;
  acceptor_.join();
}

void Forwarder::accept_connections() {
  std::vector<std::thread> connections;
  while (!stopping_) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    ++connections_;
    connections.emplace_back([this, client] { forward(client); });
  }
  ::close(listener_);
  for (std::thread& connection : connections) connection.join();
}

void Forwarder::forward(int client) const {
  const Address address = of_server(server_);
  const int server = open_socket(address);
  bool open = ::connect(server, as_sockaddr(address), address.size) == 0;
  while (open && !stopping_) {
    std::array<pollfd, 2> ends{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    if (::poll(ends.data(), ends.size(), kPollMilliseconds) <= 0) continue;
    if (ends[0].revents != 0) open = pass(client, server);
    if (open && ends[1].revents != 0) open = pass(server, client);
  }
  ::close(client);
  ::close(server);
}

}  // namespace cairn::test
