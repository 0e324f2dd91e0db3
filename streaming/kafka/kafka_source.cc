#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/check.h"
#include "cairn/mutex.h"
#include "streaming/kafka/batch_end.h"
#include "streaming/kafka/client.h"
#include "streaming/kafka/cursor.h"
#include "streaming/kafka/payload_buffer.h"
#include "streaming/log/crc32c.h"
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

constexpr int kRefreshesPerLook = 6;  // looks for new partitions between two at whether the topic is the same
constexpr int kLooksPutOffMax = 10;   // while there is more to read
constexpr std::chrono::seconds kHeldInterval{10};  // between looks at a partition that is not read
constexpr std::int64_t kAnotherTopic = -1;         // no position to look for

std::string_view bytes_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string_view{} : std::string_view(static_cast<const char*>(data), size);
}

kafka::Fingerprint fingerprint_of(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t kind{};
  return {.offset = message.offset,
          .timestamp_ms = rd_kafka_message_timestamp(&message, &kind),
          .crc = crc32c(bytes_of(message.payload, message.len), crc32c(bytes_of(message.key, message.key_len)))};
}

class KafkaSource final : public Source {
 public:
  KafkaSource(KafkaSourceOptions options, std::size_t event_bytes_max, Logger log)
      : options_(std::move(options)), event_bytes_max_(event_bytes_max), log_(std::move(log)) {}
  ~KafkaSource() override { close(); }

  [[nodiscard]] const std::string& name() const noexcept override { return options_.name; }
  Status poll(std::size_t records_max, milliseconds wait, RecordBatch* batch) override;
  Status resume(std::span<const SourcePosition> positions) override;
  Status release(std::span<const Partition> partitions) override;
  [[nodiscard]] std::vector<Obstacle> obstacles() const override;
  void accept_gaps(std::span<const Partition> partitions) override;
  [[nodiscard]] std::string incarnation(Partition partition, Offset offset) const override;
  [[nodiscard]] Result<std::vector<SourcePosition>> end_positions() const override;
  void close() override;

 private:
  enum class Stage : std::uint8_t {
    kReading,
    kChecking,  ///< a record that was read is read again, to know the topic by: see `check`
    kHeld,      ///< not read: see `why`
    kStepping,  ///< a damaged batch is met, and to be stepped over
  };

  struct Reading {
    std::int64_t next = 0;  ///< offset of the next record to hand out
    Stage stage = Stage::kReading;
    bool moved = false;                          ///< the batch at hand brought something of it
    bool at_end = false;                         ///< the end was seen, and nothing since
    const rd_kafka_message_t* newest = nullptr;  ///< the last one read in the batch at hand
    std::optional<kafka::Fingerprint> last;      ///< of the last one read before
    std::optional<kafka::Fingerprint> check;     ///< what the topic is known by: looked for at the start, then at times
    int looks_put_off = 0;
    bool looked_again = false;       ///< kChecking: while it was being read, not at its start
    std::int32_t incarnation = 0;    ///< kafka::Cursor::incarnation
    std::int64_t stepped_over = -1;  ///< first offset of the last damaged batch
    std::string why;                 ///< kHeld
    SourcePosition stored;           ///< kHeld: to be looked for again
  };

  struct Damage {
    kafka::DamagedBatch batch;
    std::string what;  ///< librdkafka's word for it
  };

  /// Where a partition begins, and whether it can.
  struct Start {
    SourcePosition at;
    Reading reading;
  };

