#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace cairn::serving_test {

/// An HTTP answer as read from the socket. Header names are in lower case.
struct Answer {
  int code = 0;  ///< 0: the connection ended before an answer
  std::map<std::string, std::string> headers;
  std::string body;
};

/// A TCP connection to 127.0.0.1 that sends exactly the bytes it is given: what a library would refuse to send can be
/// tested. Reads give up after a minute, which a busy machine may need, by failing the test.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : RawClient(port, "127.0.0.1") {}
  /// A connection from another address of this machine, such as 127.0.0.2.
  RawClient(std::uint16_t port, const char* from);
  /// To a server that may be gone by now: then nothing can be sent.
  struct MayBeGone {};
  RawClient(std::uint16_t port, MayBeGone) : RawClient() { static_cast<void>(connect(port)); }
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  static bool can_connect(std::uint16_t port);

  /// Returns false when the peer has closed or reset the connection.
  bool send(std::string_view bytes);
  /// Sends what the peer takes without being waited for. Returns: how many bytes that were.
  std::size_t send_some(std::string_view bytes);
  /// Reads one answer with Content-Length; `head`: one without a body.
  Answer read_answer(bool head = false);
  /// Whether the peer has closed, also when there is still something to read; does not wait.
  [[nodiscard]] bool is_closed() const;
  /// Reads until the peer closes; true when it does, in whichever way.
  bool closed_by_peer();

 private:
  RawClient();
  bool connect(std::uint16_t port);
  bool fill();

  int socket_ = -1;
  std::string buffer_;
};

/// One request on a connection of its own.
Answer request(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body = {},
               std::string_view more_headers = {});
inline Answer get(std::uint16_t port, std::string_view target) { return request(port, "GET", target); }
inline Answer post(std::uint16_t port, std::string_view target, std::string_view body) {
  return request(port, "POST", target, body, "Content-Type: application/json\r\n");
}

/// A request for recommendations as it goes over the wire, for a RawClient that does not wait for the answer.
inline std::string recommend_bytes(const std::string& body) {
  return "POST /v1/recommendations HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

}  // namespace cairn::serving_test
