#include "streaming/kafka/errors.h"

namespace cairn::streaming::kafka {
namespace {

/// What to do about it; empty when waiting is all.
std::string_view remedy(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return "create the topic, or correct kafka.topic";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "let the client's principal DESCRIBE and READ the topic";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "let the client's principal use the cluster";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
      return "check sasl.mechanism, sasl.username and sasl.password in kafka.properties";
    case RD_KAFKA_RESP_ERR__SSL:
      return "check security.protocol and the ssl.* settings in kafka.properties, and the certificates' dates";
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
      return "check that the brokers run, and kafka.brokers";
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return "correct kafka.topic";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return "raise fetch.message.max.bytes and receive.message.max.bytes in kafka.properties";
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
      return "a restart reads it again; if that fails too, the broker's log is damaged there: restore it from a "
             "replica";
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
      return "its format or compression is newer than the librdkafka in use";
    case RD_KAFKA_RESP_ERR__FATAL:
      return "restart";
    default:
      return "";
  }
}

/// Everything that a person can mend at the broker while we run may pass, and is worth another try.
StatusCode code(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
      return StatusCode::kDataLoss;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return StatusCode::kInvalidArgument;
    case RD_KAFKA_RESP_ERR__FATAL:
      return StatusCode::kFailedPrecondition;
    default:
      return StatusCode::kUnavailable;
  }
}

bool is_for_a_person(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR__SSL:
      return true;
    default:
      return false;
  }
}

}  // namespace

Status to_standing_status(rd_kafka_resp_err_t error, std::string_view topic, std::string_view detail) {
  Status status = to_status(error, topic, detail);
  return is_for_a_person(error) ? failed_precondition(status.message()) : status;
}

Status to_status(rd_kafka_resp_err_t error, std::string_view topic, std::string_view detail) {
  std::string message = "kafka topic '" + std::string(topic) + "': " + rd_kafka_err2str(error);
  if (!detail.empty() && detail != rd_kafka_err2str(error)) message.append(" (").append(detail).append(")");
  if (const std::string_view what = remedy(error); !what.empty()) message.append("; ").append(what);
  return {code(error), std::move(message)};
}

}  // namespace cairn::streaming::kafka
