#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/config.h"
#include "engine/config/keys.h"
#include "engine/config/nearest.h"
#include "engine/config/reader.h"
#include "engine/config/redact.h"
#include "engine/config/toml/document.h"

namespace cairn::config {

/// Where a key was set.
struct Where {
  Origin origin = Origin::kDefault;
  std::string source;     ///< file name, or variable
  toml::TextPosition at;  ///< in a file
  [[nodiscard]] std::string to_string() const;
};

/// A configuration while it is being put together: the values so far, where each was set, what was found wrong. Keys
/// are named in full ("state.dir", "file[0].path", "kafka.properties.linger.ms").
class Draft {
 public:
  explicit Draft(std::string_view filename) : filename_(filename) {}

  Config config;

  [[nodiscard]] Where in_file(toml::TextPosition at) const { return {Origin::kFile, filename_, at}; }
  [[nodiscard]] static Where in_variable(std::string name) { return {Origin::kEnvironment, std::move(name), {}}; }

  void problem(const Where& where, std::string message) {
    problems_.emplace_back(where, one_line(without_passwords(std::move(message))));
  }
  /// The problems, by place: the file from top to bottom, then the environment.
  [[nodiscard]] std::vector<Problem> sorted_problems() const;

  /// Something that is allowed and probably not meant.
  void warning(const Where& where, std::string message) {
    warnings_.push_back({where.to_string(), one_line(without_passwords(std::move(message)))});
  }
  [[nodiscard]] const std::vector<Problem>& warnings() const noexcept { return warnings_; }

  /// Notes that a key was given, well or badly: a bad value is one problem, not also a missing one.
  void mention(const std::string& key, const Where& where) { mentioned_[key] = where; }
  void forget(const std::string& key) { mentioned_.erase(key); }
  /// Null: the key was not given.
  [[nodiscard]] const Where* where(const std::string& key) const;

  /// Reads a key's value into `target`, or notes the problem.
  template <class Target>
  void assign(const Key<Target>& key, const std::string& full, const toml::Node& node, const Where& where,
              Target* target) {
    mention(full, where);
    const Result<Value> value = read_value(key, node);
    if (value.ok()) {
      key.set(*target, *value);
    } else {
      problem(where, full + ": " + value.status().message());
    }
  }

  /// Secrets to be read from files: full key (without the suffix) to path and where the path was given.
  struct SecretFile {
    std::string path;
    Where where;
  };
  std::map<std::string, SecretFile> secret_files;

  /// Lines were left out for their syntax: what seems missing may stand there.
  bool incomplete = false;

 private:
  std::string filename_;
  std::map<std::string, Where> mentioned_;
  std::vector<std::pair<Where, std::string>> problems_;
  std::vector<Problem> warnings_;
};

/// "state" and "dir" to "state.dir".
[[nodiscard]] std::string full_key(std::string_view section, std::string_view key);

/// Reads every table of a file.
void read_document(const toml::Node& root, Draft* draft);
/// The record tables of a file; `node` is the value of [[file]], [[feature_view]], ...
void read_files(const toml::Node& node, Draft* draft);
void read_views(const toml::Node& node, Draft* draft);
void read_attributes(const toml::Node& node, Draft* draft);
void read_rules(const toml::Node& node, Draft* draft);
/// One entry of [kafka.properties] or [ranking.weights].
void read_open_entry(const OpenTable& table, const std::string& name, const toml::Node& node, const Where& where,
                     Draft* draft);
/// Overrides from variables named CAIRN_<SECTION>__<KEY>.
void apply_environment(const Environment& environment, Draft* draft);
/// Replaces `_file` keys by what the files hold.
void resolve_secret_files(Draft* draft);
/// What single keys cannot show: contradictions, names that refer to nothing.
void check_rules(const Vocabulary& vocabulary, Draft* draft);
/// Every key with value and origin.
[[nodiscard]] std::vector<Setting> effective_settings(const Draft& draft);

}  // namespace cairn::config
