#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "engine/serving/api/message.h"

/// What HTTP knows of answers that others may keep (RFC 9110, sections 8.8 and 13; RFC 9111). Pure functions; any
/// thread.
namespace cairn::serving {

/// For how long an answer that is the same for all may be used without asking.
struct Reuse {
  std::chrono::seconds max_age{0};         ///< by a client
  std::chrono::seconds shared_max_age{0};  ///< by a cache that many clients share
  std::chrono::seconds stale{0};           ///< after that, while a new one is asked for (RFC 5861, section 3)
  bool never_longer = false;               ///< not even where a cache cannot ask (RFC 9111, section 5.2.2.2)
};

/// The same of an answer that is true for `left` yet and was made `age` ago: no cache may use it for longer.
[[nodiscard]] Reuse while_true(Reuse reuse, std::chrono::milliseconds left, std::chrono::milliseconds age);

/// The value of Cache-Control: "public, max-age=30, s-maxage=60, stale-while-revalidate=30"; "public, no-cache" where
/// it may be kept and has to be asked for each time.
[[nodiscard]] std::string cache_control_of(const Reuse& reuse);

/// An entity tag for a text: W/"...". Weak, because what it stands for goes out in several codings, and beside it what
/// differs each time that it is given. The same text has the same tag in all processes of one build.
[[nodiscard]] std::string weak_etag_of(std::string_view text);

/// Whether the value of If-None-Match (of several fields, their values with commas between) names the tag, by the weak
/// comparison of section 8.8.3.2. "*" names every tag. A list that is malformed, in whichever part, names none:
/// the client is sent what it has perhaps, which is never wrong.
[[nodiscard]] bool names_etag(std::string_view if_none_match, std::string_view etag) noexcept;

/// Makes a success into 304 where the request's If-None-Match names what the client has (section 13.1.2); only for GET
/// and HEAD, and answers that have a tag.
void answer_condition(const ApiRequest& request, ApiResponse* response);

}  // namespace cairn::serving
