#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::bench {

/// A Redis of our own on a free port of 127.0.0.1, in memory alone, from its construction to its destruction.
class RedisServer {
 public:
  /// Null, said on stderr, where there is no redis-server.
  [[nodiscard]] static std::unique_ptr<RedisServer> start();
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// What redis-benchmark says: GET of a value of so many bytes a second, one request at a time on each connection.
  /// 0, said on stderr, where there is none.
  [[nodiscard]] double gets_per_second(std::size_t bytes, std::size_t connections, std::size_t requests) const;

 private:
  RedisServer(pid_t process, std::uint16_t port) : process_(process), port_(port) {}

  const pid_t process_;
  const std::uint16_t port_;
};

/// One connection to it. Aborts on whatever goes wrong. One thread.
class RedisClient {
 public:
  explicit RedisClient(std::uint16_t port);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  /// A command as it goes over the wire.
  [[nodiscard]] static std::string command(const std::vector<std::string_view>& words);
  /// Sends commands, all at once, and reads an answer to each. Of those that are lists the elements are appended to
  /// `elements`, valid until the next call.
  void ask(std::string_view commands, std::size_t count, std::vector<std::string_view>* elements);

 private:
  [[nodiscard]] bool read_answers(std::size_t count, std::vector<std::string_view>* elements) const;

  int socket_;
  std::string buffer_;
};

}  // namespace cairn::bench
