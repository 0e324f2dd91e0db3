#include "bench/serve/redis_peer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "cairn/check.h"

namespace cairn::bench {
namespace {

int loopback_socket(std::uint16_t port, sockaddr_in* address) {
  *address = {};
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

std::uint16_t free_port() {
  sockaddr_in address{};
  const int fd = loopback_socket(0, &address);
  socklen_t size = sizeof address;
  CAIRN_CHECK(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  CAIRN_CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

bool answers(std::uint16_t port) {
  sockaddr_in address{};
  const int fd = loopback_socket(port, &address);
  const bool there = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return there;
}

/// One line at `at`, without its end; moves behind it. False: it is not whole yet.
bool take_line(std::string_view bytes, std::size_t* at, std::string_view* line) {
  const std::size_t end = bytes.find("\r\n", *at);
  if (end == std::string_view::npos) return false;
  *line = bytes.substr(*at, end - *at);
  *at = end + 2;
  return true;
}

long number_of(std::string_view text) {
  long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  CAIRN_CHECK(error == std::errc() && end == text.data() + text.size());
  return number;
}

}  // namespace

std::unique_ptr<RedisServer> RedisServer::start() {
  const std::uint16_t port = free_port();
  const std::string port_text = std::to_string(port);
  const pid_t process = ::fork();
  if (process == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execlp("redis-server", "redis-server", "--port", port_text.c_str(), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  for (int i = 0; i < 500; ++i) {
    int status = 0;
    if (::waitpid(process, &status, WNOHANG) == process) break;
    if (answers(port)) return std::unique_ptr<RedisServer>(new RedisServer(process, port));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::fprintf(stderr,
               "bench serve: there is no redis-server here (tools/install-deps --with-bench): that peer is left out\n");
  return nullptr;
}

RedisServer::~RedisServer() {
  ::kill(process_, SIGTERM);
  ::waitpid(process_, nullptr, 0);
}

double RedisServer::gets_per_second(std::size_t bytes, std::size_t connections, std::size_t requests) const {
  const std::string command = "redis-benchmark -h 127.0.0.1 -p " + std::to_string(port_) + " -t set,get --csv -d " +
                              std::to_string(bytes) + " -c " + std::to_string(connections) + " -n " +
                              std::to_string(requests) + " 2>/dev/null";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  double rate = 0.0;
  std::array<char, 512> line{};
  while (pipe != nullptr && std::fgets(line.data(), line.size(), pipe) != nullptr) {
    double found = 0.0;
    if (std::sscanf(line.data(), "\"GET\",\"%lf\"", &found) == 1) rate = found;
  }
  if (pipe != nullptr) ::pclose(pipe);
  if (rate == 0.0) std::fprintf(stderr, "bench serve: redis-benchmark says nothing of GET: that peer is left out\n");
  return rate;
}

RedisClient::RedisClient(std::uint16_t port) {
  sockaddr_in address{};
  socket_ = loopback_socket(port, &address);
  CAIRN_CHECK(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RedisClient::~RedisClient() { ::close(socket_); }

std::string RedisClient::command(const std::vector<std::string_view>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    text.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  }
  return text;
}

void RedisClient::ask(std::string_view commands, std::size_t count, std::vector<std::string_view>* elements) {
  while (!commands.empty()) {
    const ssize_t sent = ::send(socket_, commands.data(), commands.size(), MSG_NOSIGNAL);
    CAIRN_CHECK(sent > 0);
    commands.remove_prefix(static_cast<std::size_t>(sent));
  }
  buffer_.clear();
  std::array<char, 256 * 1024> piece;
  do {
    const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
    CAIRN_CHECK(got > 0);
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
  } while (!buffer_.ends_with("\r\n") || !read_answers(count, elements));
}

/// Returns: whether there are so many whole answers.
bool RedisClient::read_answers(std::size_t count, std::vector<std::string_view>* elements) const {
  elements->clear();
  const std::string_view bytes = buffer_;
  std::size_t at = 0;
  std::string_view line;
  for (std::size_t i = 0; i < count; ++i) {
    if (!take_line(bytes, &at, &line)) return false;
    CAIRN_CHECK_MSG(line[0] != '-', std::string(line));
    if (line[0] != '*') continue;
    for (long left = number_of(line.substr(1)); left > 0; --left) {
      if (!take_line(bytes, &at, &line)) return false;
      const auto size = static_cast<std::size_t>(number_of(line.substr(1)));
      if (bytes.size() < at + size + 2) return false;
      elements->push_back(bytes.substr(at, size));
      at += size + 2;
    }
  }
  return true;
}

}  // namespace cairn::bench
