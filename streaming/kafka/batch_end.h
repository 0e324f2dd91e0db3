#pragma once

#include <cstdint>

#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::streaming::kafka {

/// A batch of records that librdkafka cannot read: its checksum fails, or it cannot be unpacked.
struct DamagedBatch {
  std::int32_t partition = 0;
  std::int64_t base = 0;  ///< the batch's first offset: librdkafka names no other
  std::int64_t from = 0;  ///< where reading stands, in the batch
};

/// The first offset behind the batch. librdkafka tells where a damaged batch begins and not where it ends, so offsets
/// are tried, each by a client of its own, in logarithmically many steps: as long as the answer is an error about
/// `base`, the offset lies in the batch. Another client than the one that reads, because what that one has fetched
/// ahead could be taken for an answer. Returns: `from` when the batch can be read after all (damaged on the way, not on
/// the disk); UNAVAILABLE when a broker does not answer in time. Takes seconds.
[[nodiscard]] Result<std::int64_t> end_of_batch(const KafkaSourceOptions& options, const DamagedBatch& batch,
                                                std::int64_t partition_end);

/// Whether an error in a message's place means a damaged batch, that is one which reading again may not mend and which
/// says nothing of the batches behind it.
[[nodiscard]] bool is_damage(int error) noexcept;

}  // namespace cairn::streaming::kafka
