#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::bench {

/// A client that costs little beside a server: connections to a port of 127.0.0.1, one thread, requests in turn, the
/// next one on each connection when its answer is there. It aborts on any answer but 200. One thread.
class ClosedLoop {
 public:
  /// The same request again and again.
  ClosedLoop(std::uint16_t port, std::string request, std::size_t connections);
  /// Those that `order` names, over and over; nobody changes them.
  ClosedLoop(std::uint16_t port, std::vector<std::string> requests, std::vector<std::uint32_t> order,
             std::size_t connections);
  ~ClosedLoop();
  ClosedLoop(const ClosedLoop&) = delete;
  ClosedLoop& operator=(const ClosedLoop&) = delete;

  /// Answers a second, asked for so long.
  double rate(double seconds);
  /// The same. How long each answer took, in microseconds, is added to `micros`.
  double rate(double seconds, std::vector<double>* micros);
  /// The body of the last answer.
  [[nodiscard]] const std::string& body() const noexcept { return body_; }

 private:
  struct Peer {
    int socket;
    std::string bytes;
    std::chrono::steady_clock::time_point asked;
  };

  void ask(Peer& peer);
  [[nodiscard]] bool read(Peer& peer);

  const std::vector<std::string> requests_;
  const std::vector<std::uint32_t> order_;
  std::size_t next_ = 0;
  std::vector<Peer> peers_;
  int poll_ = -1;
  std::string body_;
};

}  // namespace cairn::bench
