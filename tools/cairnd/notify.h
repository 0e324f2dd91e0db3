#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::cairnd {

/// Tells the service manager how the process is doing (the protocol of sd_notify(3), spoken directly: one datagram of
/// KEY=VALUE lines to the socket in $NOTIFY_SOCKET). Without a service manager every call does nothing. A message that
/// cannot be delivered is dropped: the manager has its own timeouts. Thread-safe after construction.
class Notifier {
 public:
  /// Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID. Call while no other thread changes the environment.
  [[nodiscard]] static Notifier from_environment();

  Notifier() = default;
  ~Notifier();
  Notifier(Notifier&& other) noexcept;
  Notifier& operator=(Notifier&&) = delete;

  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  /// Start-up is still going on: the manager shall wait at least `more` from now.
  void extend_timeout(std::chrono::microseconds more, std::string_view status) const;
  /// A reload began; ready() ends it.
  void reloading() const;
  void stopping(std::string_view status) const;
  void watchdog() const;

  /// How often the manager wants to hear watchdog(); half of it is a good period. Nullopt: never.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval() const noexcept { return watchdog_; }

 private:
  void send(const std::string& message) const;

  int socket_ = -1;
  std::string address_;  ///< a path; a leading '@' stands for the abstract namespace
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace cairn::cairnd
