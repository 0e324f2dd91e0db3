#include "engine/serving/api/routes.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "cairn/utf8.h"
#include "engine/serving/api/handlers.h"

namespace cairn::serving {
namespace {

constexpr Route kRoutes[] = {
    {"POST", "/v1/recommendations", Lane::kRead, kRecommendTimeLimit, &Handlers::recommend,
     &Handlers::recommend_at_once},
    {"GET", "/v1/recommendations", Lane::kRead, kRecommendTimeLimit, &Handlers::recommend_to_all,
     &Handlers::recommend_to_all_at_once},
    {"POST", "/v1/interactions", Lane::kWrite, kUsualTimeLimit, &Handlers::ingest},
    {"POST", "/v1/interactions/check", Lane::kRead, kUsualTimeLimit, &Handlers::check_events},
    {"DELETE", "/v1/interactions/{event_id}", Lane::kWait, kWaitTimeLimit, &Handlers::retract_event},
    {"PUT", "/v1/interactions/{event_id}", Lane::kWait, kWaitTimeLimit, &Handlers::replace_event},
    {"POST", "/get-online-features", Lane::kRead, kUsualTimeLimit, &Handlers::get_online_features},
    {"GET", "/v1/features/{entity}/{key}", Lane::kRead, kUsualTimeLimit, &Handlers::get_features},
    {"GET", "/v1/places/{id}", Lane::kInline, kNoTimeLimit, &Handlers::get_place},
    {"DELETE", "/v1/places/{id}", Lane::kWrite, kUsualTimeLimit, &Handlers::delete_place},
    {"POST", "/v1/places/delete", Lane::kWrite, kUsualTimeLimit, &Handlers::delete_places},
    {"POST", "/v1/places", Lane::kWrite, kUsualTimeLimit, &Handlers::upsert_places},
    {"GET", "/v1/categories", Lane::kRead, kUsualTimeLimit, &Handlers::list_categories},
    {"POST", "/v1/categories/rename", Lane::kWrite, kUsualTimeLimit, &Handlers::rename_category},
    {"POST", "/v1/categories/merge", Lane::kWrite, kUsualTimeLimit, &Handlers::merge_category},
    {"DELETE", "/v1/users/{id}", Lane::kWait, kNoTimeLimit, &Handlers::erase_user},
    {"GET", "/v1/users/{id}/export", Lane::kWait, kNoTimeLimit, &Handlers::export_user},
    {"GET", "/v1/status", Lane::kProbe, kNoTimeLimit, &Handlers::status},
    {"POST", "/v1/checkpoint", Lane::kWait, kNoTimeLimit, &Handlers::checkpoint},
    {"GET", "/v1/model", Lane::kProbe, kNoTimeLimit, &Handlers::model},
    {"POST", "/v1/model/activate", Lane::kWait, kNoTimeLimit, &Handlers::activate_model},
    {"GET", "/v1/cache", Lane::kProbe, kNoTimeLimit, &Handlers::answer_cache},
    {"POST", "/v1/cache/invalidate", Lane::kProbe, kNoTimeLimit, &Handlers::invalidate_answers},
    {"POST", "/v1/cache/warm", Lane::kWait, kWaitTimeLimit, &Handlers::warm_answers},
    {"POST", "/v1/wait-caught-up", Lane::kAwait, kWaitTimeLimit, &Handlers::wait_caught_up},
    {"POST", "/v1/consumers/{name}/retry", Lane::kProbe, kNoTimeLimit, &Handlers::retry_consumer},
    {"POST", "/v1/consumers/{name}/accept-gap", Lane::kProbe, kNoTimeLimit, &Handlers::accept_gap},
    {"GET", "/v1/feature-views", Lane::kRead, kUsualTimeLimit, &Handlers::list_feature_views},
    {"GET", "/v1/ranking-features", Lane::kInline, kNoTimeLimit, &Handlers::list_ranking_features},
    {"GET", "/healthz", Lane::kInline, kNoTimeLimit, &Handlers::live},
    {"GET", "/livez", Lane::kInline, kNoTimeLimit, &Handlers::live},
    {"GET", "/readyz", Lane::kProbe, kNoTimeLimit, &Handlers::ready},
    {"GET", "/metrics", Lane::kProbe, kNoTimeLimit, &Handlers::metrics},
    {"GET", "/openapi.json", Lane::kInline, kNoTimeLimit, &Handlers::openapi},
};

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus : std::uint8_t { kLiteral, kSpace };

/// RFC 3986 percent-decoding; in queries '+' is a space, as HTML forms write it.
std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kSpace) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  // Ids go on to C libraries and into JSON: neither takes a NUL or broken UTF-8.
  if (!is_utf8(decoded) || decoded.find('\0') != std::string::npos) return std::nullopt;
  return decoded;
}

