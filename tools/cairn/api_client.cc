#include "tools/cairn/api_client.h"

#include <cstdio>

namespace cairn::cli {
namespace {

/// gRPC's code by its name; UNKNOWN for a name of a later version.
StatusCode code_named(std::string_view name) {
  for (int code = 0; code <= static_cast<int>(StatusCode::kUnauthenticated); ++code) {
    if (to_string(static_cast<StatusCode>(code)) == name) return static_cast<StatusCode>(code);
  }
  return StatusCode::kUnknown;
}

}  // namespace

Result<HttpReply> try_call(const GlobalOptions& options, const HttpRequest& request) {
  CAIRN_ASSIGN_OR_RETURN(const ServerAddress server, parse_server_url(options.url));
  return send_request(server, request);
}

Status error_of(const HttpReply& reply) {
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  const auto& error = body.is_object() && body.contains("error") ? body["error"] : nlohmann::json();
  const std::string code = text_at(error, "code");
  if (!code.empty()) return {code_named(code), text_at(error, "message")};
  return {StatusCode::kUnknown,
          "the server answered " + std::to_string(reply.code) + ", and not as Cairn does; is --url right?"};
}

HttpReply call(const GlobalOptions& options, const HttpRequest& request) {
  Result<HttpReply> reply = try_call(options, request);
  if (!reply.ok()) {
    std::fprintf(stderr, "cairn: %s\n", reply.status().to_string().c_str());
    if (reply.status().code() == StatusCode::kInvalidArgument) exit_with(kExitUsage);
    if (reply.status().code() == StatusCode::kDeadlineExceeded) exit_with(kExitTimeout);
    std::fputs("cairn: is cairnd running there? `cairn doctor` looks; --url or CAIRN_URL names another server\n",
               stderr);
    exit_with(kExitUnreachable);
  }
  if (reply->code >= 400) fail(error_of(*reply));
  return std::move(reply).value();
}

nlohmann::json call_json(const GlobalOptions& options, const HttpRequest& request) {
  auto body = nlohmann::json::parse(call(options, request).body, nullptr, false);
  if (!body.is_object()) fail({StatusCode::kUnknown, "the server's answer is no JSON object; is --url right?"});
  return body;
}

std::string text_at(const nlohmann::json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_at(const nlohmann::json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}

std::uint64_t count_at(const nlohmann::json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_number_integer() ? found->get<std::uint64_t>() : 0;
}

bool flag_at(const nlohmann::json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const nlohmann::json& list_at(const nlohmann::json& object, const char* name) {
  static const nlohmann::json kEmpty = nlohmann::json::array();
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

}  // namespace cairn::cli
