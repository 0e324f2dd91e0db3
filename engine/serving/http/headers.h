#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <optional>
#include <string>

#include "engine/serving/api/message.h"

namespace cairn::serving {

using RequestHeader = boost::beast::http::request_header<>;

/// Refuses a request by its header alone: a missing or repeated Host (400), an expectation other than 100-continue
/// (417), a compressed body (415), and writes that a browser sends on behalf of a page from elsewhere (403: without
/// this any web page could write to a server on localhost). Empty when it is fine.
[[nodiscard]] std::optional<ApiResponse> refuse_by_header(const RequestHeader& header);

/// The caller's X-Request-Id when it has 1 to 128 printable characters of ASCII, else a new one of 16 hex digits.
[[nodiscard]] std::string request_id_of(const RequestHeader& header);
[[nodiscard]] std::string make_request_id();

/// The time now as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string http_date();

}  // namespace cairn::serving
