#include "streaming/kafka/client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <future>
#include <thread>
#include <utility>

#include "streaming/kafka/config.h"
#include "streaming/kafka/errors.h"

namespace cairn::streaming::kafka {
namespace {

struct PartitionListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const noexcept { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListDeleter>;

PartitionList make_list(std::size_t size) {
  return PartitionList(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

PartitionList make_list(const std::string& topic, std::span<const SourcePosition> positions) {
  PartitionList list = make_list(positions.size());
  for (const SourcePosition& position : positions) {
    const std::int64_t offset = position.offset.value;
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), position.partition.value)->offset =
        offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : offset;
  }
  return list;
}

int to_ms(std::chrono::milliseconds time) { return static_cast<int>(std::max<std::int64_t>(time.count(), 0)); }

void log_line(const Logger& log, int syslog_level, std::string_view facility, std::string_view line) {
  const std::initializer_list<LogField> fields = {{"facility", std::string(facility)}};
  if (syslog_level <= 2) {
    log.error("kafka.client", line, fields);
  } else if (syslog_level <= 4) {  // a broken connection is an error to librdkafka, and will be tried again
    log.warning("kafka.client", line, fields);
  } else if (syslog_level <= 6) {
    log.info("kafka.client", line, fields);
  } else {
    log.debug("kafka.client", line, fields);
  }
}

std::chrono::milliseconds configured_refresh_interval(const rd_kafka_conf_t* conf) {
  std::array<char, 32> text{};
  std::size_t size = text.size();
  if (rd_kafka_conf_get(conf, "topic.metadata.refresh.interval.ms", text.data(), &size) != RD_KAFKA_CONF_OK) {
    return std::chrono::milliseconds{0};
  }
  return std::chrono::milliseconds{std::max(std::atoll(text.data()), 0LL)};
}

bool is_about_the_topic(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

}  // namespace

void Client::Events::note_error(rd_kafka_resp_err_t error, const char* detail) {
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    trouble = why(error);
  } else if (error == RD_KAFKA_RESP_ERR__FATAL || is_about_the_topic(error)) {
    failure = to_status(error, topic, detail);
  } else {
    cause = error;
    cause_detail = detail;
    // librdkafka does not always say that all brokers are down. A reader that gets nothing may ask again; whoever
    // still gets records from the others never looks at this.
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__RESOLVE) trouble = why(error);
  }
}

void Client::Events::note_group_error(rd_kafka_resp_err_t error, const char* detail) {
  if (std::exchange(commit_failure_logged, true)) return;
  log.with([&](const Logger& to) {
    to.warning("kafka.commit_failed", "positions cannot be committed to the group: only lag tools miss them",
               {{"topic", topic}, {"error", rd_kafka_err2name(error)}, {"detail", detail}});
  });
}

/// `error` as such says little; what the connections reported before says why.
Status Client::Events::why(rd_kafka_resp_err_t error) const {
  if (cause == RD_KAFKA_RESP_ERR_NO_ERROR) return to_status(error, topic, "");
  return to_status(cause, topic, cause_detail);
}

Status Client::Events::standing_why(rd_kafka_resp_err_t error) const {
  if (cause == RD_KAFKA_RESP_ERR_NO_ERROR) return to_standing_status(error, topic, "");
  return to_standing_status(cause, topic, cause_detail);
}

void Client::set_callbacks(rd_kafka_conf_t* conf, Events* events) {
  rd_kafka_conf_set_opaque(conf, events);
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t* consumer, int level, const char* facility, const char* line) {
    auto& self = *static_cast<Events*>(rd_kafka_opaque(consumer));
    self.log.with([&](const Logger& to) { log_line(to, level, facility, line); });
  });
  rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int error, const char* detail, void* self) {
    static_cast<Events*>(self)->note_error(static_cast<rd_kafka_resp_err_t>(error), detail);
  });
  rd_kafka_conf_set_offset_commit_cb(
      conf, [](rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t*, void* self) {
        auto& events_of_client = *static_cast<Events*>(self);
        events_of_client.commit_under_way = false;
        if (error) events_of_client.note_group_error(error, rd_kafka_err2str(error));
      });
}

