#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/check.h"

namespace cairn {

/// What went wrong, in gRPC's names and numbers (grpc/doc/statuscodes.md), so that a code means the same in every
/// API that Cairn offers.
enum class StatusCode : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

/// The code as gRPC spells it: "NOT_FOUND".
[[nodiscard]] constexpr std::string_view to_string(StatusCode code) noexcept {
  constexpr std::string_view kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return kNames[static_cast<std::size_t>(code)];
}

/// True when the same call may succeed later with nothing changed by the caller. Decided here, once.
[[nodiscard]] constexpr bool is_retryable(StatusCode code) noexcept {
  return code == StatusCode::kUnavailable || code == StatusCode::kResourceExhausted || code == StatusCode::kAborted;
}

/// The outcome of an operation that returns nothing else: OK, or a code with a message that names the remedy.
/// Cheap to move; OK allocates nothing.
class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] bool ok() const noexcept { return code_ == StatusCode::kOk; }
  [[nodiscard]] StatusCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  /// The same failure seen from one layer up: "context: message". OK stays OK.
  [[nodiscard]] Status with_context(std::string_view context) && {
    if (!ok()) message_.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }

  /// "NOT_FOUND: no such place", or "OK".
  [[nodiscard]] std::string to_string() const {
    return ok() ? "OK" : std::string(cairn::to_string(code_)) + ": " + message_;
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

[[nodiscard]] inline Status ok_status() noexcept { return {}; }
[[nodiscard]] inline Status invalid_argument(std::string m) { return {StatusCode::kInvalidArgument, std::move(m)}; }
[[nodiscard]] inline Status not_found(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
[[nodiscard]] inline Status failed_precondition(std::string m) {
  return {StatusCode::kFailedPrecondition, std::move(m)};
}
[[nodiscard]] inline Status resource_exhausted(std::string m) { return {StatusCode::kResourceExhausted, std::move(m)}; }
[[nodiscard]] inline Status unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
[[nodiscard]] inline Status data_loss(std::string m) { return {StatusCode::kDataLoss, std::move(m)}; }
[[nodiscard]] inline Status deadline_exceeded(std::string m) { return {StatusCode::kDeadlineExceeded, std::move(m)}; }
[[nodiscard]] inline Status internal_error(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

/// A value, or the Status that says why there is none. Reading the value of a failure stops the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {
    CAIRN_CHECK(!status_.ok());
  }  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept { return value_.has_value(); }
  [[nodiscard]] const Status& status() const& noexcept { return status_; }
  [[nodiscard]] Status status() && noexcept { return std::move(status_); }

  [[nodiscard]] T& value() & {
    CAIRN_CHECK_MSG(ok(), status_.to_string());
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    CAIRN_CHECK_MSG(ok(), status_.to_string());
    return *value_;
  }
  [[nodiscard]] T value() && {
    CAIRN_CHECK_MSG(ok(), status_.to_string());
    return std::move(*value_);
  }

  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace cairn

/// Returns the Status of `expr` from the enclosing function unless it is OK.
#define CAIRN_RETURN_IF_ERROR(expr)                                                        \
  do {                                                                                     \
    if (::cairn::Status cairn_status_ = (expr); !cairn_status_.ok()) return cairn_status_; \
  } while (false)

#define CAIRN_CONCAT_INNER_(a, b) a##b
#define CAIRN_CONCAT_(a, b) CAIRN_CONCAT_INNER_(a, b)

/// `CAIRN_ASSIGN_OR_RETURN(auto store, open_store(path));` declares or assigns, or returns the Status.
#define CAIRN_ASSIGN_OR_RETURN(lhs, expr) CAIRN_ASSIGN_OR_RETURN_(CAIRN_CONCAT_(cairn_result_, __LINE__), lhs, expr)
#define CAIRN_ASSIGN_OR_RETURN_(tmp, lhs, expr)  \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = std::move(tmp).value()
