#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::bench {

/// A client that costs little beside a server: connections to a port of 127.0.0.1, one thread, the same request on all
/// of them, the next one on each when its answer is there. It aborts on any answer but 200. One thread.
class ClosedLoop {
 public:
  ClosedLoop(std::uint16_t port, std::string request, std::size_t connections);
  ~ClosedLoop();
  ClosedLoop(const ClosedLoop&) = delete;
  ClosedLoop& operator=(const ClosedLoop&) = delete;

  /// Answers a second, asked for so long.
  double rate(double seconds);
  /// The body of the last answer.
  [[nodiscard]] const std::string& body() const noexcept { return body_; }

 private:
  struct Peer {
    int socket;
    std::string bytes;
  };

  void ask(const Peer& peer) const;
  [[nodiscard]] bool read(Peer& peer);

  const std::string request_;
  std::vector<Peer> peers_;
  int poll_ = -1;
  std::string body_;
};

}  // namespace cairn::bench