/// Takes the text before the next `separator` from the front of `rest`.
std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return taken;
}

bool is_parameter(std::string_view segment) { return !segment.empty() && segment.front() == '{'; }

/// Whether `path` has the pattern's shape; its parameters, still encoded, go to `parameters`.
bool matches(std::string_view pattern, std::string_view path, std::vector<std::string_view>& parameters) {
  parameters.clear();
  while (!pattern.empty() && !path.empty()) {
    const std::string_view expected = take_until(pattern, '/');
    const std::string_view found = take_until(path, '/');
    if (is_parameter(expected)) {
      if (found.empty()) return false;
      parameters.push_back(found);
    } else if (expected != found) {
      return false;
    }
    if (pattern.empty() != path.empty()) return false;  // one of them has segments left
  }
  return pattern.empty() && path.empty();
}

ApiResponse malformed_target() {
  return error_response(
      invalid_argument("the address is malformed: percent-encoded UTF-8 without NUL is expected (RFC 3986)"));
}

/// Parameters that are lists, wherever they stand: commas part their values, as if the name were repeated. A comma
/// within a value is percent-encoded, which is why they are parted here.
bool is_list(std::string_view name) {
  static constexpr std::string_view kLists[] = {"categories", "exclude_categories", "only", "exclude"};
  return std::find(std::begin(kLists), std::end(kLists), name) != std::end(kLists);
}

bool decode_query(std::string_view query, ApiRequest& request) {
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    if (pair.empty()) continue;
    const auto name = percent_decode(take_until(pair, '='), Plus::kSpace);
    if (!name) return false;
    do {
      auto value = percent_decode(is_list(*name) ? take_until(pair, ',') : std::exchange(pair, {}), Plus::kSpace);
      if (!value) return false;
      request.query.emplace_back(*name, *std::move(value));
    } while (!pair.empty());
  }
  return true;
}

bool decode_parameters(const std::vector<std::string_view>& encoded, ApiRequest& request) {
  for (const std::string_view parameter : encoded) {
    auto decoded = percent_decode(parameter, Plus::kLiteral);
    if (!decoded) return false;
    request.path_parameters.push_back(std::move(*decoded));
  }
  return true;
}

/// The path and query of a target in absolute form ("http://host/path"), which RFC 9112 wants accepted. A scheme is one
/// whatever the case of its letters (RFC 3986, section 3.1).
std::string_view without_authority(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  const bool absolute = target.size() >= kScheme.size() &&
                        std::equal(kScheme.begin(), kScheme.end(), target.begin(), [](char scheme, char c) {
                          return scheme == (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
                        });
  if (!absolute) return target;
  const std::size_t path = target.find('/', kScheme.size());
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

ApiResponse no_route(const ApiRequest& request, std::string_view path, const std::string& allow) {
  if (allow.empty()) {
    return error_response(
        not_found("there is no " + std::string(path.substr(0, 200)) + " here; GET /openapi.json lists what there is"));
  }
  ApiResponse response = error_response(
      405, {StatusCode::kUnimplemented, request.method.substr(0, 32) + " is not possible here; use " + allow});
  response.allow = allow;
  return response;
}

}  // namespace

std::span<const Route> routes() noexcept { return kRoutes; }

bool is_probe(std::string_view method, std::string_view target) noexcept {
  if (method != "GET" && method != "HEAD") return false;
  const std::string_view path = take_until(target, '?');
  for (const Route& route : kRoutes) {
    const bool probes =
        route.handle == &Handlers::live || route.handle == &Handlers::ready || route.handle == &Handlers::metrics;
    if (probes && route.pattern == path) return true;
  }
  return false;
}

const Route* match_route(ApiRequest& request, ApiResponse& refusal) {
  std::string_view query = without_authority(request.target);
  const std::string_view path = take_until(query, '?');
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : request.method;
  std::string allow;
  std::vector<std::string_view> parameters;
  for (const Route& route : kRoutes) {
    if (!matches(route.pattern, path, parameters)) continue;
    if (route.method != method) {
      allow += allow.empty() ? "" : ", ";
      allow += route.method == "GET" ? "GET, HEAD" : route.method;
      continue;
    }
    if (decode_parameters(parameters, request) && decode_query(query, request)) return &route;
    refusal = malformed_target();
    return nullptr;
  }
  refusal = no_route(request, path, allow);
  return nullptr;
}

}  // namespace cairn::serving
