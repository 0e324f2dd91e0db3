#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "engine/config/draft.h"
#include "engine/config/quantity.h"
#include "engine/config/redact.h"

namespace cairn::config {
namespace {

constexpr std::size_t kCommentWidth = 100;

/// A comment of lines at most kCommentWidth wide.
std::string comment(std::string_view text) {
  std::string out = "#";
  std::size_t width = 1;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (width + 1 + end > kCommentWidth) {
      out += "\n#";
      width = 1;
    }
    out += " " + std::string(text.substr(0, end));
    width += 1 + end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + "\n";
}

template <class Target>
std::string sample_key(const Key<Target>& key, std::string_view line_start, bool prefer_example) {
  const std::string fallback = render_value(key, key.get(Target{}));
  const bool example = prefer_example && !key.example.empty();
  std::string out = comment(std::string(key.doc) + " " + type_and_bounds(key) + ".");
  // A default such as "" teaches nobody how a value looks.
  if (!prefer_example && !key.example.empty())
    out += comment("Example: " + std::string(key.name) + " = " + std::string(key.example));
  if (key.secret) {
    out += comment("Or " + std::string(key.name) + std::string(kFileSuffix) +
                   " = \"PATH\", a file that only this user can read and that holds nothing else.");
  }
  return out + std::string(line_start) + std::string(key.name) + " = " +
         (example ? std::string(key.example) : fallback) + "\n";
}

std::string sample_open_table(const OpenTable& table) {
  std::string out = "\n" + comment(table.doc);
  out += "[" + full_key(table.section, table.name) + "]\n";
  for (const std::string_view line : table.example) out += std::string(line) + "\n";
  return out;
}

std::string sample_section(const Section& section) {
  std::string out = "\n" + comment(section.doc) + "[" + std::string(section.name) + "]\n";
  for (const Key<Config>& key : section.keys) out += sample_key(key, "#", false);
  for (const OpenTable& table : open_tables()) {
    if (table.section == section.name) out += sample_open_table(table);
  }
  return out;
}

template <class Record>
std::string sample_records(const RecordTable<Record>& table) {
  std::string out = "\n" + comment(table.doc) + "#[[" + std::string(table.name) + "]]\n";
  // A blank after the mark: this key is documented here, and is not part of the example.
  for (const Key<Record>& key : table.keys) out += sample_key(key, key.in_example ? "#" : "# ", true);
  for (const std::string_view line : table.example) out += std::string(line) + "\n";
  return out;
}

constexpr std::string_view kSampleHead =
    "# Cairn's configuration (TOML 1.0). Every key there is stands here with its default, commented out: what is not\n"
    "# set has that value, and this file as it stands means the defaults.\n"
    "#\n"
    "# Check a file with:         cairnd --config FILE --check-config\n"
    "# See what is in effect with: cairnd --config FILE --show-config\n"
    "#\n"
    "# Durations are written \"20ms\" \"30s\" \"5m\" \"12h\" \"30d\", sizes \"64KiB\" \"256MiB\" \"1GB\" (KB, MB, GB: "
    "powers of\n"
    "# 1000; KiB, MiB, GiB: of 1024), distances \"800m\" \"50km\".\n"
    "#\n"
    "# An environment variable CAIRN_<SECTION>__<KEY> overrides a key: CAIRN_HTTP__LISTEN, CAIRN_SQL__DSN_FILE,\n"
    "# CAIRN_KAFKA__PROPERTIES__SASL_USERNAME (its underscores stand for dots).\n";

/// Settings as they are collected.
class Collector {
 public:
  explicit Collector(const Draft& draft) : draft_(draft) {}

  void add(std::string key, const std::string& value, std::string shown, bool live) {
    Setting setting{.key = std::move(key), .value = std::move(shown), .place = {}, .live = live};
    // Of the value itself, not of what is shown: a changed secret is a change too.
    setting.identity = std::hash<std::string>{}(value);
    if (const Where* where = draft_.where(setting.key)) {
      setting.origin = where->origin;
      setting.place = where->to_string();
    }
    settings_.push_back(std::move(setting));
  }

  template <class Target>
  void add_key(const Key<Target>& key, std::string full, const Target& target) {
    const Value value = key.get(target);
    const std::string text = render_value(key, value);
    add(std::move(full), text,
        key.secret ? quote_toml(redact_dsn(std::get<std::string>(value))) : without_passwords(text), key.live);
  }

  std::vector<Setting> take() { return std::move(settings_); }

