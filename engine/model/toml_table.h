#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/config/toml/document.h"

namespace cairn::model {

/// The root of a TOML text. `file` is what messages call it.
/// Returns: INVALID_ARGUMENT "file:line: fault" at the first thing that is no TOML.
[[nodiscard]] Result<toml::Node> parse_toml(const std::string& file, std::string_view text);

/// The keys of one table of a TOML file, taken one by one, so that what is left over can be refused. Views the node,
/// which must outlive it. Each message names file and line. One thread.
class TomlTable {
 public:
  TomlTable(std::string file, const toml::Node& node) : file_(std::move(file)), node_(&node) {}

  [[nodiscard]] bool has(std::string_view key) const noexcept;

  /// Each leaves `*value` as it is when the key is not there.
  /// Returns: INVALID_ARGUMENT when the value is of another kind, or not finite, or out of the type's range.
  [[nodiscard]] Status take(std::string_view key, std::string* value);
  [[nodiscard]] Status take(std::string_view key, double* value);
  [[nodiscard]] Status take(std::string_view key, float* value);
  [[nodiscard]] Status take(std::string_view key, std::uint64_t* value);

  /// The value of a key that is a table, an array of tables or anything else; null when it is not there.
  [[nodiscard]] const toml::Node* take_node(std::string_view key);

  /// INVALID_ARGUMENT naming the first key that was not taken.
  [[nodiscard]] Status refuse_others() const;
  /// INVALID_ARGUMENT "file:line: fault" at a key, or at the table when the key is not there.
  [[nodiscard]] Status fault(std::string_view key, const std::string& fault) const;

 private:
  [[nodiscard]] Status fault_at(toml::TextPosition at, const std::string& fault) const;

  std::string file_;
  const toml::Node* node_;
  std::vector<std::string_view> taken_;
};

/// `text` as a TOML string.
[[nodiscard]] std::string toml_string(std::string_view text);
/// The shortest number that reads back as the same float. Requires: it is finite.
[[nodiscard]] std::string toml_number(float value);

}  // namespace cairn::model
