#include <algorithm>
#include <tuple>

#include "engine/config/draft.h"
#include "engine/config/nearest.h"

namespace cairn::config {
namespace {

void unknown_key(const Section& section, const toml::Member& member, Draft* draft) {
  const std::string name = printable(member.name);
  std::string message = "unknown key '" + name + "' in [" + std::string(section.name) + "]";
  std::string hint = did_you_mean(member.name, names_in(section));
  const std::string other = section_with(member.name, section.name);
  // The right key in the wrong section is likelier than a slip of the keyboard, so it goes before the nearest name.
  if (!other.empty()) hint = "; it belongs in [" + other + "]";
  if (hint.empty()) hint = "; its keys are " + joined(names_in(section));
  draft->problem(draft->in_file(member.at), message + hint);
}

/// Only notes the path: the environment may still name another file, or the secret itself.
void read_secret_file_key(const Key<Config>& key, const Section& section, const toml::Member& member, Draft* draft) {
  const std::string full = full_key(section.name, key.name);
  const Where where = draft->in_file(member.value.at);
  if (member.value.kind != toml::Node::Kind::kString || member.value.text.empty()) {
    draft->problem(where, full + std::string(kFileSuffix) + ": must be the path of a file that holds " + full);
    return;
  }
  draft->secret_files[full] = {member.value.text, where};
}

/// Dots in a name make nested tables in TOML; here they are part of the name.
void read_open_table(const OpenTable& table, const std::string& prefix, const toml::Node& node, Draft* draft) {
  for (const toml::Member& member : node.members) {
    const std::string name = prefix.empty() ? member.name : prefix + "." + member.name;
    if (member.value.kind == toml::Node::Kind::kTable) {
      read_open_table(table, name, member.value, draft);
    } else {
      read_open_entry(table, name, member.value, draft->in_file(member.value.at), draft);
    }
  }
}

bool read_as_open_table(const Section& section, const toml::Member& member, Draft* draft) {
  for (const OpenTable& table : open_tables()) {
    if (table.section != section.name || table.name != member.name) continue;
    if (member.value.kind == toml::Node::Kind::kTable) {
      read_open_table(table, "", member.value, draft);
    } else {
      draft->problem(draft->in_file(member.value.at), full_key(section.name, member.name) + ": must be a table, not " +
                                                          std::string(toml::kind_name(member.value.kind)));
    }
    return true;
  }
  return false;
}

void read_member(const Section& section, const toml::Member& member, Draft* draft) {
  for (const Key<Config>& key : section.keys) {
    if (key.name == member.name) {
      draft->assign(key, full_key(section.name, key.name), member.value, draft->in_file(member.value.at),
                    &draft->config);
      return;
    }
    if (key.secret && std::string(key.name) + std::string(kFileSuffix) == member.name) {
      read_secret_file_key(key, section, member, draft);
      return;
    }
  }
  if (!read_as_open_table(section, member, draft)) unknown_key(section, member, draft);
}

void read_section(const Section& section, const toml::Member& member, Draft* draft) {
  if (member.value.kind == toml::Node::Kind::kTable) {
    for (const toml::Member& inner : member.value.members) read_member(section, inner, draft);
    return;
  }
  const std::string name(section.name);
  draft->problem(draft->in_file(member.at), "'" + name + "' is " + std::string(toml::kind_name(member.value.kind)) +
                                                "; write it as one table, [" + name + "]");
}

/// An empty list is one too: it says that there are no records.
bool is_list_of_tables(const toml::Node& node) {
  return node.kind == toml::Node::Kind::kArray &&
         std::all_of(node.items.begin(), node.items.end(),
                     [](const toml::Node& n) { return n.kind == toml::Node::Kind::kTable; });
}

template <class Read>
void read_records(std::string_view name, const toml::Member& member, Draft* draft, Read read) {
  if (is_list_of_tables(member.value)) {
    read(member.value, draft);
    return;
  }
  const std::string text(name);
  draft->problem(draft->in_file(member.at), "'" + text + "' is " + std::string(toml::kind_name(member.value.kind)) +
                                                "; write each one as [[" + text + "]]");
}

void unknown_top_level(const toml::Member& member, Draft* draft) {
  const bool table = member.value.kind == toml::Node::Kind::kTable || is_list_of_tables(member.value);
  const std::string name = printable(member.name);
  const std::string section = section_with(member.name, "");
  std::string hint = did_you_mean(member.name, top_level_names());
  if (!table && !section.empty()) hint = "; it belongs in [" + section + "]";
  if (hint.empty()) hint = "; the tables are " + joined(top_level_names());
  draft->problem(draft->in_file(member.at),
                 (table ? "unknown table '" + name + "'" : "unknown key '" + name + "' outside any table") + hint);
}

void read_top_level(const toml::Member& member, Draft* draft) {
  for (const Section& section : sections()) {
    if (section.name == member.name) return read_section(section, member, draft);
  }
  if (member.name == file_table().name) return read_records(file_table().name, member, draft, read_files);
  if (member.name == view_table().name) return read_records(view_table().name, member, draft, read_views);
  if (member.name == attribute_table().name) {
    return read_records(attribute_table().name, member, draft, read_attributes);
  }
  if (member.name == rule_table().name) return read_records(rule_table().name, member, draft, read_rules);
  unknown_top_level(member, draft);
}

}  // namespace

std::string Where::to_string() const {
  if (origin == Origin::kDefault) return {};
  if (origin == Origin::kEnvironment) return "environment variable " + source;
  return source + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::vector<Problem> Draft::sorted_problems() const {
  // Stable, so that several problems at one place stay in the order in which they were found.
  auto ordered = problems_;
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.origin, a.first.at.line, a.first.at.column) <
           std::tie(b.first.origin, b.first.at.line, b.first.at.column);
  });
  std::vector<Problem> problems;
  for (const auto& [where, message] : ordered) problems.push_back({where.to_string(), message});
  return problems;
}

const Where* Draft::where(const std::string& key) const {
  const auto found = mentioned_.find(key);
  return found == mentioned_.end() ? nullptr : &found->second;
}

std::string full_key(std::string_view section, std::string_view key) {
  return std::string(section) + "." + std::string(key);
}

void read_document(const toml::Node& root, Draft* draft) {
  for (const toml::Member& member : root.members) read_top_level(member, draft);
}

std::string ConfigReport::problems_text() const {
  std::string text;
  for (const Problem& problem : problems) text += problem.to_string() + "\n";
  return text;
}

std::string ConfigReport::warnings_text() const {
  std::string text;
  for (const Problem& warning : warnings) text += "warning: " + warning.to_string() + "\n";
  return text;
}

ConfigReport check_config(std::string_view text, std::string_view filename, const Environment& environment,
                          const Vocabulary& vocabulary) {
  Draft draft(filename);
  const toml::Document document = toml::parse_document(text);
  for (const toml::SyntaxError& error : document.errors) draft.problem(draft.in_file(error.at), error.message);
  draft.incomplete = !document.errors.empty();
  // In the order of precedence, the weakest first; then what needs all values at hand.
  read_document(document.root, &draft);
  apply_environment(environment, &draft);
  resolve_secret_files(&draft);
  check_rules(vocabulary, &draft);
  return {draft.config, draft.sorted_problems(), effective_settings(draft), draft.warnings()};
}

}  // namespace cairn::config
