#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "cairn/check.h"
#include "cairn/mutex.h"
#include "streaming/kafka/client.h"
#include "streaming/kafka/cursor.h"
#include "streaming/kafka/payload_buffer.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

using kafka::Client;
using kafka::Message;
using kafka::OffsetRange;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kStartTimeout{5'000};
constexpr milliseconds kRefreshTimeout{500};
constexpr std::size_t kOversizedKept = 64 * 1024;  // of a payload that is too long; enough to recognise it by

class KafkaSource final : public Source {
 public:
  KafkaSource(KafkaSourceOptions options, std::size_t event_bytes_max, Logger log)
      : options_(std::move(options)), event_bytes_max_(event_bytes_max), log_(std::move(log)) {}
  ~KafkaSource() override { close(); }

  [[nodiscard]] const std::string& name() const noexcept override { return options_.name; }
  Status poll(std::size_t records_max, milliseconds wait, RecordBatch* batch) override;
  Status resume(std::span<const SourcePosition> positions) override;
  Status release(std::span<const Partition> partitions) override;
  [[nodiscard]] Result<std::vector<SourcePosition>> end_positions() const override;
  void close() override;

 private:
  struct Reading {
    std::int64_t next = 0;  ///< offset of the next record to hand out
    bool moved = false;     ///< the batch at hand brought something of it
    bool at_end = false;    ///< the end was seen, and nothing since
  };

  Status connect();
  Status find_partitions(Client& client, std::int32_t count, milliseconds timeout);
  void look_for_new_partitions(Client& client);
  void assign(RecordBatch* batch);
  [[nodiscard]] Result<SourcePosition> start_of(std::int32_t partition, const OffsetRange& range,
                                                std::span<const SourcePosition> positions) const;
  void hand_out(Client& client, std::span<const Message> messages, RecordBatch* batch);
  char* hand_out(const rd_kafka_message_t& message, char* to, RecordBatch* batch);
  void report_positions(RecordBatch* batch);
  [[nodiscard]] std::size_t kept_bytes(const rd_kafka_message_t& message) const;
  Reading& reading(std::int32_t partition) { return reading_[static_cast<std::size_t>(partition)]; }
  [[nodiscard]] std::shared_ptr<Client> client() const CAIRN_EXCLUDES(mutex_);
  [[nodiscard]] bool closed() const CAIRN_EXCLUDES(mutex_);

  // Fixed after construction.
  const KafkaSourceOptions options_;
  const std::size_t event_bytes_max_;
  const Logger log_;

  std::atomic<std::int32_t> partitions_{0};  ///< those being read: 0 to this - 1

  mutable Mutex mutex_;
  std::shared_ptr<Client> client_ CAIRN_GUARDED_BY(mutex_);  ///< null before the first poll and after close()
  bool closed_ CAIRN_GUARDED_BY(mutex_) = false;

  // Touched by the polling thread only.
  std::vector<Reading> reading_;    ///< by partition
  std::int32_t found_ = 0;          ///< partitions that the topic has; those from partitions_ on are not read yet
  std::vector<OffsetRange> fresh_;  ///< what the partitions from partitions_ on hold
  bool assigned_ = false;           ///< the fresh ones were handed out to be resumed
  std::vector<Message> messages_;
  kafka::PayloadBuffer payloads_;
  std::vector<SourcePosition> handed_out_;  ///< positions of the last batch; stored by the time of the next poll
  steady_clock::time_point refreshed_;
};

std::shared_ptr<Client> KafkaSource::client() const {
  const MutexLock lock(mutex_);
  return client_;
}

bool KafkaSource::closed() const {
  const MutexLock lock(mutex_);
  return closed_;
}

// ---- partitions ---------------------------------------------------------------------------------------------------

Status KafkaSource::connect() {
  CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<Client> client, Client::create(options_, log_));
  CAIRN_ASSIGN_OR_RETURN(const std::int32_t count, client->partition_count(kStartTimeout));
  CAIRN_RETURN_IF_ERROR(find_partitions(*client, count, kStartTimeout));
  refreshed_ = steady_clock::now();
  const MutexLock lock(mutex_);
  if (!closed_) client_ = std::move(client);
  return ok_status();
}

