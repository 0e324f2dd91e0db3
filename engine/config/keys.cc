#include "engine/config/keys.h"

#include "engine/config/sections/sections.h"

namespace cairn::config {

// The order is the sample file's.
const std::vector<Section>& sections() {
  static const std::vector<Section> all = {state_section(),       decode_section(), types_section(),  mapping_section(),
                                           sql_section(),         kafka_section(),  places_section(), ranking_section(),
                                           model_section(),       cache_section(),  http_section(),   log_section(),
                                           dead_letters_section()};
  return all;
}

const std::vector<OpenTable>& open_tables() {
  static const std::vector<OpenTable> all = {mapping_fields_table(), mapping_types_table(), kafka_properties_table(),
                                             ranking_weights_table()};
  return all;
}

const RecordTable<FileSourceOptions>& file_table() {
  static const RecordTable<FileSourceOptions> table = make_file_table();
  return table;
}

const RecordTable<FeatureViewSpec>& view_table() {
  static const RecordTable<FeatureViewSpec> table = make_view_table();
  return table;
}

const RecordTable<AttributeSpec>& attribute_table() {
  static const RecordTable<AttributeSpec> table = make_attribute_table();
  return table;
}

const RecordTable<PlaceRule>& rule_table() {
  static const RecordTable<PlaceRule> table = make_rule_table();
  return table;
}

std::vector<std::string> top_level_names() {
  std::vector<std::string> names;
  for (const Section& section : sections()) names.emplace_back(section.name);
  names.emplace_back(file_table().name);
  names.emplace_back(view_table().name);
  names.emplace_back(attribute_table().name);
  names.emplace_back(rule_table().name);
  return names;
}

std::vector<std::string> names_in(const Section& section) {
  std::vector<std::string> names;
  for (const Key<Config>& key : section.keys) {
    names.emplace_back(key.name);
    if (key.secret) names.push_back(std::string(key.name) + std::string(kFileSuffix));
  }
  for (const OpenTable& table : open_tables()) {
    if (table.section == section.name) names.emplace_back(table.name);
  }
  return names;
}

std::string section_with(std::string_view key, std::string_view except) {
  for (const Section& section : sections()) {
    if (section.name == except) continue;
    for (const std::string& name : names_in(section)) {
      if (name == key) return std::string(section.name);
    }
  }
  return {};
}

}  // namespace cairn::config
