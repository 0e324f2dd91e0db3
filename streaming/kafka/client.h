#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/log.h"
#include "cairn/options.h"
#include "cairn/source_position.h"
#include "cairn/status.h"
#include "streaming/kafka/client_log.h"

namespace cairn::streaming::kafka {

/// The offsets a partition holds: [begin, end).
struct OffsetRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const noexcept { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

/// One librdkafka consumer of one topic, whose partitions are assigned by hand. Its calls wait no longer than they are
/// told to. Nor does the destructor: librdkafka is destroyed on a thread of its own, and when that takes longer than
/// kDestroyTimeout, it is left to that thread.
///
/// One thread at a time, except wake() and cached_end(): any.
class Client {
 public:
  static constexpr std::chrono::milliseconds kDestroyTimeout{5000};

  /// Returns: INVALID_ARGUMENT for a configuration that librdkafka refuses.
  [[nodiscard]] static Result<std::unique_ptr<Client>> create(const KafkaSourceOptions& options, const Logger& log);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// How often the topic is to be looked at for new partitions; zero for never.
  [[nodiscard]] std::chrono::milliseconds refresh_interval() const noexcept { return refresh_interval_; }

  /// Asks a broker how many partitions the topic has.
  /// Returns: to_standing_status() of what went wrong, with the cause that the connections reported.
  [[nodiscard]] Result<std::int32_t> partition_count(std::chrono::milliseconds timeout);

  /// Asks the partitions' leaders which offsets they hold, for the partitions from `first` up to `end`, without `end`.
  [[nodiscard]] Result<std::vector<OffsetRange>> ranges(std::int32_t first, std::int32_t end,
                                                        std::chrono::milliseconds timeout);

  /// Begins to fetch partitions beside those fetched already, each at its offset; a negative one stands for the log's
  /// beginning.
  Status assign(std::span<const SourcePosition> starts);

  /// Forgets a partition that was assigned, so that it can be assigned anew elsewhere.
  Status unassign(std::int32_t partition);

  /// Fetches no more of a partition, for the life of this client. (librdkafka #4686: what is paused is never resumed.)
  void pause(std::int32_t partition);

  /// Waits up to `wait` for a message or event, then takes those that are there, up to `count_max`, behind the ones in
  /// `*messages`. Errors reach trouble() on the way.
  void take(std::size_t count_max, std::chrono::milliseconds wait, std::vector<Message>* messages);

  /// Makes a take() that waits return.
  void wake() { rd_kafka_queue_yield(queue_.get()); }

  /// The partition's end as the last fetch saw it, or -1. Does not block.
  [[nodiscard]] std::int64_t cached_end(std::int32_t partition) const;

  /// Tells the group where we stand, for lag tools; failures are logged once and forgotten. While one commit is under
  /// way another is not begun.
  void commit(std::span<const SourcePosition> positions);

  /// All brokers were lost, and none was heard of since. OK once a broker answers.
  [[nodiscard]] const Status& trouble() const noexcept { return events_->trouble; }

  /// An error of the topic or of the client itself: only a new client reads on.
  [[nodiscard]] const Status& failure() const noexcept { return events_->failure; }

  /// Takes an error that came in a message's place (not the end of a partition) into trouble() or failure().
  void note(const rd_kafka_message_t& error);

 private:
  /// What librdkafka's callbacks write to. It outlives the client when librdkafka takes too long to end. librdkafka's
  /// own threads write to the log; everything else is written by callbacks, which run within take() and serve_events().
  struct Events {
    Events(std::string topic_read, Logger to) : topic(std::move(topic_read)), log(std::move(to)) {}

    const std::string topic;
    ClientLog log;
    Status trouble;
    Status failure;
    rd_kafka_resp_err_t cause = RD_KAFKA_RESP_ERR_NO_ERROR;  ///< last error of a connection
    std::string cause_detail;
    bool commit_under_way = false;
    bool commit_failure_logged = false;

    void note_error(rd_kafka_resp_err_t error, const char* detail);
    void note_group_error(rd_kafka_resp_err_t error, const char* detail);
    [[nodiscard]] Status why(rd_kafka_resp_err_t error) const;
    [[nodiscard]] Status standing_why(rd_kafka_resp_err_t error) const;
  };

  struct QueueDeleter {
    void operator()(rd_kafka_queue_t* queue) const noexcept { rd_kafka_queue_destroy(queue); }
  };
  struct TopicDeleter {
    void operator()(rd_kafka_topic_t* topic) const noexcept { rd_kafka_topic_destroy(topic); }
  };

  Client() = default;
  static void set_callbacks(rd_kafka_conf_t* conf, Events* events);
  void serve_events();
  [[nodiscard]] Status answered(rd_kafka_error_t* error) const;
  [[nodiscard]] Result<std::vector<std::int64_t>> offsets(std::int32_t first, std::int32_t end, std::int64_t which,
                                                          std::chrono::milliseconds timeout);

  std::shared_ptr<Events> events_;
  std::chrono::milliseconds refresh_interval_{0};
  rd_kafka_t* consumer_ = nullptr;  ///< handed to a thread of its own to be destroyed
  std::unique_ptr<rd_kafka_topic_t, TopicDeleter> topic_;
  std::unique_ptr<rd_kafka_queue_t, QueueDeleter> queue_;
  std::vector<rd_kafka_message_t*> taken_;
};

}  // namespace cairn::streaming::kafka
