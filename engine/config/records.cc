#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "cairn/kafka_properties.h"
#include "engine/config/draft.h"
#include "engine/config/nearest.h"
#include "engine/config/quantity.h"
#include "features/expression.h"

namespace cairn::config {
namespace {

template <class Record>
std::vector<std::string> names_of(const RecordTable<Record>& table, std::string_view extra) {
  std::vector<std::string> names;
  for (const Key<Record>& key : table.keys) names.emplace_back(key.name);
  if (!extra.empty()) names.emplace_back(extra);
  return names;
}

template <class Record>
void require_keys(const RecordTable<Record>& table, const std::string& path, const toml::Node& node, Draft* draft) {
  if (draft->incomplete) return;  // the key may stand in a line that was left out for its syntax
  for (const Key<Record>& key : table.keys) {
    if (!key.required || draft->where(full_key(path, key.name)) != nullptr) continue;
    draft->problem(draft->in_file(node.at), "this [[" + std::string(table.name) + "]] has no '" +
                                                std::string(key.name) + "'; add one such as " + std::string(key.name) +
                                                " = " + std::string(key.example));
  }
}

/// Reads the keys of one record. `read_extra` takes what no key of the table describes, named `extra`.
template <class Record, class ReadExtra>
void read_record(const RecordTable<Record>& table, std::string_view extra, const std::string& path,
                 const toml::Node& node, Record* record, Draft* draft, ReadExtra read_extra) {
  for (const toml::Member& member : node.members) {
    const auto key = std::find_if(table.keys.begin(), table.keys.end(),
                                  [&](const Key<Record>& candidate) { return candidate.name == member.name; });
    if (key != table.keys.end()) {
      draft->assign(*key, full_key(path, key->name), member.value, draft->in_file(member.value.at), record);
    } else if (!extra.empty() && member.name == extra) {
      read_extra(member);
    } else {
      const std::vector<std::string> names = names_of(table, extra);
      std::string hint = did_you_mean(member.name, names);
      if (hint.empty()) hint = "; its keys are " + joined(names);
      draft->problem(draft->in_file(member.at),
                     "unknown key '" + printable(member.name) + "' in [[" + std::string(table.name) + "]]" + hint);
    }
  }
  require_keys(table, path, node, draft);
}

/// A weight's expression; numbers are taken as they stand.
std::string expression_text(const toml::Node& node) {
  if (node.kind == toml::Node::Kind::kInteger) return std::to_string(node.integer);
  if (node.kind == toml::Node::Kind::kNumber && std::isfinite(node.number)) return format_number(node.number);
  return node.kind == toml::Node::Kind::kString ? node.text : "";
}

void add_event(const std::string& path, const std::string& type, const std::string& expression, toml::TextPosition at,
               FeatureViewSpec* view, Draft* draft) {
  const std::string full = full_key(path, type);
  const Where where = draft->in_file(at);
  if (draft->where(full) != nullptr) draft->problem(where, path + ": type '" + printable(type) + "' stands twice");
  draft->mention(full, where);
  view->events.push_back({type, expression});
}

void read_weighted_event(const std::string& path, const toml::Member& member, FeatureViewSpec* view, Draft* draft) {
  const std::string expression = expression_text(member.value);
  // By the parser that will run it, so that the check cannot accept what a start would refuse.
  const auto parsed = features::Expression::parse(expression);
  if (!parsed.ok()) {
    draft->problem(draft->in_file(member.value.at),
                   full_key(path, printable(member.name)) + ": \"" + printable(expression) +
                       "\" is no weight: " + parsed.status().message() + "; write it like \"1\" or \"value - 2.5\"");
  }
  add_event(path, member.name, expression, member.at, view, draft);
}

void read_events(const std::string& path, const toml::Member& member, FeatureViewSpec* view, Draft* draft) {
  const toml::Node& node = member.value;
  for (const toml::Member& event : node.members) read_weighted_event(path, event, view, draft);
  for (const toml::Node& item : node.items) {
    if (item.kind == toml::Node::Kind::kString) {
      add_event(path, item.text, "1", item.at, view, draft);
    } else {
      draft->problem(draft->in_file(item.at),
                     path + ": must list types, and holds " + std::string(toml::kind_name(item.kind)));
    }
  }
  const bool right_kind = node.kind == toml::Node::Kind::kTable || node.kind == toml::Node::Kind::kArray;
  if (right_kind && !(node.members.empty() && node.items.empty())) return;
  draft->problem(draft->in_file(node.at),
                 path + ": must be a table such as { visit = \"1\", rate = \"value - 2.5\" } or a list of types" +
                     (right_kind ? ", and is empty; leave it out to count every type" : ""));
}

/// librdkafka takes all values as text, so numbers and booleans are taken without quotes as well.
void read_property(const std::string& name, const toml::Node& node, const Where& where, Draft* draft) {
  const std::string full = full_key("kafka.properties", printable(name));
  if (const std::string_view why = refused_kafka_property(name); !why.empty()) {
    draft->problem(where, full + ": may not be set: " + std::string(why));
    return;
  }
  std::string text = node.kind == toml::Node::Kind::kBool ? (node.boolean ? "true" : "false") : expression_text(node);
  if (text.empty() && node.kind != toml::Node::Kind::kString) {
    draft->problem(where,
                   full + ": must be a string, a number or a boolean, not " + std::string(toml::kind_name(node.kind)));
    return;
  }
  if (const std::string_view why = refused_kafka_value(name, text); !why.empty()) {
    draft->problem(where, full + ": may not be set: " + std::string(why));
    return;
  }
  const std::size_t suffix = name.size() - std::min(name.size(), kFileSuffix.size());
  if (name.ends_with(kFileSuffix) && secret_property(name.substr(0, suffix))) {
    draft->secret_files[full_key("kafka.properties", name.substr(0, suffix))] = {std::move(text), where};
    return;
  }
  draft->mention(full_key("kafka.properties", name), where);
  draft->config.engine.kafka.properties[name] = std::move(text);
}

/// No ranking feature has the name of this key.
constexpr std::string_view kDefaultsKey = "defaults";

void read_defaults(const toml::Node& node, const Where& where, Draft* draft) {
  const std::string full = full_key("ranking.weights", kDefaultsKey);
  // A variable of the environment is text.
  const bool text = node.kind == toml::Node::Kind::kString && (node.text == "true" || node.text == "false");
  if (node.kind != toml::Node::Kind::kBool && !text) {
    draft->problem(where, full +
                              ": must be true, where the other weights stay the ranker's, or false, where there are "
                              "no others, not " +
                              std::string(toml::kind_name(node.kind)));
    return;
  }
  draft->mention(full, where);
  draft->config.engine.ranking.default_weights = text ? node.text == "true" : node.boolean;
}

void read_weight(const std::string& name, const toml::Node& node, const Where& where, Draft* draft) {
  if (name == kDefaultsKey) return read_defaults(node, where, draft);
  const std::string full = full_key("ranking.weights", name);
  const double weight = node.kind == toml::Node::Kind::kInteger ? static_cast<double>(node.integer) : node.number;
  const bool number = node.kind == toml::Node::Kind::kInteger || node.kind == toml::Node::Kind::kNumber;
  if (!number || !(std::abs(weight) <= kRankingWeightMax)) {
    draft->problem(where, full_key("ranking.weights", printable(name)) +
                              ": must be a number from -1e6 to 1e6 such as 0.5" +
                              (number ? "" : ", not " + std::string(toml::kind_name(node.kind))));
    return;
  }
  draft->mention(full, where);
  draft->config.engine.ranking.weights[name] = weight;
}

/// A value that is no whole number, or not the right one, as a message calls it.
std::string as_given(const toml::Node& node) {
  if (node.kind == toml::Node::Kind::kInteger) return std::to_string(node.integer);
  if (node.kind != toml::Node::Kind::kNumber) return std::string(toml::kind_name(node.kind));
  const std::string number = format_number(node.number);
  const bool as_whole = number.find_first_not_of("-0123456789") == std::string::npos;
  return as_whole ? number + ".0" : number;
}

/// "visit", or { as = "visit", weight = 5 }. Whether these make sense is asked when all types are known.
void read_counts_as(const std::string& name, const toml::Node& node, const Where& where, Draft* draft) {
  const std::string full = full_key("types.counts_as", name);
  const auto wrong = [&](const std::string& what) {
    draft->problem(where, full_key("types.counts_as", printable(name)) + ": " + what +
                              "; write it like \"visit\" or { as = \"visit\", weight = 5 }");
  };
  CountsAs counts;
  if (node.kind == toml::Node::Kind::kString) {
    counts.type = node.text;
  } else if (node.kind != toml::Node::Kind::kTable) {
    return wrong("must be the type that it counts as, not " + std::string(toml::kind_name(node.kind)));
  }
  for (const toml::Member& member : node.members) {
    if (member.name == "as" && member.value.kind == toml::Node::Kind::kString) {
      counts.type = member.value.text;
    } else if (member.name == "as") {
      return wrong("as must be a type, not " + std::string(toml::kind_name(member.value.kind)));
    } else if (member.name == "weight") {
      const std::int64_t weight = member.value.integer;
      if (member.value.kind != toml::Node::Kind::kInteger || weight < 1 || weight > InteractionTypes::kCountsMax) {
        return wrong("weight must be a whole number from 1 to " + std::to_string(InteractionTypes::kCountsMax) +
                     ", not " + as_given(member.value));
      }
      counts.weight = static_cast<std::uint32_t>(weight);
    } else {
      return wrong("has no key '" + printable(member.name) + "'");
    }
  }
  if (counts.type.empty()) return wrong("says not what it counts as");
  draft->mention(full, where);
  draft->config.engine.decode.counts_as[name] = std::move(counts);
}

/// A language, a dot, and what is said.
void read_template(const std::string& name, const toml::Node& node, const Where& where, Draft* draft) {
  const std::string full = full_key("reasons.templates", printable(name));
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) {
    draft->problem(where, full + ": must name a language and what is said, such as de.visited");
    return;
  }
  if (node.kind != toml::Node::Kind::kString) {
    draft->problem(where, full + ": must be a text in quotes, not " + std::string(toml::kind_name(node.kind)));
    return;
  }
  draft->mention(full_key("reasons.templates", name), where);
  draft->config.engine.ranking.reasons.templates[name.substr(0, dot)][name.substr(dot + 1)] = node.text;
}

/// What their name stands for. Whether that is a field or a type is asked of the engine.
void read_mapped(const OpenTable& table, const std::string& name, const toml::Node& node, const Where& where,
                 std::map<std::string, std::string>* into, Draft* draft) {
  const std::string full = full_key(full_key(table.section, table.name), name);
  if (node.kind != toml::Node::Kind::kString || node.text.empty()) {
    draft->problem(
        where, full_key(full_key(table.section, table.name), printable(name)) +
                   ": must be the name that it has here, in quotes, not " +
                   (node.kind == toml::Node::Kind::kString ? "an empty one" : std::string(toml::kind_name(node.kind))));
    return;
  }
  draft->mention(full, where);
  (*into)[name] = node.text;
}

}  // namespace

