#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace cairn::test {

/// Stands between a client and the test cluster, on a unix socket of its own, and can lose a connection at the worst
/// moment: around COMMIT. Connections are forwarded byte by byte otherwise.
///
/// Threads: arm() from any thread.
class PostgresProxy {
 public:
  enum class Cut {
    kNever,
    kBeforeCommit,  ///< COMMIT does not reach the server
    kAfterCommit,   ///< COMMIT is done, its answer does not reach the client
  };

  /// Forwards to the socket `port` in `socket_folder`.
  PostgresProxy(const std::string& socket_folder, const std::string& port);
  ~PostgresProxy();

  /// Where clients find the proxy: what to write for the cluster's host.
  [[nodiscard]] const std::string& socket_folder() const noexcept { return folder_.path(); }

  /// The next COMMIT, on whichever connection, is cut so; once.
  void arm(Cut cut) { cut_ = cut; }

 private:
  void accept_connections();
  void forward(int client) const;
  bool pass_client_bytes(int client, int server) const;

  const std::string server_path_;
  TemporaryFolder folder_;
  int listener_ = -1;
  mutable std::atomic<Cut> cut_{Cut::kNever};
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::vector<std::thread> connections_;  // touched by acceptor_ and, after it ended, the destructor
};

}  // namespace cairn::test