Result<std::unique_ptr<Client>> Client::create(const KafkaSourceOptions& options, const Logger& log) {
  CAIRN_ASSIGN_OR_RETURN(Conf conf, make_conf(options));
  std::unique_ptr<Client> client(new Client);
  client->events_ = std::make_shared<Events>(options.topic, log);
  client->refresh_interval_ = configured_refresh_interval(conf.get());
  set_callbacks(conf.get(), client->events_.get());
  std::array<char, 512> why{};
  client->consumer_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why.data(), why.size());
  if (!client->consumer_) return invalid_argument("kafka.properties: " + std::string(why.data()) + "; correct them");
  static_cast<void>(conf.release());  // the consumer's now
  client->queue_.reset(rd_kafka_queue_get_consumer(client->consumer_));
  client->topic_.reset(rd_kafka_topic_new(client->consumer_, options.topic.c_str(), nullptr));
  if (!client->topic_) return invalid_argument("kafka.topic '" + options.topic + "' is no topic's name; correct it");
  return client;
}

Client::~Client() {
  topic_.reset();
  queue_.reset();
  if (!consumer_) return;
  // librdkafka #4724, #4187: the end may hang on a partition that went away.
  std::promise<void> destroyed;
  std::future<void> done = destroyed.get_future();
  std::thread end([consumer = consumer_, events = events_, destroyed = std::move(destroyed)]() mutable {
    rd_kafka_consumer_close(consumer);  // there is no membership to leave; this ends the fetching
    rd_kafka_destroy(consumer);
    destroyed.set_value();
  });
  if (done.wait_for(kDestroyTimeout) == std::future_status::ready) {
    end.join();
    return;
  }
  events_->log.with([&](const Logger& to) {
    to.warning("kafka.close_timeout", "librdkafka does not end; it is left behind until the process ends",
               {{"topic", events_->topic}});
  });
  events_->log.abandon();
  end.detach();
}

/// The main queue is not forwarded to the consumer's: rd_kafka_poll() may not meet messages there.
void Client::serve_events() { rd_kafka_poll(consumer_, 0); }

Result<std::int32_t> Client::partition_count(std::chrono::milliseconds timeout) {
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_resp_err_t error = rd_kafka_metadata(consumer_, 0, topic_.get(), &metadata, to_ms(timeout));
  serve_events();
  if (error) return events_->standing_why(error);
  // A broker has answered, so what was wrong with the connections is over.
  events_->trouble = ok_status();
  events_->cause = RD_KAFKA_RESP_ERR_NO_ERROR;
  const bool named = metadata->topic_cnt == 1;
  const std::int32_t count = named ? metadata->topics[0].partition_cnt : 0;
  error = named ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  rd_kafka_metadata_destroy(metadata);
  if (error) return to_standing_status(error, events_->topic, "");
  if (count <= 0) return to_status(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, events_->topic, "no partitions yet");
  return count;
}

/// `which`: the logical offset to look up, as ListOffsets takes it in a timestamp's place.
Result<std::vector<std::int64_t>> Client::offsets(std::int32_t first, std::int32_t end, std::int64_t which,
                                                  std::chrono::milliseconds timeout) {
  PartitionList list = make_list(static_cast<std::size_t>(end - first));
  for (std::int32_t partition = first; partition < end; ++partition) {
    rd_kafka_topic_partition_list_add(list.get(), events_->topic.c_str(), partition)->offset = which;
  }
  // rd_kafka_query_watermark_offsets() would be the obvious call, but may wait for ever (librdkafka #4460).
  if (const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(consumer_, list.get(), to_ms(timeout)); error) {
    serve_events();
    return events_->why(error);
  }
  std::vector<std::int64_t> found(static_cast<std::size_t>(end - first));
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& entry = list->elems[i];
    const std::string where = "partition " + std::to_string(entry.partition);
    if (entry.err) return to_status(entry.err, events_->topic, where);
    if (entry.offset < 0) return to_status(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, events_->topic, where);
    found[static_cast<std::size_t>(entry.partition - first)] = entry.offset;
  }
  return found;
}

