#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/http_options.h"
#include "engine/serving/api/message.h"

namespace cairn::serving {

using RequestHeader = boost::beast::http::request_header<>;

/// The names that a server answers to (HttpOptions::hosts). A page of any site can make a browser send requests to this
/// machine under the site's own name, for which its owner gives out this machine's address; the browser then shows the
/// page the answers. Only the name in the request tells. Threads: any.
class HostNames {
 public:
  explicit HostNames(const HttpOptions& options);

  /// `host`: the value of a Host header, with or without a port, which does not matter.
  [[nodiscard]] bool allow(std::string_view host) const noexcept;

 private:
  bool any_ = false;
  std::vector<std::string> names_;
};

/// Refuses a request by its header alone: a missing or repeated Host (400), a name that is not ours (403), an
/// expectation other than 100-continue (417), a compressed body (415), and writes that a browser sends on behalf of a
/// page from elsewhere (403: without this any web page could write to a server on localhost). Empty when it is fine.
///
/// Who is asking is not known here. Tokens would be looked at at this point, before the body is read.
[[nodiscard]] std::optional<ApiResponse> refuse_by_header(const RequestHeader& header, const HostNames& hosts);

/// The caller's X-Request-Id when it has 1 to 128 printable characters of ASCII, else a new one of 16 hex digits.
[[nodiscard]] std::string request_id_of(const RequestHeader& header);
[[nodiscard]] std::string make_request_id();

/// The time now as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT". Valid until this thread's next call.
[[nodiscard]] std::string_view http_date();

}  // namespace cairn::serving
