#pragma once

#include <string>
#include <string_view>

namespace cairn::config {

/// What stands where a secret was.
inline constexpr std::string_view kRedacted = "***";

/// A libpq connection string, URI or keyword form, with every value left out that is not known to be harmless (host,
/// port, dbname, user, sslmode and the like stay). What cannot be understood is left out as a whole: what is shown may
/// end in a log or a support ticket.
[[nodiscard]] std::string redact_dsn(std::string_view dsn);

/// A text with the passwords left out that stand in it as a connection string has them: `password=…` up to the next
/// blank or quote, and `://user:…@`. For what was given to a key that holds no secret, perhaps by mistake.
[[nodiscard]] std::string without_passwords(std::string text);

}  // namespace cairn::config
