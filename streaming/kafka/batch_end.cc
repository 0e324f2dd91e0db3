#include "streaming/kafka/batch_end.h"

#include <librdkafka/rdkafka.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "streaming/kafka/client.h"

namespace cairn::streaming::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAnswerTimeout{5'000};

/// The C library keeps freed memory for each thread that was ever there, and each client has had threads that unpacked
/// as much of the batch as they may.
void give_memory_back() { ::malloc_trim(0); }

/// What a fetch at an offset meets: `base` of the damaged batch there, or the offset itself when all is well.
Result<std::int64_t> fetch_at(const KafkaSourceOptions& options, std::int32_t partition, std::int64_t offset) {
  CAIRN_ASSIGN_OR_RETURN(const auto client, Client::create(options, Logger()));
  const SourcePosition at{Partition{partition}, Offset{offset}, {}};
  CAIRN_RETURN_IF_ERROR(client->assign(std::span(&at, 1)));
  const auto give_up = steady_clock::now() + kAnswerTimeout;
  std::vector<Message> messages;
  while (steady_clock::now() < give_up) {
    client->take(1, milliseconds(200), &messages);
    for (const Message& message : messages) {
      if (message->partition != partition) continue;
      if (is_damage(message->err)) return message->offset;
      if (!message->err || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return offset;
      client->note(*message);
      if (!client->failure().ok()) return client->failure();
    }
    messages.clear();
  }
  return unavailable("partition " + std::to_string(partition) + " does not answer at offset " + std::to_string(offset) +
                     ": check that the brokers run");
}

}  // namespace

bool is_damage(int error) noexcept {
  return error == RD_KAFKA_RESP_ERR__BAD_MSG || error == RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
}

Result<std::int64_t> end_of_batch(const KafkaSourceOptions& options, const DamagedBatch& batch,
                                  std::int64_t partition_end) {
  give_memory_back();
  std::int64_t inside = batch.from;  // the last offset known to lie in the batch
  CAIRN_ASSIGN_OR_RETURN(const std::int64_t met, fetch_at(options, batch.partition, inside));
  if (met != batch.base) return inside;
  std::int64_t behind = -1;  // the first offset known not to; -1 while none is known
  for (std::int64_t step = 1; behind < 0 || behind - inside > 1;) {
    const std::int64_t next = behind < 0 ? std::min(inside + step, partition_end) : inside + (behind - inside) / 2;
    if (next <= inside) return inside + 1;  // the partition's end is reached
    CAIRN_ASSIGN_OR_RETURN(const std::int64_t there, fetch_at(options, batch.partition, next));
    give_memory_back();
    if (there == batch.base) {
      inside = next;
      step *= 2;
    } else {
      // A damaged batch that follows tells exactly where it begins.
      behind = std::min(next, std::max(there, inside + 1));
    }
  }
  return behind;
}

}  // namespace cairn::streaming::kafka
