#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"
#include "engine/config/key.h"
#include "engine/config/toml/document.h"

namespace cairn::config {

/// A key's value from a document, checked for type, unit, bounds and the key's own complaint.
/// Returns: INVALID_ARGUMENT with what is wrong and what to write instead, without the key's name. The value of a
/// secret key is never repeated in the message.
[[nodiscard]] Result<Value> read_value(const KeyInfo& key, const toml::Node& node);

/// The text of an environment variable as the node that a file would have held: numbers and booleans are recognised
/// where the key is one, lists are separated by commas.
[[nodiscard]] toml::Node node_from_text(KeyType type, const std::string& text);

/// A value as TOML.
[[nodiscard]] std::string render_value(const KeyInfo& key, const Value& value);

/// A string as TOML's basic string, quotes included.
[[nodiscard]] std::string quote_toml(std::string_view text);

/// What may be written for the key, for its documentation: "Size, from 1MiB to 4TiB".
[[nodiscard]] std::string type_and_bounds(const KeyInfo& key);

}  // namespace cairn::config
