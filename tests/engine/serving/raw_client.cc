#include "tests/engine/serving/raw_client.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cairn::serving_test {

namespace {

bool connect_to(int socket, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

bool RawClient::can_connect(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = connect_to(socket, port);
  ::close(socket);
  return connected;
}

RawClient::RawClient() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  REQUIRE(socket_ >= 0);
  const timeval limit{60, 0};
  REQUIRE(::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  REQUIRE(::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
}

bool RawClient::connect(std::uint16_t port) { return connect_to(socket_, port); }

RawClient::RawClient(std::uint16_t port, const char* from) : RawClient() {
  sockaddr_in source{};
  source.sin_family = AF_INET;
  REQUIRE(::inet_pton(AF_INET, from, &source.sin_addr) == 1);
  REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&source), sizeof source) == 0);
  REQUIRE(connect(port));
}

RawClient::~RawClient() { ::close(socket_); }

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::size_t RawClient::send_some(std::string_view bytes) {
  std::size_t total = 0;
  for (ssize_t sent = 0; total < bytes.size(); total += static_cast<std::size_t>(sent)) {
    sent = ::send(socket_, bytes.data() + total, bytes.size() - total, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) break;
  }
  return total;
}

bool RawClient::fill() {
  char bytes[16384];
  const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
  if (got < 0) REQUIRE_MESSAGE((errno != EAGAIN && errno != EWOULDBLOCK), "no answer within a minute");
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

Answer RawClient::read_answer(bool head) {
  Answer answer;
  std::size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return answer;
  }
  std::string_view header = std::string_view(buffer_).substr(0, end + 2);
  answer.code = std::stoi(std::string(header.substr(9, 3)));
  header.remove_prefix(header.find("\r\n") + 2);
  while (!header.empty()) {
    const std::string_view line = header.substr(0, header.find("\r\n"));
    const std::size_t colon = line.find(": ");
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    answer.headers[name] = std::string(line.substr(colon + 2));
    header.remove_prefix(line.size() + 2);
  }
  buffer_.erase(0, end + 4);
  const bool empty = head || answer.headers.count("content-length") == 0;
  const std::size_t length = empty ? 0 : std::stoul(answer.headers["content-length"]);
  while (buffer_.size() < length) {
    if (!fill()) return {};
  }
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return answer;
}

bool RawClient::is_closed() const {
  pollfd ended{socket_, POLLRDHUP, 0};
  return ::poll(&ended, 1, 0) > 0;
}

bool RawClient::closed_by_peer() {
  while (fill()) {
  }
  return true;
}

Answer request(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body,
               std::string_view more_headers) {
  RawClient client(port);
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n";
  text += more_headers;
  if (!body.empty() || method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  client.send(text + std::string(body));
  return client.read_answer(method == "HEAD");
}

}  // namespace cairn::serving_test