Result<std::vector<OffsetRange>> Client::ranges(std::int32_t first, std::int32_t end,
                                                std::chrono::milliseconds timeout) {
  const auto end_time = std::chrono::steady_clock::now() + timeout;
  // The beginnings are asked for first, so that a range may come out too wide (records are trimmed, or added, between
  // the two questions) and never too narrow. Too narrow a range would refuse a good position; of records that are gone
  // librdkafka tells when they are fetched.
  CAIRN_ASSIGN_OR_RETURN(const auto begins, offsets(first, end, RD_KAFKA_OFFSET_BEGINNING, timeout));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_time - std::chrono::steady_clock::now());
  CAIRN_ASSIGN_OR_RETURN(const auto ends, offsets(first, end, RD_KAFKA_OFFSET_END, left));
  std::vector<OffsetRange> found(begins.size());
  for (std::size_t i = 0; i < found.size(); ++i) found[i] = {.begin = begins[i], .end = ends[i]};
  return found;
}

Status Client::answered(rd_kafka_error_t* error) const {
  if (!error) return ok_status();
  const Status status = to_status(rd_kafka_error_code(error), events_->topic, rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return status;
}

Status Client::assign(std::span<const SourcePosition> starts) {
  const PartitionList list = make_list(events_->topic, starts);
  return answered(rd_kafka_incremental_assign(consumer_, list.get()));
}

Status Client::unassign(std::int32_t partition) {
  const PartitionList list = make_list(1);
  rd_kafka_topic_partition_list_add(list.get(), events_->topic.c_str(), partition);
  return answered(rd_kafka_incremental_unassign(consumer_, list.get()));
}

void Client::pause(std::int32_t partition) {
  const PartitionList list = make_list(1);
  rd_kafka_topic_partition_list_add(list.get(), events_->topic.c_str(), partition);
  // At worst the partition is fetched on, and what comes of it is dropped.
  static_cast<void>(rd_kafka_pause_partitions(consumer_, list.get()));
}

void Client::take(std::size_t count_max, std::chrono::milliseconds wait, std::vector<Message>* messages) {
  serve_events();
  taken_.resize(count_max);
  // rd_kafka_consume_batch_queue() waits until the batch is full. So it is first asked for what is there, without
  // waiting; when that is nothing for a single message, with waiting; and then for what came with that one.
  const auto ask = [&](std::chrono::milliseconds patience, std::size_t most) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue_.get(), to_ms(patience), taken_.data(), most);
    for (ssize_t i = 0; i < count; ++i) messages->emplace_back(taken_[static_cast<std::size_t>(i)]);
    return count > 0;
  };
  constexpr std::chrono::milliseconds kNow{0};
  if (ask(kNow, count_max) || wait.count() <= 0) return;
  if (ask(wait, 1) && count_max > 1) ask(kNow, count_max - 1);
}

std::int64_t Client::cached_end(std::int32_t partition) const {
  std::int64_t begin = -1;
  std::int64_t end = -1;
  rd_kafka_get_watermark_offsets(consumer_, events_->topic.c_str(), partition, &begin, &end);
  return std::max<std::int64_t>(end, -1);
}

void Client::commit(std::span<const SourcePosition> positions) {
  if (events_->commit_under_way || positions.empty()) return;
  const PartitionList list = make_list(events_->topic, positions);
  const rd_kafka_resp_err_t error = rd_kafka_commit(consumer_, list.get(), /*async=*/1);
  events_->commit_under_way = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (error) events_->note_group_error(error, rd_kafka_err2str(error));
}

void Client::note(const rd_kafka_message_t& error) {
  if (!error.rkt) {  // the group's coordinator: nothing we read depends on it
    events_->note_group_error(error.err, rd_kafka_message_errstr(&error));
    return;
  }
  const std::string where = "partition " + std::to_string(error.partition) + ", offset " + std::to_string(error.offset);
  events_->failure = to_status(error.err, events_->topic, where + ": " + rd_kafka_message_errstr(&error));
}

}  // namespace cairn::streaming::kafka
