// The bytes of a connection through the real session, over a pair of sockets and an engine of a few lines.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/serving/admission/admission.h"
#include "engine/serving/api/json_api.h"
#include "engine/serving/http/session.h"
#include "engine/serving/http/session_registry.h"
#include "tests/engine/serving/fake_engine.h"
#include "tests/fuzz/fuzzer.h"

namespace cairn::fuzz {
namespace {

namespace net = boost::asio;
using serving::Session;

constexpr std::chrono::seconds kPatience{20};
constexpr std::string_view kVersion = "HTTP/1.";

/// What all connections share; made once, because it has threads.
struct World {
  serving_test::FakeEngine engine;
  serving::Admission admission{{.threads = 4}};
  serving::JsonApi api{engine, admission};
  HttpOptions options;
  ~World() { admission.stop(); }
};

World& world() {
  static World the;
  return the;
}

/// One connection, from its first byte to its end.
class Connection {
 public:
  explicit Connection(HttpOptions options) : options_(std::move(options)) {
    std::array<int, 2> ends{};
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0, "no sockets");
    client_ = ends[0];
    Session::Socket socket(net::make_strand(io_));
    socket.assign(net::ip::tcp::v4(), ends[1]);
    std::make_shared<Session>(std::move(socket), context_, serving::Place::kOrdinary)->start({});
  }
  ~Connection() { ::close(client_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends the bytes in pieces of at most `piece`, then nothing more. Returns: all that came back.
  std::string exchange(std::string_view bytes, std::size_t piece) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (registry_.size() > 0) {
      if (!bytes.empty()) send(bytes, piece);
      if (bytes.empty()) ::shutdown(client_, SHUT_WR);
      const bool handled = io_.poll() > 0;
      const bool received = receive();
      // Nothing to do here: another thread has the request.
      if (!handled && !received) io_.run_one_for(std::chrono::milliseconds(1));
      check(std::chrono::steady_clock::now() < end, "the session does not end");
    }
    receive();
    check(memory_.used() == 0, "a session that has ended holds memory");
    return std::move(received_);
  }

 private:
  void send(std::string_view& bytes, std::size_t piece) {
    const ssize_t sent = ::send(client_, bytes.data(), std::min(bytes.size(), piece), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN) {
      bytes = {};  // the session has closed, and hears no more
    }
  }

  bool receive() {
    std::array<char, 16384> buffer{};
    bool any = false;
    for (ssize_t got = 0; (got = ::recv(client_, buffer.data(), buffer.size(), 0)) > 0; any = true) {
      received_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return any;
  }

  const HttpOptions options_;
  const serving::HostNames hosts_{options_};
  serving::SessionRegistry registry_{options_.connections_max};
  serving::MemoryBudget memory_{options_.memory_bytes_max};
  std::atomic<serving::Phase> phase_{serving::Phase::kServing};
  serving::SessionContext context_{options_, hosts_, world().api, registry_, memory_, phase_};
  net::io_context io_{1};
  const net::executor_work_guard<net::io_context::executor_type> keep_running_{io_.get_executor()};
  int client_ = -1;
  std::string received_;
};

/// Takes one answer from the front of `text`. Returns: its code, or -1 for a refusal that ends the connection.
int take_answer(std::string_view& text) {
  check(text.starts_with(kVersion) && text.size() > 12, "what is sent is no answer");
  const int code = std::atoi(std::string(text.substr(9, 3)).c_str());
  const std::size_t end = text.find("\r\n\r\n");
  check(end != std::string_view::npos, "an answer's header has no end");
  const std::string_view header = text.substr(0, end + 2);
  text.remove_prefix(end + 4);
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const std::size_t length_at = header.find(kLength);
  // The answer to a HEAD has a length and no body.
  if (length_at != std::string_view::npos && !text.starts_with(kVersion)) {
    const std::string length(header.substr(length_at + kLength.size(), 20));
    text.remove_prefix(std::min<std::size_t>(text.size(), std::strtoul(length.c_str(), nullptr, 10)));
  }
  const bool keeps = header.starts_with("HTTP/1.0") ? header.find("\r\nConnection: keep-alive\r\n") != header.npos
                                                    : header.find("\r\nConnection: close\r\n") == header.npos;
  check(keeps || text.empty(), "something is served after the answer that ends the connection");
  if (!keeps && code >= 400) return -1;
  return code;
}

/// The codes of the requests that were served. Whether a request that breaks off is refused or cut off may depend on
/// when its bytes arrive; so may the answer of one that names a short deadline, and of one whose client has stopped
/// sending: it is cancelled (499) unless it is done by then.
std::vector<int> codes_of(std::string_view text) {
  std::vector<int> codes;
  while (!text.empty()) {
    const int code = take_answer(text);
    if (code != 100 && code != -1) codes.push_back(code == 504 || code == 499 ? 200 : code);
  }
  return codes;
}

std::vector<int> answers(std::string_view bytes, std::size_t piece) {
  return codes_of(Connection(world().options).exchange(bytes, piece));
}

}  // namespace
}  // namespace cairn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = cairn::fuzz::answers(bytes, bytes.size());
  // How the bytes are cut on their way is nothing that an answer may depend on.
  const std::size_t piece = 1 + size % 7;
  cairn::fuzz::check(size > 4096 || cairn::fuzz::answers(bytes, piece) == whole, "answers depend on how bytes arrive");
  return 0;
}
