#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/http_options.h"
#include "cairn/log.h"
#include "cairn/options.h"
#include "cairn/status.h"

namespace cairn::config {

enum class LogFormat : std::uint8_t { kText, kJson };

/// What the daemon needs beside the engine's and the API's options: section [log].
struct ServerConfig {
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};

/// Everything that can be configured. Default-constructed: what an empty file means.
struct Config {
  Config() {
    engine.state_dir = "/var/lib/cairn";
    engine.answers.memory_bytes = 64u << 20;
    engine.answers.disk_bytes = 256u << 20;
  }
  EngineOptions engine;
  HttpOptions http;
  ServerConfig server;
};

/// The folder that the API's checkpoints are made in: state.checkpoints, or what its default means.
[[nodiscard]] std::string checkpoints_folder(const Config& config);

/// The folder whose directories the API may activate as models: model.root, or what its default means; empty: none.
[[nodiscard]] std::string models_folder(const Config& config);

/// Environment variables by name. Only names of the form CAIRN_<SECTION>__<KEY> are looked at.
using Environment = std::map<std::string, std::string, std::less<>>;

/// The environment of this process. Call before other threads may change it.
[[nodiscard]] Environment process_environment();

/// What the configuration refers to and the engine knows. An empty list is not checked against.
struct Vocabulary {
  std::vector<std::string> ranking_features;  ///< what [ranking.weights] may name
  std::vector<std::string> builtin_views;     ///< names that no [[feature_view]] may take
  /// Whether a directory is a ranker that the engine can use; empty: [ranking] ranker is not looked into. What this
  /// accepts, a start accepts.
  std::function<Status(const std::string& directory)> check_ranker;
  /// Whether a directory's head is that of a model; empty: [model] dir is not looked into. As above.
  std::function<Status(const std::string& directory)> check_model = {};
  /// Whether nothing is in the way of a state directory; empty: [state] dir is not looked for. Its messages name the
  /// key.
  std::function<Status(const std::string& directory)> check_state_dir = {};
  /// Whether [sql] and a property of [kafka.properties] are such that a start takes them; empty: not asked. The answers
  /// hold no values, which may be secrets.
  std::function<Status(const SqlOptions& options)> check_postgres_options = {};
  /// Whether a start takes the mapping; empty: not asked. Its messages begin with the key at fault.
  std::function<Status(const DecodeOptions& options)> check_mapping_options = {};
  /// Whether a start takes a [[ranking_feature]], and [reasons]; empty: not asked. As above.
  std::function<Status(const RankingFeatureSpec& feature, const EngineOptions& options)> check_ranking_feature = {};
  std::function<Status(const RankingOptions& options)> check_reason_options = {};
  std::function<Status(const std::string& name, const std::string& value)> check_kafka_property = {};
  /// Whether a start takes attributes, holidays, time zone and rules; empty: not asked. Its messages begin with the key
  /// at fault.
  std::function<Status(const PlaceOptions& places, const std::vector<PlaceRule>& rules)> check_place_options = {};
};

/// Something wrong, and where.
struct Problem {
  std::string place;    ///< "cairn.toml:12:3", or "environment variable CAIRN_HTTP__LISTEN"
  std::string message;  ///< what is wrong and what to write instead; never holds a secret
  [[nodiscard]] std::string to_string() const { return place + ": " + message; }
};

enum class Origin : std::uint8_t { kDefault, kFile, kEnvironment };

/// One key with its effective value.
struct Setting {
  std::string key;    ///< "state.block_cache", "feature_view[0].name", "kafka.properties.linger.ms"
  std::string value;  ///< as TOML; secrets, also those inside a connection string, stand as ***
  Origin origin = Origin::kDefault;
  std::string place;         ///< where it was set; empty for a default
  bool live = false;         ///< takes effect at a reload, without a restart
  std::size_t identity = 0;  ///< differs when the value differs, secrets included; means nothing across processes
};

/// The outcome of checking a configuration: every problem, not the first one.
struct ConfigReport {
  Config config;  ///< to be used only when ok()
  std::vector<Problem> problems;
  std::vector<Setting> settings;  ///< every key there is, in the sample file's order
  std::vector<Problem> warnings;  ///< what is allowed and probably not meant
  [[nodiscard]] bool ok() const noexcept { return problems.empty(); }
  /// One problem a line, each ended by a newline.
  [[nodiscard]] std::string problems_text() const;
  /// Likewise of the warnings.
  [[nodiscard]] std::string warnings_text() const;
};

/// Checks a configuration's text together with the environment's overrides, which win over the text. Reads the files
/// that `*_file` keys name (connection strings, passwords) and nothing else. `filename` is only written into places.
[[nodiscard]] ConfigReport check_config(std::string_view text, std::string_view filename,
                                        const Environment& environment, const Vocabulary& vocabulary);

/// The same for a file of at most 1 MiB. One that cannot be read is a problem like any other.
[[nodiscard]] ConfigReport check_config_file(const std::string& path, const Environment& environment,
                                             const Vocabulary& vocabulary);

/// The configuration of a file and the environment, for a program that embeds the engine.
/// Returns: INVALID_ARGUMENT with every problem, one a line.
[[nodiscard]] Result<Config> load_config(const std::string& path, const Environment& environment,
                                         const Vocabulary& vocabulary);

/// A file that documents every key with its unit, bounds and default, and, as it stands, means the defaults.
[[nodiscard]] std::string sample_config();

enum class ShowOrigin : bool { kNo, kYes };

/// The effective configuration, one "key = value" a line, with where each value comes from when asked.
[[nodiscard]] std::string show_settings(const ConfigReport& report, ShowOrigin show_origin);

/// What a changed configuration means for a running process.
struct ConfigChanges {
  std::vector<std::string> live;     ///< keys that take effect at once
  std::vector<std::string> restart;  ///< keys that need a restart
};
[[nodiscard]] ConfigChanges changes_between(const ConfigReport& running, const ConfigReport& fresh);

}  // namespace cairn::config
