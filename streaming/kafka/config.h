#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::streaming::kafka {

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const noexcept { rd_kafka_conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

/// librdkafka's settings for a consumer whose positions are kept by us: our defaults, then the user's properties over
/// them, then what exactness rests on. Values never appear in a message: they may be secrets.
/// Returns: INVALID_ARGUMENT for no brokers or no topic, a property that librdkafka does not know or take, or one that
/// is not the user's to set.
[[nodiscard]] Result<Conf> make_conf(const KafkaSourceOptions& options);

}  // namespace cairn::streaming::kafka
