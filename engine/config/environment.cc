#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <map>

#include "engine/config/draft.h"
#include "engine/config/nearest.h"

extern char** environ;  // NOLINT: POSIX's own

namespace cairn::config {
namespace {

constexpr std::string_view kPrefix = "CAIRN_";
constexpr std::string_view kSeparator = "__";

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string variable_name(std::string_view section, std::string_view key) {
  return std::string(kPrefix) + upper(section) + std::string(kSeparator) + upper(key);
}

std::vector<std::string> all_variables() {
  std::vector<std::string> names;
  for (const Section& section : sections()) {
    for (const std::string& key : names_in(section)) names.push_back(variable_name(section.name, key));
  }
  return names;
}

/// Librdkafka's property for the last part of a variable: SASL_PASSWORD to sasl.password.
std::string property_name(std::string_view part) {
  std::string name = lower(part);
  std::string suffix;
  if (name.ends_with(kFileSuffix)) {
    suffix = kFileSuffix;
    name.resize(name.size() - suffix.size());
  }
  std::replace(name.begin(), name.end(), '_', '.');
  return name + suffix;
}

toml::Node number_from_text(const std::string& text) {
  toml::Node node;
  node.kind = toml::Node::Kind::kString;
  node.text = text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), node.number);
  if (error == std::errc() && end == text.data() + text.size()) node.kind = toml::Node::Kind::kNumber;
  return node;
}

/// CAIRN_KAFKA__PROPERTIES__SASL_PASSWORD, CAIRN_RANKING__WEIGHTS__DISTANCE. Returns: whether the name is of that form.
bool apply_open(std::string_view rest, const std::string& value, const Where& where, Draft* draft) {
  for (const OpenTable& table : open_tables()) {
    const std::string prefix =
        upper(table.section) + std::string(kSeparator) + upper(table.name) + std::string(kSeparator);
    if (!rest.starts_with(prefix) || rest.size() == prefix.size()) continue;
    const std::string_view part = rest.substr(prefix.size());
    if (table.name == kPropertiesTable) {
      const std::string name = property_name(part);
      draft->secret_files.erase(full_key("kafka.properties", name));
      read_open_entry(table, name, node_from_text(KeyType::kText, value), where, draft);
    } else if (table.section == "mapping" || table.section == "types") {
      read_open_entry(table, lower(part), node_from_text(KeyType::kText, value), where, draft);
    } else if (table.section == "reasons") {
      // CAIRN_REASONS__TEMPLATES__DE__VISITED
      std::string name = lower(part);
      if (const std::size_t at = name.find(kSeparator); at != std::string::npos) name.replace(at, 2, ".");
      read_open_entry(table, name, node_from_text(KeyType::kText, value), where, draft);
    } else {
      read_open_entry(table, lower(part), number_from_text(value), where, draft);
    }
    return true;
  }
  return false;
}

bool apply_key(std::string_view name, const std::string& value, const Where& where, Draft* draft) {
  for (const Section& section : sections()) {
    for (const Key<Config>& key : section.keys) {
      const std::string full = full_key(section.name, key.name);
      const std::string variable = variable_name(section.name, key.name);
      if (name == variable) {
        draft->secret_files.erase(full);  // the environment wins over the file, in either form
        draft->assign(key, full, node_from_text(key.type, value), where, &draft->config);
        return true;
      }
      if (key.secret && name == variable + upper(kFileSuffix)) {
        const Where* direct = draft->where(full);
        if (direct != nullptr && direct->origin == Origin::kFile) draft->forget(full);
        draft->secret_files[full] = {value, where};
        return true;
      }
    }
  }
  return false;
}

void unknown_variable(const std::string& name, const Where& where, Draft* draft) {
  const std::string rest = name.substr(kPrefix.size());
  for (const std::string_view list : {file_table().name, view_table().name, ranking_feature_table().name}) {
    if (!rest.starts_with(upper(list) + std::string(kSeparator))) continue;
    draft->problem(
        where, "lists of tables cannot be set from the environment; write [[" + std::string(list) + "]] in the file");
    return;
  }
  draft->problem(where, "names no key" + did_you_mean(name, all_variables()));
}

std::string with_single_separators(std::string name) {
  for (std::size_t at = name.find(kSeparator); at != std::string::npos; at = name.find(kSeparator)) name.erase(at, 1);
  return name;
}

/// A variable without "__" is none of ours: CAIRN_DATA, CAIRN_URL and others have other readers. One that begins like a
/// section is probably a key's with a '_' too few, and nobody reads it.
void warn_of_near_miss(const std::string& name, Draft* draft) {
  const auto of_section = [&](const Section& section) {
    return name.starts_with(std::string(kPrefix) + upper(section.name) + "_");
  };
  const auto all = sections();
  if (std::none_of(all.begin(), all.end(), of_section)) return;
  std::map<std::string, std::string> by_single;
  std::vector<std::string> singles;
  for (const std::string& variable : all_variables()) {
    singles.push_back(with_single_separators(variable));
    by_single.emplace(singles.back(), variable);
  }
  const std::string near = nearest(name, singles);
  const std::string meant = near.empty() ? "" : "; did you mean '" + by_single.at(near) + "'?";
  draft->warning(Draft::in_variable(printable(name)),
                 "is not read: section and key are joined by two '_', CAIRN_<SECTION>__<KEY>" + meant);
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

void apply_environment(const Environment& environment, Draft* draft) {
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix)) continue;
    if (name.find(kSeparator, kPrefix.size()) == std::string::npos) {
      warn_of_near_miss(name, draft);
      continue;
    }
    const Where where = Draft::in_variable(name);
    const std::string_view rest = std::string_view(name).substr(kPrefix.size());
    if (!apply_key(name, value, where, draft) && !apply_open(rest, value, where, draft)) {
      unknown_variable(printable(name), where, draft);
    }
  }
}

}  // namespace cairn::config
