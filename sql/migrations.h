#pragma once

#include <span>
#include <string_view>

namespace cairn::sql {

/// One step of the schema: the text of sql/migrations/NNNN_name.sql, built into the program.
struct Migration {
  int version;                ///< counts from 1 without a gap
  std::string_view name;      ///< "0001_places"
  std::string_view checksum;  ///< SHA-256 of the text, in hex
  std::string_view sql;       ///< unqualified names: run with the schema first in search_path
};

/// All steps this program knows, in order. A step that was ever released is never edited: its checksum is compared
/// with the one recorded when it ran.
[[nodiscard]] std::span<const Migration> migrations() noexcept;

}  // namespace cairn::sql
