#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace cairn::test {

/// Listens on an address of this machine and forwards each connection to a server, byte by byte. Its end cuts all
/// connections.
///
/// Threads: one.
class Forwarder {
 public:
  /// `address`: of IPv4 or IPv6; `port`: "0" for a free one. `server`: the path of a unix socket, or a port of
  /// 127.0.0.1. Throws std::runtime_error when it cannot listen there.
  Forwarder(const std::string& address, const std::string& port, std::string server);
  ~Forwarder();

  [[nodiscard]] const std::string& port() const noexcept { return port_; }
  [[nodiscard]] int connections() const noexcept { return connections_; }

 private:
  void accept_connections();
  void forward(int client) const;

  const std::string server_;
  std::string port_;
  int listener_ = -1;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
};

}  // namespace cairn::test