 private:
  const Draft& draft_;
  std::vector<Setting> settings_;
};

void collect_section(const Section& section, const Draft& draft, Collector* out) {
  for (const Key<Config>& key : section.keys) out->add_key(key, full_key(section.name, key.name), draft.config);
  if (section.name == "kafka") {
    for (const auto& [name, value] : draft.config.engine.kafka.properties) {
      const std::string text = quote_toml(value);
      out->add(full_key("kafka.properties", name), text, shown_property(name) ? text : quote_toml(kRedacted), false);
    }
  }
  if (section.name == "mapping") {
    const MappingOptions& mapping = draft.config.engine.decode.mapping;
    for (const auto& [table, names] :
         {std::pair("mapping.fields", &mapping.fields), std::pair("mapping.types", &mapping.types)}) {
      for (const auto& [theirs, ours] : *names) {
        out->add(full_key(table, theirs), quote_toml(ours), quote_toml(ours), false);
      }
    }
  }
  if (section.name == "ranking") {
    for (const auto& [name, weight] : draft.config.engine.ranking.weights) {
      const std::string text = format_number(weight);
      out->add(full_key("ranking.weights", name), text, text, false);
    }
  }
}

void collect_files(const Draft& draft, Collector* out) {
  const std::vector<FileSourceOptions>& files = draft.config.engine.files;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string path = "file[" + std::to_string(i) + "]";
    for (const auto& key : file_table().keys) out->add_key(key, full_key(path, key.name), files[i]);
  }
}

void collect_views(const Draft& draft, Collector* out) {
  const std::vector<FeatureViewSpec>& views = draft.config.engine.feature_views;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const std::string path = "feature_view[" + std::to_string(i) + "]";
    for (const auto& key : view_table().keys) out->add_key(key, full_key(path, key.name), views[i]);
    for (const EventWeight& event : views[i].events) {
      const std::string text = quote_toml(event.expression);
      out->add(full_key(path, "events." + event.type), text, text, false);
    }
  }
}

/// Records whose keys are all there is to them.
template <class Record>
void collect_records(const RecordTable<Record>& table, const std::vector<Record>& records, Collector* out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::string path = std::string(table.name) + "[" + std::to_string(i) + "]";
    for (const auto& key : table.keys) out->add_key(key, full_key(path, key.name), records[i]);
  }
}

std::string_view origin_name(Origin origin) {
  constexpr std::string_view kNames[] = {"default", "file", "environment"};
  return kNames[static_cast<std::size_t>(origin)];
}

std::map<std::string, const Setting*> by_key(const ConfigReport& report) {
  std::map<std::string, const Setting*> settings;
  for (const Setting& setting : report.settings) settings[setting.key] = &setting;
  return settings;
}

}  // namespace

std::vector<Setting> effective_settings(const Draft& draft) {
  Collector collector(draft);
  for (const Section& section : sections()) {
    collect_section(section, draft, &collector);
    if (section.name == "kafka") {
      collect_files(draft, &collector);
      collect_views(draft, &collector);
    }
    if (section.name == "places") {
      collect_records(attribute_table(), draft.config.engine.places.attributes, &collector);
      collect_records(rule_table(), draft.config.engine.rules, &collector);
    }
  }
  return collector.take();
}

std::string sample_config() {
  std::string out(kSampleHead);
  // The records that name sources and views stand beside the sources, where a reader looks for them.
  for (const Section& section : sections()) {
    out += sample_section(section);
    if (section.name == "kafka") out += sample_records(file_table()) + sample_records(view_table());
    if (section.name == "places") out += sample_records(attribute_table()) + sample_records(rule_table());
  }
  return out;
}

std::string show_settings(const ConfigReport& report, ShowOrigin show_origin) {
  std::string out;
  for (const Setting& setting : report.settings) {
    out += setting.key + " = " + setting.value;
    if (show_origin == ShowOrigin::kYes) {
      out += "  # " + (setting.place.empty() ? std::string(origin_name(setting.origin)) : setting.place);
    }
    out += "\n";
  }
  return out;
}

ConfigChanges changes_between(const ConfigReport& running, const ConfigReport& fresh) {
  const auto before = by_key(running);
  const auto after = by_key(fresh);
  // Records and open tables come and go, so a key may stand on one side only; that is a change as well.
  std::map<std::string, const Setting*> all = before;
  all.insert(after.begin(), after.end());
  ConfigChanges changes;
  for (const auto& [key, setting] : all) {
    const auto old_one = before.find(key);
    const auto new_one = after.find(key);
    const bool same =
        old_one != before.end() && new_one != after.end() && old_one->second->identity == new_one->second->identity;
    if (!same) (setting->live ? changes.live : changes.restart).push_back(key);
  }
  return changes;
}

}  // namespace cairn::config
