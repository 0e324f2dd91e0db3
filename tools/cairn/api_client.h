#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/cairn/commands.h"
#include "tools/cairn/http_client.h"

namespace cairn::cli {

/// The server's answer to a request, whatever its code.
/// Returns: UNAVAILABLE or DEADLINE_EXCEEDED when there is none; INVALID_ARGUMENT for a bad --url.
[[nodiscard]] Result<HttpReply> try_call(const GlobalOptions& options, const HttpRequest& request);

/// The error that an answer of code 400 and up carries.
[[nodiscard]] Status error_of(const HttpReply& reply);

/// The body of a successful answer. Ends the program with the right exit code when there is none.
[[nodiscard]] HttpReply call(const GlobalOptions& options, const HttpRequest& request);
[[nodiscard]] nlohmann::json call_json(const GlobalOptions& options, const HttpRequest& request);

/// A member as text, number or list; empty when absent or of another kind, as from a server of another version.
[[nodiscard]] std::string text_at(const nlohmann::json& object, const char* name);
[[nodiscard]] double number_at(const nlohmann::json& object, const char* name);
[[nodiscard]] std::uint64_t count_at(const nlohmann::json& object, const char* name);
[[nodiscard]] bool flag_at(const nlohmann::json& object, const char* name);
[[nodiscard]] const nlohmann::json& list_at(const nlohmann::json& object, const char* name);

}  // namespace cairn::cli
