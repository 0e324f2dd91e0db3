#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "cairn/engine.h"
#include "tests/support/kafka_broker.h"
#include "tests/system/streams/trace.h"
#include "tests/tools/cairnd/process.h"

namespace cairn::test {

/// How the check-ins of a trace come to a daemon that is killed again and again: in order, each at least once.
/// One thread.
class Feed {
 public:
  explicit Feed(const Trace& trace) : trace_(trace) {}
  virtual ~Feed() = default;
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// What the daemon's configuration says of the source.
  [[nodiscard]] virtual std::string config() const = 0;
  /// The same for an engine in this process.
  virtual void configure(EngineOptions* options) const = 0;
  /// Whether the daemon has to be ready to be given anything.
  [[nodiscard]] virtual bool asks_the_daemon() const { return false; }
  /// Gives the check-ins before `end`, or as many of them as the daemon takes before it is killed.
  virtual void give_until(std::size_t end, const cairnd::test::Process* daemon) = 0;
  /// Gives what is missing, to the engine that takes over at the end.
  virtual void give_the_rest(Engine& engine) = 0;

 protected:
  const Trace& trace_;
  std::size_t given_ = 0;
};

/// A file that grows.
class FileFeed : public Feed {
 public:
  FileFeed(const Trace& trace, std::string path);
  [[nodiscard]] std::string config() const override;
  void configure(EngineOptions* options) const override;
  void give_until(std::size_t end, const cairnd::test::Process* daemon) override;
  void give_the_rest(Engine& engine) override;

 private:
  std::string path_;
  std::ofstream out_;
};

/// A topic of six partitions, keyed by user, on the broker of this program.
class TopicFeed : public Feed {
 public:
  explicit TopicFeed(const Trace& trace);
  [[nodiscard]] std::string config() const override;
  void configure(EngineOptions* options) const override;
  void give_until(std::size_t end, const cairnd::test::Process* daemon) override;
  void give_the_rest(Engine& engine) override;

 private:
  KafkaClient client_;
};

/// POST /v1/interactions, with event ids: what was not acknowledged is posted again.
class ApiFeed : public Feed {
 public:
  using Feed::Feed;
  [[nodiscard]] std::string config() const override { return {}; }
  void configure(EngineOptions*) const override {}
  [[nodiscard]] bool asks_the_daemon() const override { return true; }
  void give_until(std::size_t end, const cairnd::test::Process* daemon) override;
  void give_the_rest(Engine& engine) override;

 private:
  [[nodiscard]] std::string with_event_id(std::size_t index) const;
};

}  // namespace cairn::test