void read_files(const toml::Node& node, Draft* draft) {
  for (const toml::Node& item : node.items) {
    const std::string path = "file[" + std::to_string(draft->config.engine.files.size()) + "]";
    draft->mention(path, draft->in_file(item.at));
    // A record with problems is kept: those after it keep their numbers in messages.
    FileSourceOptions file;
    read_record(file_table(), "", path, item, &file, draft, [](const toml::Member&) {});
    draft->config.engine.files.push_back(std::move(file));
  }
}

void read_views(const toml::Node& node, Draft* draft) {
  for (const toml::Node& item : node.items) {
    const std::string path = "feature_view[" + std::to_string(draft->config.engine.feature_views.size()) + "]";
    draft->mention(path, draft->in_file(item.at));
    FeatureViewSpec view;
    read_record(view_table(), "events", path, item, &view, draft,
                [&](const toml::Member& member) { read_events(full_key(path, "events"), member, &view, draft); });
    draft->config.engine.feature_views.push_back(std::move(view));
  }
}

void read_ranking_features(const toml::Node& node, Draft* draft) {
  for (const toml::Node& item : node.items) {
    std::vector<RankingFeatureSpec>& features = draft->config.engine.ranking.features;
    const std::string path = "ranking_feature[" + std::to_string(features.size()) + "]";
    draft->mention(path, draft->in_file(item.at));
    RankingFeatureSpec feature;
    read_record(ranking_feature_table(), "", path, item, &feature, draft, [](const toml::Member&) {});
    features.push_back(std::move(feature));
  }
}

