#include "tests/system/streams/feeds.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "tests/engine/serving/raw_client.h"

namespace cairn::test {

namespace {

constexpr const char* kTopic = "check-ins";
constexpr std::size_t kPartitions = 6;
constexpr std::size_t kPostedAtOnce = 200;

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
  serving_test::RawClient client(port_of(*daemon), serving_test::RawClient::MayBeGone{});
  while (given_ < end) {
    const std::size_t next = std::min(end, given_ + kPostedAtOnce);
    std::string lines;
    for (std::size_t i = given_; i < next; ++i) lines += with_event_id(i) + "\n";
    const bool sent = client.send(
        "POST /v1/interactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: " +
        std::to_string(lines.size()) + "\r\n\r\n" + lines);
    const serving_test::Answer answer = sent ? client.read_answer() : serving_test::Answer{};
    if (answer.code == 0) return;  // it was killed before it had acknowledged
    REQUIRE_MESSAGE(answer.code == 202, answer.body);
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
