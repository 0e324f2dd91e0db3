#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::streaming::kafka {

/// What a librdkafka error means for a reader of a topic, with the remedy where there is one. `detail` is librdkafka's
/// own sentence, or empty; `topic` is named in the message.
/// Returns: never OK. DATA_LOSS for what reading again will not mend, INVALID_ARGUMENT for a topic name that no broker
/// takes, FAILED_PRECONDITION for a client that librdkafka gave up; UNAVAILABLE for everything else, because a broker,
/// an ACL or a missing topic can be mended while we run.
[[nodiscard]] Status to_status(rd_kafka_resp_err_t error, std::string_view topic, std::string_view detail);

/// The same, for what a broker says when it is asked about the topic, before anything is read: FAILED_PRECONDITION
/// where somebody must mend something (a topic, a right, a password, a certificate). While a topic is read such an
/// answer may be a broker's that is behind the others.
[[nodiscard]] Status to_standing_status(rd_kafka_resp_err_t error, std::string_view topic, std::string_view detail);

}  // namespace cairn::streaming::kafka