/// Asks what the partitions hold that are not read, of the topic's `count`. A partition whose leader does not answer
/// yet (it was made a moment ago) is not found yet, so that whatever is assigned can be resumed at once.
Status KafkaSource::find_partitions(Client& client, std::int32_t count, milliseconds timeout) {
  const std::int32_t known = partitions_.load();
  if (count <= known) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(fresh_, client.ranges(known, count, timeout));
  found_ = count;
  return ok_status();
}

/// A topic may grow. What is read already is read on, whatever becomes of the question.
void KafkaSource::look_for_new_partitions(Client& client) {
  const milliseconds interval = client.refresh_interval();
  const auto now = steady_clock::now();
  if (interval.count() == 0 || now - refreshed_ < interval) return;
  refreshed_ = now;
  const auto count = client.partition_count(kRefreshTimeout);
  if (!count.ok()) return;  // an outage is told of by the poll
  if (const Status found = find_partitions(client, *count, kRefreshTimeout); !found.ok()) {
    log_.warning("kafka.new_partitions", found.message(), {{"topic", options_.topic}});
  }
}

/// Hands out the partitions that were found and are not read.
void KafkaSource::assign(RecordBatch* batch) {
  for (std::int32_t partition = partitions_.load(); partition < found_; ++partition) {
    batch->assigned.push_back(Partition{partition});
  }
  assigned_ = true;
  if (partitions_.load() == 0) return;
  log_.info("kafka.new_partitions", "the topic has grown",
            {{"topic", options_.topic}, {"partitions", std::to_string(found_)}});
}

Status KafkaSource::resume(std::span<const SourcePosition> positions) {
  CAIRN_CHECK(assigned_);
  const std::int32_t known = partitions_.load();
  std::vector<SourcePosition> starts;
  for (std::int32_t partition = known; partition < found_; ++partition) {
    const OffsetRange& range = fresh_[static_cast<std::size_t>(partition - known)];
    CAIRN_ASSIGN_OR_RETURN(SourcePosition start, start_of(partition, range, positions));
    starts.push_back(std::move(start));
  }
  const std::shared_ptr<Client> client = this->client();
  if (!client) return ok_status();  // closed meanwhile
  CAIRN_RETURN_IF_ERROR(client->assign(starts));
  reading_.resize(static_cast<std::size_t>(found_));
  for (const SourcePosition& start : starts) reading(start.partition.value).next = start.offset.value;
  partitions_.store(found_);
  assigned_ = false;
  return ok_status();
}

/// Our own position where there is one, else the partition's beginning. A position that the topic does not hold is a
/// gap (librdkafka 2.0.2 does not detect truncation by leader epochs, KIP-320, so both ends are looked at).
Result<SourcePosition> KafkaSource::start_of(std::int32_t partition, const OffsetRange& range,
                                             std::span<const SourcePosition> positions) const {
  const auto stored = std::find_if(positions.begin(), positions.end(),
                                   [&](const SourcePosition& p) { return p.partition.value == partition; });
  if (stored == positions.end()) return SourcePosition{Partition{partition}, Offset{range.begin}, {}};
  const std::string where = "topic '" + options_.topic + "', partition " + std::to_string(partition) + ": ";
  CAIRN_ASSIGN_OR_RETURN(const std::int32_t had, kafka::decode_cursor(stored->cursor, where));
  if (had > found_) {
    return Status(StatusCode::kOutOfRange, where + "it was read when the topic had " + std::to_string(had) +
                                               " partitions, and the topic has " + std::to_string(found_) +
                                               ": it was made anew; give the source a new name");
  }
  const std::int64_t at = stored->offset.value;
  if (at >= range.begin && at <= range.end) return *stored;
  const bool trimmed = at < range.begin;
  const std::int64_t gap = trimmed ? range.begin - at : at - range.end;
  return Status(StatusCode::kOutOfRange,
                where + "the position is offset " + std::to_string(at) + ", the topic holds " +
                    std::to_string(range.begin) + " to " + std::to_string(range.end) + "; " + std::to_string(gap) +
                    (trimmed ? " records were trimmed before they were read. Restore them, or read on without them by "
                               "giving the source a new name with a fresh state"
                             : " records that were read are gone from the topic: it was made anew or lost data. Give "
                               "the source a new name to read it from its beginning"));
}