  Status connect();
  Status find_partitions(Client& client, std::int32_t count, milliseconds timeout);
  void look_for_new_partitions(Client& client);
  void assign(RecordBatch* batch);
  [[nodiscard]] Result<Start> start_of(std::int32_t partition, const OffsetRange& range,
                                       std::span<const SourcePosition> positions);
  [[nodiscard]] std::string why_not(const SourcePosition& stored, std::int32_t had, const OffsetRange& range) const;
  [[nodiscard]] bool accepts(const SourcePosition& stored, const kafka::Cursor& cursor, const OffsetRange& range) const;
  [[nodiscard]] Start begin_behind_gap(const SourcePosition& stored, const kafka::Cursor& cursor,
                                       const OffsetRange& range);
  void look_at_topic(Client& client);
  void look_again(Client& client, std::int32_t partition, const OffsetRange& range);
  void found_same(std::int32_t partition, Reading& from);
  bool fetch_from(Client& client, std::int32_t partition, std::int64_t offset);
  void found_another(const rd_kafka_message_t& message, Reading& from);
  void look_at_held(Client& client);
  void hold(std::int32_t partition, std::string why);
  [[nodiscard]] bool admit(const rd_kafka_message_t& message, Reading& from);
  void reached_end(const rd_kafka_message_t& end);
  void met_error(Client& client, const rd_kafka_message_t& error);
  void step_over_damage(Client& client, RecordBatch* batch);
  [[nodiscard]] Status step_over(Client& client, const Damage& damage, RecordBatch* batch);
  void could_not_check(std::int32_t partition, Reading& from);
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
  std::vector<Reading> reading_;           ///< by partition
  std::vector<Partition> accepted_;        ///< may begin behind a gap
  std::uint64_t gap_records_ = 0;          ///< passed over, and not told yet
  std::vector<SourcePosition> unchecked_;  ///< could not be checked, and not told yet
  bool obstacles_changed_ = false;
  std::vector<Damage> damaged_;      ///< met in the batch at hand
  std::deque<std::string> details_;  ///< of the records of the batch at hand
  Status failure_;                   ///< only a new source reads on
  std::int32_t found_ = 0;           ///< partitions that the topic has; those from partitions_ on are not read yet
  std::vector<OffsetRange> fresh_;   ///< what the partitions from partitions_ on hold
  bool assigned_ = false;            ///< the fresh ones were handed out to be resumed
  std::vector<Message> messages_;
  kafka::PayloadBuffer payloads_;
  std::vector<SourcePosition> handed_out_;  ///< positions of the last batch; stored by the time of the next poll
  steady_clock::time_point refreshed_;
  steady_clock::time_point looked_at_held_;
  steady_clock::time_point looked_at_topic_;
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
  refreshed_ = looked_at_topic_ = steady_clock::now();
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
  std::vector<Start> begun;
  std::vector<SourcePosition> starts;
  for (std::int32_t partition = known; partition < found_; ++partition) {
    const OffsetRange& range = fresh_[static_cast<std::size_t>(partition - known)];
    CAIRN_ASSIGN_OR_RETURN(Start start, start_of(partition, range, positions));
    if (start.reading.stage != Stage::kHeld) starts.push_back(start.at);
    begun.push_back(std::move(start));
  }
  const std::shared_ptr<Client> client = this->client();
  if (!client) return ok_status();  // closed meanwhile
  if (!starts.empty()) CAIRN_RETURN_IF_ERROR(client->assign(starts));
  for (Start& start : begun) {
    obstacles_changed_ |= start.reading.stage == Stage::kHeld;
    reading_.push_back(std::move(start.reading));
  }
  looked_at_held_ = steady_clock::now();
  partitions_.store(found_);
  assigned_ = false;
  return ok_status();
}

