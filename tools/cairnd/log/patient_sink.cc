#include "tools/cairnd/log/patient_sink.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>

namespace cairn::cairnd {
namespace {

constexpr std::int64_t kLookMs = 200;  // how soon a wait notices that the end has come

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// A socket, as the journal's, may have room for less than is written to it: it is never waited for inside the call.
ssize_t write_some(int descriptor, std::string_view bytes) {
  const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent < 0 && errno == ENOTSOCK ? ::write(descriptor, bytes.data(), bytes.size()) : sent;
}

}  // namespace

void PatientSink::end_within(std::chrono::milliseconds time) { end_ms_.store(now_ms() + time.count()); }

void PatientSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  write({line.data(), line.size()});
}

/// A pipe that is ready takes PIPE_BUF bytes without waiting (pipe(7)), so a line is written in such pieces.
void PatientSink::write(std::string_view line) const {
  while (!line.empty() && wait_for_room()) {
    const ssize_t written = write_some(descriptor_, line.substr(0, PIPE_BUF));
    if (written >= 0) {
      line.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
      return;  // there is no place left to report this to
    }
  }
}

/// Returns: false when the end has come first.
bool PatientSink::wait_for_room() const {
  while (true) {
    const std::int64_t left = std::max<std::int64_t>(end_ms_.load() - now_ms(), 0);
    pollfd one{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (::poll(&one, 1, static_cast<int>(std::min(left, kLookMs))) != 0) return true;  // an error shows in the write
    if (left == 0) return false;
  }
}

}  // namespace cairn::cairnd
