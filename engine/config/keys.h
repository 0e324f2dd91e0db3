#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/feature_view.h"
#include "cairn/options.h"
#include "engine/config/config.h"
#include "engine/config/key.h"

/// The one table of everything that can be configured. Parsing, checking, environment overrides, `--show-config` and
/// the sample file are derived from it, so they cannot say different things. A default is what the field of a
/// default-constructed options struct holds; it is written nowhere else.
namespace cairn::config {

/// [name]: keys with one value each.
struct Section {
  std::string_view name;
  std::string_view doc;
  std::vector<Key<Config>> keys;
};
[[nodiscard]] const std::vector<Section>& sections();

/// [section.name]: a table whose keys are not listed here.
struct OpenTable {
  std::string_view section;
  std::string_view name;
  std::string_view doc;
  std::vector<std::string_view> example;  ///< lines of TOML
};
inline constexpr std::string_view kPropertiesTable = "properties";  ///< of [kafka]
inline constexpr std::string_view kWeightsTable = "weights";        ///< of [ranking]
inline constexpr std::string_view kFieldsTable = "fields";          ///< of [mapping]
inline constexpr std::string_view kTypesTable = "types";            ///< of [mapping]
[[nodiscard]] const std::vector<OpenTable>& open_tables();

/// [[name]]: any number of records.
template <class Record>
struct RecordTable {
  std::string_view name;
  std::string_view doc;
  std::vector<Key<Record>> keys;
  std::vector<std::string_view> example;  ///< lines of TOML for what no key describes
};
[[nodiscard]] const RecordTable<FileSourceOptions>& file_table();
[[nodiscard]] const RecordTable<FeatureViewSpec>& view_table();
[[nodiscard]] const RecordTable<AttributeSpec>& attribute_table();
[[nodiscard]] const RecordTable<PlaceRule>& rule_table();

/// Suffix of the key that names the file holding a secret.
inline constexpr std::string_view kFileSuffix = "_file";

/// Names at the top level of a file: every section and every record table.
[[nodiscard]] std::vector<std::string> top_level_names();
/// Names that may stand in a section: keys, `_file` twins, open tables.
[[nodiscard]] std::vector<std::string> names_in(const Section& section);
/// The section that has a key of this name, other than `except`; empty when none has.
[[nodiscard]] std::string section_with(std::string_view key, std::string_view except);

/// Whether a librdkafka property's value is a secret.
[[nodiscard]] bool secret_property(std::string_view name);
/// Whether a librdkafka property's value may be shown: only that of a name known to be none of a secret. A slip of the
/// keyboard makes another name of a secret's, and its value is a secret all the same.
[[nodiscard]] bool shown_property(std::string_view name);

}  // namespace cairn::config
