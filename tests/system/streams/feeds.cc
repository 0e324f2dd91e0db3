#include "tests/system/streams/feeds.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace cairn::test {

namespace {

constexpr const char* kTopic = "check-ins";
constexpr std::size_t kPartitions = 6;
constexpr std::size_t kPostedAtOnce = 200;

/// A connection to the daemon; every failure means that it was killed.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    alive_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Returns: false when the daemon ended before it had acknowledged.
  bool post(const std::string& lines) {
    const std::string request =
        "POST /v1/interactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: " +
        std::to_string(lines.size()) + "\r\n\r\n" + lines;
    for (std::size_t sent = 0; alive_ && sent < request.size();) {
      const ssize_t bytes = ::send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      alive_ = bytes > 0;
      sent += static_cast<std::size_t>(std::max<ssize_t>(bytes, 0));
    }
    return alive_ && acknowledged();
  }

 private:
  bool acknowledged() {
    std::string answer;
    while (true) {
      const std::size_t body = answer.find("\r\n\r\n");
      const std::size_t length = answer.find("ontent-Length: ");
      if (body != std::string::npos && length < body &&
          answer.size() >= body + 4 + std::stoul(answer.substr(length + 15))) {
        REQUIRE_MESSAGE(answer.find(" 202 ") == 8, answer);
        return true;
      }
      char bytes[4096];
      const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
      if (got <= 0) return alive_ = false;
      answer.append(bytes, static_cast<std::size_t>(got));
    }
  }

  int socket_;
  bool alive_ = false;
};

std::uint16_t port_of(const cairnd::test::Process& daemon) {
  const std::string& log = daemon.error();
  const std::size_t ready = log.find("\"daemon.ready\"");
  const std::size_t port = log.find("\"port\":\"", ready);
  REQUIRE_MESSAGE(port != std::string::npos, log);
  return static_cast<std::uint16_t>(std::stoul(log.substr(port + 8)));
}

}  // namespace

// ---- a file -------------------------------------------------------------------------------------------------------

FileFeed::FileFeed(const Trace& trace, std::string path) : Feed(trace), path_(std::move(path)), out_(path_) {}

std::string FileFeed::config() const { return "[[file]]\nname = \"stream\"\npath = \"" + path_ + "\"\n"; }

void FileFeed::configure(EngineOptions* options) const { options->files = {{"stream", path_, true}}; }

void FileFeed::give_until(std::size_t end, const cairnd::test::Process*) {
  for (; given_ < end; ++given_) out_ << to_json(trace_.check_ins[given_]) << "\n";
  out_.flush();
}

void FileFeed::give_the_rest(Engine&) { give_until(trace_.check_ins.size(), nullptr); }

// ---- a topic ------------------------------------------------------------------------------------------------------

TopicFeed::TopicFeed(const Trace& trace) : Feed(trace) {
  KafkaBroker::shared().must(std::string("topic ") + kTopic + " --partitions " + std::to_string(kPartitions));
}

std::string TopicFeed::config() const {
  return "[kafka]\nbrokers = \"" + KafkaBroker::shared().address() + "\"\ntopic = \"" + kTopic + "\"\n";
}

void TopicFeed::configure(EngineOptions* options) const {
  options->kafka.brokers = KafkaBroker::shared().address();
  options->kafka.topic = kTopic;
}

void TopicFeed::give_until(std::size_t end, const cairnd::test::Process*) {
  for (; given_ < end; ++given_) {
    const CheckIn& one = trace_.check_ins[given_];
    client_.send(kTopic, static_cast<std::int32_t>(std::hash<std::string>{}(one.user) % kPartitions), to_json(one));
  }
  client_.flush();
}

void TopicFeed::give_the_rest(Engine&) { give_until(trace_.check_ins.size(), nullptr); }

// ---- the API ------------------------------------------------------------------------------------------------------

std::string ApiFeed::with_event_id(std::size_t index) const {
  std::string json = to_json(trace_.check_ins[index]);
  json.pop_back();
  return json + R"(,"event_id":"e)" + std::to_string(index) + "\"}";
}

void ApiFeed::give_until(std::size_t end, const cairnd::test::Process* daemon) {
  Connection connection(port_of(*daemon));
  while (given_ < end) {
    const std::size_t next = std::min(end, given_ + kPostedAtOnce);
    std::string lines;
    for (std::size_t i = given_; i < next; ++i) lines += with_event_id(i) + "\n";
    if (!connection.post(lines)) return;
    given_ = next;
  }
}

void ApiFeed::give_the_rest(Engine& engine) {
  while (given_ < trace_.check_ins.size()) {
    const std::size_t next = std::min(trace_.check_ins.size(), given_ + kPostedAtOnce);
    std::vector<std::string> lines;
    for (std::size_t i = given_; i < next; ++i) lines.push_back(with_event_id(i));
    const auto taken = engine.ingest({}, std::vector<std::string_view>(lines.begin(), lines.end()));
    REQUIRE_MESSAGE(taken.ok(), taken.status().to_string());
    given_ = next;
  }
}

}  // namespace cairn::test
