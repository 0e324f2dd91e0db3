#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/config/key.h"

/// What several sections say of a value that has the right type and is wrong all the same. A complaint is empty when
/// there is none.
namespace cairn::config {

/// Whether `text` has 1 to `size_max` characters, the first one of `first` and the others of `rest`. In these sets 'a'
/// stands for every lower-case letter, 'A' for every capital, '0' for every digit, and other characters for themselves.
[[nodiscard]] bool matches(std::string_view text, std::size_t size_max, std::string_view first, std::string_view rest);

/// The text in quotes, fit for a message.
[[nodiscard]] std::string quoted(std::string_view text);

/// Names of sources and groups, which stand in offsets' keys and in metrics' labels.
[[nodiscard]] std::string source_name_complaint(const Value& value);

/// Paths may be anything but empty: whether they exist is the engine's business.
[[nodiscard]] std::string path_complaint(const Value& value);

}  // namespace cairn::config
