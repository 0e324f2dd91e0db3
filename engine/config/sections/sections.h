#pragma once

#include "engine/config/keys.h"

/// One function a section, each in the file of its name: its keys in the sample's order, with type, bounds, words and
/// the field that each sets. `keys.cc` puts them into the one table that everything else reads.
namespace cairn::config {

[[nodiscard]] Section state_section();
[[nodiscard]] Section decode_section();
[[nodiscard]] Section types_section();
[[nodiscard]] Section mapping_section();
[[nodiscard]] Section sql_section();
[[nodiscard]] Section kafka_section();
[[nodiscard]] Section places_section();
[[nodiscard]] Section ranking_section();
[[nodiscard]] Section model_section();
[[nodiscard]] Section cache_section();
[[nodiscard]] Section http_section();
[[nodiscard]] Section log_section();
[[nodiscard]] Section dead_letters_section();

[[nodiscard]] OpenTable mapping_fields_table();
[[nodiscard]] OpenTable mapping_types_table();
[[nodiscard]] OpenTable kafka_properties_table();
[[nodiscard]] OpenTable ranking_weights_table();

[[nodiscard]] RecordTable<FileSourceOptions> make_file_table();
[[nodiscard]] RecordTable<FeatureViewSpec> make_view_table();
[[nodiscard]] RecordTable<AttributeSpec> make_attribute_table();
[[nodiscard]] RecordTable<PlaceRule> make_rule_table();

}  // namespace cairn::config