/// Our own position where there is one, else the partition's beginning. A partition that does not hold its position is
/// held: the others are read. (librdkafka 2.0.2 does not detect truncation by leader epochs, KIP-320, so both ends are
/// looked at, and the last record that was read is read once more.)
Result<KafkaSource::Start> KafkaSource::start_of(std::int32_t partition, const OffsetRange& range,
                                                 std::span<const SourcePosition> positions) {
  const auto stored = std::find_if(positions.begin(), positions.end(),
                                   [&](const SourcePosition& p) { return p.partition.value == partition; });
  Start start;
  if (stored == positions.end()) {
    start.at = {Partition{partition}, Offset{range.begin}, {}};
    start.reading.next = range.begin;
    return start;
  }
  const std::string where = "topic '" + options_.topic + "', partition " + std::to_string(partition) + ": ";
  CAIRN_ASSIGN_OR_RETURN(const kafka::Cursor cursor, kafka::decode_cursor(stored->cursor, where));
  if (accepts(*stored, cursor, range)) return begin_behind_gap(*stored, cursor, range);
  start.at = {stored->partition, stored->offset, {}};
  start.reading.next = stored->offset.value;
  start.reading.last = start.reading.check = cursor.last;
  start.reading.incarnation = cursor.incarnation;
  std::string why = why_not(*stored, cursor.partitions, range);
  if (!why.empty()) {
    start.reading.stage = Stage::kHeld;
    start.reading.why = where + why;
    start.reading.stored = *stored;
  } else if (cursor.last && cursor.last->offset >= range.begin) {
    start.reading.stage = Stage::kChecking;
    start.at.offset.value = cursor.last->offset;
  } else if (cursor.last) {
    could_not_check(partition, start.reading);
  }
  return start;
}

/// Why the partition cannot be read on from the stored position; empty when it can.
std::string KafkaSource::why_not(const SourcePosition& stored, std::int32_t had, const OffsetRange& range) const {
  if (had > found_) {
    return "it was read when the topic had " + std::to_string(had) + " partitions, and the topic has " +
           std::to_string(found_) + ": the topic was made anew";
  }
  const std::int64_t at = stored.offset.value;
  if (at >= range.begin && at <= range.end) return "";
  const bool trimmed = at < range.begin;
  const std::int64_t gap = trimmed ? range.begin - at : at - range.end;
  return "the position is offset " + std::to_string(at) + ", the topic holds " + std::to_string(range.begin) + " to " +
         std::to_string(range.end) + "; " + std::to_string(gap) +
         (trimmed ? " records were trimmed before they were read"
                  : " records that were read are gone from the topic: it was made anew or lost data");
}

/// Whether the position is to be given up: somebody has said so, or only what retention took is missing and the
/// configuration says so. A topic that is another one for all that is known is not begun without being asked: its
/// events may be those that were counted.
bool KafkaSource::accepts(const SourcePosition& stored, const kafka::Cursor& cursor, const OffsetRange& range) const {
  if (std::find(accepted_.begin(), accepted_.end(), stored.partition) != accepted_.end()) return true;
  return options_.on_gap == OnGap::kAccept && cursor.partitions <= found_ && stored.offset.value < range.begin;
}

/// Somebody has decided to read on without what is gone: behind the gap, or from the beginning of the topic that has
/// taken the old one's place.
KafkaSource::Start KafkaSource::begin_behind_gap(const SourcePosition& stored, const kafka::Cursor& cursor,
                                                 const OffsetRange& range) {
  Start start;
  start.at = {stored.partition, Offset{range.begin}, {}};
  start.reading.next = range.begin;
  start.reading.moved = true;  // to be stored even if nothing comes
  // Offsets that come again are those of other records.
  start.reading.incarnation = cursor.incarnation + (range.begin < stored.offset.value ? 1 : 0);
  const std::int64_t missed = std::max<std::int64_t>(range.begin - stored.offset.value, 0);
  gap_records_ += static_cast<std::uint64_t>(missed);
  log_.warning("kafka.gap_accepted", "reading on from the first record that is there",
               {{"topic", options_.topic},
                {"partition", std::to_string(stored.partition.value)},
                {"from", std::to_string(stored.offset.value)},
                {"to", std::to_string(range.begin)},
                {"passed_over", std::to_string(missed)}});
  return start;
}

