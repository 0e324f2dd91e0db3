#pragma once

#include <string>

namespace cairn::cairnd::test {

/// The service manager's end of the notification protocol.
class NotifySocket {
 public:
  /// Binds to a path, or to an abstract name that begins with '@'.
  explicit NotifySocket(std::string address);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  /// The next message; empty when none comes in time.
  [[nodiscard]] std::string next();

  /// The next message that has a line which begins with `start`; empty when none comes in time.
  [[nodiscard]] std::string wait_for(const std::string& start);

 private:
  std::string address_;
  int fd_ = -1;
};

}  // namespace cairn::cairnd::test