/// Partitions are assigned by hand, and none is ever revoked.
Status KafkaSource::release(std::span<const Partition> partitions) {
  CAIRN_CHECK(partitions.empty());
  return ok_status();
}

// ---- reading ------------------------------------------------------------------------------------------------------

Status KafkaSource::poll(std::size_t records_max, milliseconds wait, RecordBatch* batch) {
  batch->clear();
  if (closed()) return ok_status();
  CAIRN_CHECK(!assigned_);
  if (!this->client()) CAIRN_RETURN_IF_ERROR(connect());
  const std::shared_ptr<Client> client = this->client();
  if (!client) return ok_status();  // closed meanwhile
  client->commit(handed_out_);
  handed_out_.clear();
  look_for_new_partitions(*client);
  if (found_ > partitions_.load()) {
    assign(batch);
    return ok_status();
  }

  messages_.clear();
  client->take(records_max, wait, &messages_);
  hand_out(*client, messages_, batch);
  messages_.clear();
  handed_out_ = batch->positions;
  // What came before an error is good, and the error is still there at the next poll.
  if (!batch->positions.empty()) return ok_status();
  if (!client->failure().ok()) return client->failure();
  return client->trouble();
}

std::size_t KafkaSource::kept_bytes(const rd_kafka_message_t& message) const {
  return message.len > event_bytes_max_ ? std::min(message.len, kOversizedKept) : message.len;
}

void KafkaSource::hand_out(Client& client, std::span<const Message> messages, RecordBatch* batch) {
  std::size_t bytes = 0;
  for (const Message& message : messages) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) bytes += kept_bytes(*message);
  }
  payloads_.clear();
  char* next = payloads_.reserve(bytes);
  batch->records.reserve(messages.size());
  for (const Message& message : messages) {
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      reading(message->partition).at_end = true;
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      client.note(*message);
    } else {
      next = hand_out(*message, next, batch);
    }
  }
  report_positions(batch);
}

/// Puts the payload at `to`. Returns: where the next one goes.
char* KafkaSource::hand_out(const rd_kafka_message_t& message, char* to, RecordBatch* batch) {
  Reading& from = reading(message.partition);
  from.at_end = false;
  if (message.offset < from.next) return to;  // librdkafka #4686: a rewound fetch brings records again
  from.next = message.offset + 1;
  from.moved = true;
  if (message.payload == nullptr) return to;  // a tombstone says nothing of an interaction
  const std::size_t size = kept_bytes(message);
  std::memcpy(to, message.payload, size);
  // Filled where it lies: a record that is put together elsewhere and copied waits for its own stores.
  Record& record = batch->records.emplace_back();
  record.partition = Partition{message.partition};
  record.offset = Offset{message.offset};
  record.payload = {to, size};
  if (message.len > event_bytes_max_) record.reject = Reject::kOversized;
  return to + size;
}

void KafkaSource::report_positions(RecordBatch* batch) {
  const std::string cursor = kafka::encode_cursor(partitions_.load());
  for (std::size_t i = 0; i < reading_.size(); ++i) {
    if (!std::exchange(reading_[i].moved, false)) continue;
    batch->positions.push_back({Partition{static_cast<std::int32_t>(i)}, Offset{reading_[i].next}, cursor});
  }
  batch->at_end = std::all_of(reading_.begin(), reading_.end(), [](const Reading& one) { return one.at_end; });
}

Result<std::vector<SourcePosition>> KafkaSource::end_positions() const {
  std::vector<SourcePosition> ends;
  const std::shared_ptr<Client> client = this->client();
  if (!client) return ends;
  for (std::int32_t partition = 0; partition < partitions_.load(); ++partition) {
    const std::int64_t end = client->cached_end(partition);
    if (end >= 0) ends.push_back({Partition{partition}, Offset{end}, {}});
  }
  return ends;
}

void KafkaSource::close() {
  std::shared_ptr<Client> client;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    client = std::exchange(client_, nullptr);
  }
  if (client) client->wake();
}

}  // namespace

std::unique_ptr<Source> make_kafka_source(KafkaSourceOptions options, std::size_t event_bytes_max, Logger log) {
  return std::make_unique<KafkaSource>(std::move(options), event_bytes_max, std::move(log));
}

}  // namespace cairn::streaming