/// What keeps a partition from being read may pass: a broker that came back with an old log gets the newer records
/// again. A topic that is another one stays so.
void KafkaSource::look_at_held(Client& client) {
  const auto now = steady_clock::now();
  if (now - looked_at_held_ < kHeldInterval) return;
  looked_at_held_ = now;
  for (std::int32_t partition = 0; partition < partitions_.load(); ++partition) {
    Reading& from = reading(partition);
    if (from.stage != Stage::kHeld || from.stored.offset.value == kAnotherTopic) continue;
    const auto ranges = client.ranges(partition, partition + 1, kRefreshTimeout);
    if (!ranges.ok()) continue;
    auto start = start_of(partition, ranges->front(), std::span(&from.stored, 1));
    if (!start.ok() || start->reading.stage == Stage::kHeld) continue;
    if (!client.assign(std::span(&start->at, 1)).ok()) continue;
    from = std::move(start->reading);
    obstacles_changed_ = true;
  }
}

/// While a topic is fetched, librdkafka 2.0.2 does not notice that it is removed and made anew between two fetches. So
/// a record that was read some time ago is read again at times. (KIP-516's topic ids would tell; 2.0.2 has none.)
void KafkaSource::look_at_topic(Client& client) {
  const milliseconds interval = client.refresh_interval() * kRefreshesPerLook;
  const auto now = steady_clock::now();
  if (interval.count() == 0 || now - looked_at_topic_ < interval) return;
  looked_at_topic_ = now;
  const auto ranges = client.ranges(0, partitions_.load(), kRefreshTimeout);
  if (!ranges.ok()) return;  // an outage is told of by the poll
  for (std::int32_t partition = 0; partition < partitions_.load(); ++partition) {
    Reading& from = reading(partition);
    if (from.stage != Stage::kReading) continue;
    // A look drops what was fetched ahead, which is much while there is a backlog.
    if (!from.at_end && ++from.looks_put_off < kLooksPutOffMax) continue;
    from.looks_put_off = 0;
    look_again(client, partition, (*ranges)[static_cast<std::size_t>(partition)]);
  }
}

void KafkaSource::look_again(Client& client, std::int32_t partition, const OffsetRange& range) {
  Reading& from = reading(partition);
  // What retention took, or a compaction, tells nothing: what was read last is what to look for next time.
  if (!from.check || from.check->offset < range.begin || from.check->offset >= range.end) {
    from.check = from.last;
    return;
  }
  if (!fetch_from(client, partition, from.check->offset)) return;
  from.stage = Stage::kChecking;
  from.looked_again = true;
  from.at_end = false;
}

/// The topic is the one that was read. Behind the record lies what was handed out since it was read first.
void KafkaSource::found_same(std::int32_t partition, Reading& from) {
  const bool jump = from.looked_again && from.check->offset + 1 < from.next;
  from.stage = Stage::kReading;
  from.looked_again = false;
  from.check = from.last;
  const std::shared_ptr<Client> client = this->client();
  if (jump && client) static_cast<void>(fetch_from(*client, partition, from.next));
}

/// Lets go of what was fetched ahead, and fetches from `offset` on. Returns: false, and sets `failure_`, when that
/// fails.
bool KafkaSource::fetch_from(Client& client, std::int32_t partition, std::int64_t offset) {
  const SourcePosition at{Partition{partition}, Offset{offset}, {}};
  Status moved = client.unassign(partition);
  if (moved.ok()) moved = client.assign(std::span(&at, 1));
  if (moved.ok()) return true;
  failure_ = std::move(moved);
  return false;
}

void KafkaSource::found_another(const rd_kafka_message_t& message, Reading& from) {
  std::string why = "offset " + std::to_string(message.offset) +
                    " holds another record than the one that was read there: the topic was made anew";
  if (from.looked_again && from.check->offset + 1 < from.next) {
    why +=
        "; of the offsets from there to " + std::to_string(from.next - 1) + " some may have been read of the new one";
  }
  // The position goes on to say what was looked for, so that a restart finds it missing, too.
  if (from.looked_again) {
    from.last = from.check;
    from.newest = nullptr;
    from.moved = true;
  }
  hold(message.partition, std::move(why));
}

