#include "bench/serve/closed_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "cairn/check.h"

namespace cairn::bench {
namespace {

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CAIRN_CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

ClosedLoop::ClosedLoop(std::uint16_t port, std::string request, std::size_t connections)
    : ClosedLoop(port, std::vector<std::string>{std::move(request)}, {0}, connections) {}

ClosedLoop::ClosedLoop(std::uint16_t port, std::vector<std::string> requests, std::vector<std::uint32_t> order,
                       std::size_t connections)
    : requests_(std::move(requests)), order_(std::move(order)), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (std::size_t i = 0; i < connections; ++i) {
    peers_.push_back({connect_to(port), {}, {}});
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    CAIRN_CHECK(::epoll_ctl(poll_, EPOLL_CTL_ADD, peers_.back().socket, &event) == 0);
  }
}

ClosedLoop::~ClosedLoop() {
  for (const Peer& peer : peers_) ::close(peer.socket);
  ::close(poll_);
}

double ClosedLoop::rate(double seconds) { return rate(seconds, nullptr); }

double ClosedLoop::rate(double seconds, std::vector<double>* micros) {
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  const auto end = start + std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
  std::array<epoll_event, 64> events{};
  std::size_t answers = 0;
  std::size_t in_flight = peers_.size();
  auto last = start;
  for (Peer& peer : peers_) ask(peer);
  while (in_flight > 0) {
    const int ready = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
    const bool over = steady_clock::now() >= end;
    for (int i = 0; i < ready; ++i) {
      Peer& peer = peers_[events[static_cast<std::size_t>(i)].data.u64];
      if (!read(peer)) continue;
      ++answers;
      if (micros != nullptr) {
        micros->push_back(std::chrono::duration<double, std::micro>(steady_clock::now() - peer.asked).count());
      }
      over ? static_cast<void>(--in_flight) : ask(peer);
    }
    last = steady_clock::now();
  }
  return static_cast<double>(answers) / std::chrono::duration<double>(last - start).count();
}

void ClosedLoop::ask(Peer& peer) {
  const std::string& request = requests_[order_[next_]];
  next_ = next_ + 1 == order_.size() ? 0 : next_ + 1;
  peer.asked = std::chrono::steady_clock::now();
  CAIRN_CHECK(::send(peer.socket, request.data(), request.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(request.size()));
}

/// Returns whether the answer is whole now.
bool ClosedLoop::read(Peer& peer) {
  std::array<char, 16 * 1024> buffer;
  const ssize_t got = ::recv(peer.socket, buffer.data(), buffer.size(), 0);
  CAIRN_CHECK(got > 0);
  peer.bytes.append(buffer.data(), static_cast<std::size_t>(got));
  const std::size_t header = peer.bytes.find("\r\n\r\n");
  if (header == std::string::npos) return false;
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t at = peer.bytes.find(kLength);
  CAIRN_CHECK(peer.bytes.starts_with("HTTP/1.1 200") && at < header);
  std::size_t length = 0;
  std::from_chars(peer.bytes.data() + at + kLength.size(), peer.bytes.data() + header, length);
  if (peer.bytes.size() < header + 4 + length) return false;
  body_.assign(peer.bytes, header + 4, length);
  peer.bytes.clear();
  return true;
}

}  // namespace cairn::bench