void read_attributes(const toml::Node& node, Draft* draft) {
  for (const toml::Node& item : node.items) {
    const std::string path = "attribute[" + std::to_string(draft->config.engine.places.attributes.size()) + "]";
    draft->mention(path, draft->in_file(item.at));
    AttributeSpec spec;
    read_record(attribute_table(), "", path, item, &spec, draft, [](const toml::Member&) {});
    draft->config.engine.places.attributes.push_back(std::move(spec));
  }
}

void read_rules(const toml::Node& node, Draft* draft) {
  for (const toml::Node& item : node.items) {
    const std::string path = "rule[" + std::to_string(draft->config.engine.rules.size()) + "]";
    draft->mention(path, draft->in_file(item.at));
    PlaceRule rule;
    read_record(rule_table(), "", path, item, &rule, draft, [](const toml::Member&) {});
    draft->config.engine.rules.push_back(std::move(rule));
  }
}

void read_open_entry(const OpenTable& table, const std::string& name, const toml::Node& node, const Where& where,
                     Draft* draft) {
  MappingOptions& mapping = draft->config.engine.decode.mapping;
  if (table.name == kPropertiesTable) {
    read_property(name, node, where, draft);
  } else if (table.name == kFieldsTable) {
    read_mapped(table, name, node, where, &mapping.fields, draft);
  } else if (table.name == kTypesTable) {
    read_mapped(table, name, node, where, &mapping.types, draft);
  } else if (table.name == kCountsAsTable) {
    read_counts_as(name, node, where, draft);
  } else if (table.name == kTemplatesTable) {
    read_template(name, node, where, draft);
  } else {
    read_weight(name, node, where, draft);
  }
}

}  // namespace cairn::config