std::vector<Obstacle> KafkaSource::obstacles() const {
  std::vector<Obstacle> all;
  for (std::size_t i = 0; i < reading_.size(); ++i) {
    if (reading_[i].stage != Stage::kHeld) continue;
    all.push_back({Partition{static_cast<std::int32_t>(i)}, reading_[i].why, /*gap=*/true});
  }
  return all;
}

void KafkaSource::accept_gaps(std::span<const Partition> partitions) {
  accepted_.assign(partitions.begin(), partitions.end());
}

std::string KafkaSource::incarnation(Partition partition, Offset) const {
  const std::int32_t number = reading_[static_cast<std::size_t>(partition.value)].incarnation;
  return number == 0 ? "" : std::to_string(number);
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
  look_at_topic(*client);
  if (std::any_of(reading_.begin(), reading_.end(), [](const Reading& one) { return one.stage == Stage::kHeld; })) {
    look_at_held(*client);
  }
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
  if (!failure_.ok()) return failure_;
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
      reached_end(*message);
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      met_error(client, *message);
    } else {
      next = hand_out(*message, next, batch);
    }
  }
  step_over_damage(client, batch);
  report_positions(batch);
}

/// Puts the payload at `to`. Returns: where the next one goes.
char* KafkaSource::hand_out(const rd_kafka_message_t& message, char* to, RecordBatch* batch) {
  Reading& from = reading(message.partition);
  from.at_end = false;
  const bool usual = from.stage == Stage::kReading && message.offset >= from.next;
  if (!usual && !admit(message, from)) return to;
  from.next = message.offset + 1;
  from.moved = true;
  from.newest = &message;
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

/// Whether an unusual message is to be handed out.
bool KafkaSource::admit(const rd_kafka_message_t& message, Reading& from) {
  if (from.stage == Stage::kChecking && message.offset == from.check->offset) {
    if (fingerprint_of(message) == *from.check) {
      found_same(message.partition, from);
    } else {
      found_another(message, from);
    }
    return false;  // it was handed out before
  }
  if (from.stage == Stage::kChecking && message.offset > from.check->offset) could_not_check(message.partition, from);
  // librdkafka #4686: a rewound fetch brings records again.
  return from.stage == Stage::kReading && message.offset >= from.next;
}

void KafkaSource::could_not_check(std::int32_t partition, Reading& from) {
  from.stage = Stage::kReading;
  const std::int64_t looked_for = std::exchange(from.check, from.last)->offset;
  // A record that a compaction took while the topic is read: the next one is looked for.
  if (std::exchange(from.looked_again, false)) return;
  unchecked_.push_back({Partition{partition}, Offset{looked_for}, {}});
  log_.warning(
      "kafka.position_unchecked",
      "the record that was read last is gone (retention, compaction), so it cannot be told whether the topic "
      "is still the same; reading on",
      {{"topic", options_.topic}, {"partition", std::to_string(partition)}, {"offset", std::to_string(looked_for)}});
}

/// What was fetched of the partition and is not handed out yet is dropped as it comes.
void KafkaSource::hold(std::int32_t partition, std::string why) {
  Reading& from = reading(partition);
  from.stage = Stage::kHeld;
  from.why = "topic '" + options_.topic + "', partition " + std::to_string(partition) + ": " + std::move(why);
  from.stored = {Partition{partition}, Offset{kAnotherTopic}, {}};
  obstacles_changed_ = true;
  if (const std::shared_ptr<Client> client = this->client()) client->pause(partition);
}

/// The end lies behind what is no record to us: markers of transactions, and records of those that were given up.
void KafkaSource::reached_end(const rd_kafka_message_t& end) {
  Reading& from = reading(end.partition);
  if (from.stage == Stage::kChecking) could_not_check(end.partition, from);
  if (from.stage != Stage::kReading) return;
  from.at_end = true;
  if (end.offset <= from.next) return;
  from.next = end.offset;
  from.moved = true;
}

void KafkaSource::met_error(Client& client, const rd_kafka_message_t& error) {
  if (!kafka::is_damage(error.err) || error.offset < 0) {
    client.note(error);
    return;
  }
  Reading& from = reading(error.partition);
  // What was fetched before the batch was stepped over may tell of it again.
  const bool reads = from.stage == Stage::kReading || from.stage == Stage::kChecking;
  if (!reads || error.offset == from.stepped_over) return;
  if (from.stage == Stage::kChecking) could_not_check(error.partition, from);
  from.stage = Stage::kStepping;  // batches behind it may be at hand already, and are not to be read before it
  damaged_.push_back({{error.partition, error.offset, from.next}, rd_kafka_message_errstr(&error)});
}

/// A damaged batch costs itself: it becomes one record that is refused, and reading goes on behind it.
void KafkaSource::step_over_damage(Client& client, RecordBatch* batch) {
  details_.clear();
  for (const Damage& damage : damaged_) {
    // When a broker does not answer, a new client meets the batch again.
    if (Status stepped = step_over(client, damage, batch); !stepped.ok()) failure_ = std::move(stepped);
  }
  damaged_.clear();
}

Status KafkaSource::step_over(Client& client, const Damage& damage, RecordBatch* batch) {
  const auto [partition, base, from] = damage.batch;
  CAIRN_RETURN_IF_ERROR(client.unassign(partition));
  CAIRN_ASSIGN_OR_RETURN(const auto ranges, client.ranges(partition, partition + 1, kStartTimeout));
  CAIRN_ASSIGN_OR_RETURN(const std::int64_t end, kafka::end_of_batch(options_, damage.batch, ranges.front().end));
  const SourcePosition behind{Partition{partition}, Offset{end}, {}};
  CAIRN_RETURN_IF_ERROR(client.assign(std::span(&behind, 1)));
  Reading& reading_on = reading(partition);
  reading_on.stage = Stage::kReading;
  reading_on.stepped_over = end == from ? -1 : base;
  if (end == from) return ok_status();  // it can be read after all
  reading_on.next = end;
  reading_on.moved = true;
  details_.push_back("topic '" + options_.topic + "', partition " + std::to_string(partition) + ", offsets " +
                     std::to_string(from) + " to " + std::to_string(end - 1) + ": " + damage.what +
                     " (a batch that unfolds to more than receive.message.max.bytes in kafka.properties cannot be "
                     "unpacked either)");
  log_.error("kafka.damaged_batch", details_.back(), {{"topic", options_.topic}});
  Record& record = batch->records.emplace_back();
  record.partition = Partition{partition};
  record.offset = Offset{from};
  record.payload = {payloads_.reserve(0), 0};
  record.reject = Reject::kDamagedBatch;
  record.detail = details_.back();
  return ok_status();
}

void KafkaSource::report_positions(RecordBatch* batch) {
  for (std::size_t i = 0; i < reading_.size(); ++i) {
    Reading& from = reading_[i];
    if (!std::exchange(from.moved, false)) continue;
    if (from.newest != nullptr) from.last = fingerprint_of(*std::exchange(from.newest, nullptr));
    batch->positions.push_back({Partition{static_cast<std::int32_t>(i)}, Offset{from.next},
                                kafka::encode_cursor({partitions_.load(), from.incarnation, from.last})});
    if (!from.check) from.check = from.last;
  }
  batch->at_end = std::all_of(reading_.begin(), reading_.end(), [](const Reading& one) { return one.at_end; });
  batch->obstacles_changed = std::exchange(obstacles_changed_, false);
  batch->gap_records = std::exchange(gap_records_, 0);
  batch->unchecked = std::exchange(unchecked_, {});
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
