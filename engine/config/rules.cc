#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <set>

#include "cairn/answer_cache.h"
#include "cairn/interaction.h"
#include "engine/config/draft.h"
#include "engine/config/keys.h"
#include "engine/config/nearest.h"
#include "engine/config/quantity.h"

namespace cairn::config {
namespace {

constexpr std::size_t kRoundTo = 1024 * 1024;  // a figure to be typed

/// Where a problem between keys is reported: at the first of them that was given.
const Where* first_given(const Draft& draft, std::initializer_list<std::string> keys) {
  for (const std::string& key : keys) {
    if (const Where* where = draft.where(key)) return where;
  }
  return nullptr;
}

/// A request without a radius would be refused for the server's own default.
void check_radius(Draft* draft) {
  const RankingOptions& ranking = draft->config.engine.ranking;
  if (ranking.radius_meters_default <= ranking.radius_meters_max) return;
  const Where* where = first_given(*draft, {"ranking.radius_default", "ranking.radius_max"});
  if (where == nullptr) return;
  draft->problem(*where, "ranking.radius_default (" + format_distance(ranking.radius_meters_default) +
                             ") is larger than ranking.radius_max (" + format_distance(ranking.radius_meters_max) +
                             "); raise radius_max or lower radius_default");
}

/// A cache in which no answer fits looks like one that works.
void check_cache_memory(Draft* draft) {
  const std::size_t memory = draft->config.engine.answers.memory_bytes;
  const Where* where = draft->where("cache.memory");
  if (where == nullptr || memory == 0 || memory >= kAnswerMemoryUseful) return;
  draft->warning(*where, "cache.memory = " + format_size(static_cast<std::int64_t>(memory)) +
                             " keeps few answers in memory or none: one may take " +
                             format_size(static_cast<std::int64_t>(memory / 64)) + "; give " +
                             format_size(kAnswerMemoryUseful) + " or more, or 0B to keep none");
}

/// A time to live that begins above its own bound means that one of the two is a slip.
void check_cache(Draft* draft) {
  const AnswerCacheOptions& answers = draft->config.engine.answers;
  if (answers.ttl_min <= answers.ttl) return;
  const Where* where = first_given(*draft, {"cache.ttl_min", "cache.ttl"});
  if (where == nullptr) return;
  draft->problem(*where, "cache.ttl_min (" + format_duration_ms(answers.ttl_min.count()) +
                             ") is larger than cache.ttl (" + format_duration_ms(answers.ttl.count()) +
                             "); raise ttl or lower ttl_min");
}

/// A file that is in the way of the state directory is there before the start as well.
void check_state_dir(const Vocabulary& vocabulary, Draft* draft) {
  const std::string& directory = draft->config.engine.state_dir;
  const Where* where = draft->where("state.dir");
  if (where == nullptr || directory.empty() || !vocabulary.check_state_dir) return;
  const Status checked = vocabulary.check_state_dir(directory);
  if (!checked.ok()) draft->problem(*where, checked.message());
}

/// Sharing needs somebody to share with.
void check_shared_cache(Draft* draft) {
  const EngineOptions& engine = draft->config.engine;
  const Where* where = draft->where("cache.shared");
  if (where == nullptr || !engine.answers.shared || draft->incomplete) return;
  if (engine.sql.dsn.empty()) draft->problem(*where, "cache.shared = true needs PostgreSQL; name it in sql.dsn");
  if (engine.answers.memory_bytes == 0) draft->problem(*where, "cache.shared = true needs cache.memory");
}

/// Half a source is a source that somebody forgot to finish.
void check_kafka(Draft* draft) {
  const KafkaSourceOptions& kafka = draft->config.engine.kafka;
  const Where* brokers = draft->where("kafka.brokers");
  const Where* topic = draft->where("kafka.topic");
  if (draft->incomplete) return;
  if (brokers != nullptr && topic == nullptr && !kafka.brokers.empty()) {
    draft->problem(*brokers, "kafka.brokers is given without kafka.topic; name the topic to read");
  }
  if (topic != nullptr && brokers == nullptr && !kafka.topic.empty()) {
    draft->problem(*topic, "kafka.topic is given without kafka.brokers; name the brokers to read from");
  }
}

/// The API asks nobody for a password, so being reachable from elsewhere takes a second, deliberate key.
void check_listen(Draft* draft) {
  const HttpOptions& http = draft->config.http;
  const ListenAddress listen{http.address, http.port};
  const Where* where = draft->where("http.listen");
  if (where == nullptr || listen.loopback() || http.allow_remote) return;
  draft->problem(*where, "http.listen: " + format_listen(listen) +
                             " can be reached from other machines, and the API asks nobody for a password; listen on "
                             "127.0.0.1 behind a proxy that does, or set http.allow_remote = true");
}

/// A server would not start with less memory than one request of each limit needs.
void check_memory(Draft* draft) {
  const HttpOptions& http = draft->config.http;
  if (http.memory_bytes_max >= http.memory_bytes_min()) return;
  const Where* where =
      first_given(*draft, {"http.memory_max", "http.connections_max", "http.body_max", "http.header_max"});
  if (where == nullptr) return;
  const auto needed = static_cast<std::int64_t>((http.memory_bytes_min() + kRoundTo - 1) / kRoundTo * kRoundTo);
  draft->problem(*where, "http.memory_max must be at least " + format_size(needed) +
                             " for these http.connections_max, body_max and header_max; raise it or lower them");
}

/// A checkpoint inside the state directory would be copied by the next one, and be gone with what it is to replace.
void check_checkpoints(Draft* draft) {
  const Where* where = draft->where("state.checkpoints");
  const std::string& folder = draft->config.http.checkpoints_dir;
  if (where == nullptr || folder.empty()) return;
  const auto relative = std::filesystem::path(folder).lexically_normal().lexically_relative(
      std::filesystem::path(draft->config.engine.state_dir).lexically_normal());
  if (relative.empty() || *relative.begin() == "..") return;
  draft->problem(*where, "state.checkpoints: " + ("\"" + printable(folder) + "\"") +
                             " lies inside state.dir; name a folder beside it");
}

/// Offsets are stored under a source's name: two sources of one name would resume at each other's.
void check_source_names(Draft* draft) {
  const EngineOptions& engine = draft->config.engine;
  std::map<std::string, std::string> owners;
  if (!engine.kafka.brokers.empty()) owners[engine.kafka.name] = "kafka.name";
  for (std::size_t i = 0; i < engine.files.size(); ++i) {
    const std::string key = "file[" + std::to_string(i) + "].name";
    const Where* where = draft->where(key);
    if (where == nullptr || engine.files[i].name.empty()) continue;
    const auto [owner, fresh] = owners.emplace(engine.files[i].name, key);
    if (!fresh) {
      draft->problem(*where, key + ": \"" + printable(engine.files[i].name) + "\" is the name of " + owner->second +
                                 " already; a source's name must be its own");
    }
  }
}

void check_weights(const Vocabulary& vocabulary, Draft* draft) {
  if (vocabulary.ranking_features.empty()) return;  // nothing to check against
  const std::set<std::string> known(vocabulary.ranking_features.begin(), vocabulary.ranking_features.end());
  for (const auto& [name, weight] : draft->config.engine.ranking.weights) {
    const Where* where = draft->where(full_key("ranking.weights", name));
    if (known.contains(name) || where == nullptr) continue;
    const auto& own = draft->config.engine.ranking.features;
    const auto named = std::find_if(own.begin(), own.end(), [&](const auto& one) { return one.name == name; });
    if (named != own.end()) {
      draft->problem(*where, "'" + printable(name) + "' is a feature of your own, which is weighed where it is " +
                                 "declared; give its [[ranking_feature]] table (ranking_feature[" +
                                 std::to_string(named - own.begin()) + "]) weight = " + format_number(weight) +
                                 ", and leave it out here");
      continue;
    }
    draft->problem(*where, "unknown ranking feature '" + printable(name) + "'" +
                               did_you_mean(name, vocabulary.ranking_features) + "; there are " +
                               joined(vocabulary.ranking_features));
  }
}

/// Each by itself, so that everything that is wrong is said.
void check_counts_as(Draft* draft) {
  const DecodeOptions decode = draft->config.engine.decode;
  if (!InteractionTypes::with_declared(decode.declared_types).ok()) return;  // reported at types.declared
  for (const auto& [name, counts] : decode.counts_as) {
    const Where* where = draft->where(full_key("types.counts_as", name));
    const auto types = InteractionTypes::with_declared(decode.declared_types, {{name, counts}});
    if (types.ok() || where == nullptr) continue;
    const bool declared = InteractionTypes::with_declared(decode.declared_types)->find(name).has_value();
    std::string hint;
    if (!declared) hint = did_you_mean(name, decode.declared_types);
    if (!declared && hint.empty()) hint = "; name it in types.declared";
    const std::vector<std::string> built_in = {"view", "click", "visit", "rate", "save", "dismiss"};
    if (declared && std::find(built_in.begin(), built_in.end(), counts.type) == built_in.end()) {
      hint = did_you_mean(counts.type, built_in);
    }
    draft->problem(*where, "types.counts_as: " + types.status().message() + hint);
  }
}

/// As a start would.
void check_ranking_features(const Vocabulary& vocabulary, Draft* draft) {
  const EngineOptions& engine = draft->config.engine;
  std::map<std::string, std::string> owners;
  std::vector<std::string> views = vocabulary.builtin_views;
  for (const FeatureViewSpec& view : engine.feature_views) views.push_back(view.name);
  const std::vector<RankingFeatureSpec> all = engine.ranking.features;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string path = "ranking_feature[" + std::to_string(i) + "]";
    const Where* where = draft->where(path + ".name");
    if (where == nullptr || all[i].name.empty()) continue;
    const auto [owner, fresh] = owners.emplace(all[i].name, path);
    if (!fresh) {
      draft->problem(*where, path + ".name: \"" + printable(all[i].name) + "\" is the name of " + owner->second +
                                 " already; choose another");
    }
    if (!vocabulary.check_ranking_feature || draft->incomplete || all[i].view.empty()) continue;
    const Status checked = vocabulary.check_ranking_feature(all[i], engine);
    if (checked.ok()) continue;
    const std::string key = checked.message().substr(0, checked.message().find(':'));
    const Where* at = draft->where(full_key(path, key));
    const bool unknown = std::find(views.begin(), views.end(), all[i].view) == views.end();
    draft->problem(at == nullptr ? *where : *at,
                   path + "." + whole_complaint(checked.message()) + (unknown ? did_you_mean(all[i].view, views) : ""));
  }
}

/// One template at a time, so that what is wrong is told where it stands.
void check_reasons(const Vocabulary& vocabulary, Draft* draft) {
  if (!vocabulary.check_reason_options) return;
  const RankingOptions ranking = draft->config.engine.ranking;
  const auto check = [&](ReasonOptions part, const std::string& key) {
    RankingOptions one;
    one.features = ranking.features;
    one.reasons = std::move(part);
    const Status checked = vocabulary.check_reason_options(one);
    const Where* where = draft->where(key);
    if (!checked.ok() && where != nullptr) draft->problem(*where, "reasons." + whole_complaint(checked.message()));
    return checked.ok();
  };
  bool all_right = check({.time_zone = ranking.reasons.time_zone}, "reasons.time_zone");
  for (const auto& [language, templates] : ranking.reasons.templates) {
    for (const auto& [said, text] : templates) {
      all_right &=
          check({.templates = {{language, {{said, text}}}}}, full_key("reasons.templates", full_key(language, said)));
    }
  }
  if (!all_right) return;
  check({.language = ranking.reasons.language, .templates = ranking.reasons.templates}, "reasons.language");
}

/// Decay without a half life has no meaning, and a half life without decay would be ignored in silence.
void check_half_life(const FeatureViewSpec& view, const std::string& path, Draft* draft) {
  const Where* half_life = draft->where(full_key(path, "half_life"));
  const Where* aggregate = draft->where(full_key(path, "aggregate"));
  const bool decayed = view.aggregate == Aggregate::kDecayedSum;
  if (draft->incomplete) return;
  if (half_life != nullptr && !decayed) {
    draft->problem(*half_life, path +
                                   ".half_life is given, but the aggregate is not \"decayed_sum\"; leave it out or "
                                   "set aggregate = \"decayed_sum\"");
  }
  if (half_life == nullptr && aggregate != nullptr && decayed) {
    draft->problem(*aggregate, path +
                                   ".aggregate is \"decayed_sum\" without half_life; add one such as half_life = "
                                   "\"30d\"");
  }
}

void check_cell(const FeatureViewSpec& view, const std::string& path, Draft* draft) {
  const Where* where = draft->where(full_key(path, "cell_precision"));
  const bool cell = view.entity == EntityKind::kCell || view.dimension == Dimension::kCell;
  if (where == nullptr || cell || draft->incomplete) return;
  draft->problem(*where, path + ".cell_precision is given, but neither entity nor dimension is \"cell\"; leave it out");
}

/// A misspelt type would make a view that no event ever changes.
void check_event_types(const FeatureViewSpec& view, const std::string& path, Draft* draft) {
  const auto types = InteractionTypes::with_declared(draft->config.engine.decode.declared_types);
  if (!types.ok() || draft->incomplete) return;  // reported at types.declared
  std::vector<std::string> known;
  for (std::size_t i = 0; i < types->size(); ++i) known.push_back(types->name({static_cast<std::uint8_t>(i)}));
  for (const EventWeight& event : view.events) {
    const Where* where = draft->where(full_key(path, "events." + event.type));
    if (types->find(event.type) || where == nullptr) continue;
    std::string hint = did_you_mean(event.type, known);
    if (hint.empty()) hint = "; declare it in [types] or use one of " + joined(known);
    draft->problem(*where, path + ".events: unknown interaction type '" + printable(event.type) + "'" + hint);
  }
}

void check_sequence(const FeatureViewSpec& view, const std::string& path, Draft* draft) {
  const Where* where = draft->where(path + ".aggregate");
  if (where == nullptr || view.aggregate != Aggregate::kSequence || view.dimension != Dimension::kNone) return;
  draft->problem(*where, path + ".aggregate: a sequence needs a dimension to record; set dimension = \"place\"");
}

void check_views(const Vocabulary& vocabulary, Draft* draft) {
  std::map<std::string, std::string> owners;
  // Rows are stored under the view's name, so no two views may share one.
  for (const std::string& name : vocabulary.builtin_views) owners[name] = "a built-in view";
  const std::vector<FeatureViewSpec> views = draft->config.engine.feature_views;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const std::string path = "feature_view[" + std::to_string(i) + "]";
    const Where* where = draft->where(path + ".name");
    if (where != nullptr && !views[i].name.empty()) {
      const auto [owner, fresh] = owners.emplace(views[i].name, path);
      if (!fresh) {
        draft->problem(*where, path + ".name: \"" + printable(views[i].name) + "\" is the name of " + owner->second +
                                   " already; choose another");
      }
    }
    check_half_life(views[i], path, draft);
    check_cell(views[i], path, draft);
    check_sequence(views[i], path, draft);
    check_event_types(views[i], path, draft);
  }
}

/// A broken ranker would be found by the start; the check finds it before.
void check_ranker(const Vocabulary& vocabulary, Draft* draft) {
  const std::string& directory = draft->config.engine.ranking.ranker_dir;
  const Where* where = draft->where("ranking.ranker");
  if (where == nullptr || directory.empty() || !vocabulary.check_ranker) return;
  const Status checked = vocabulary.check_ranker(directory);
  if (!checked.ok()) draft->problem(*where, "ranking.ranker: " + checked.message());
}

/// A start refuses a model whose head is wrong. What only reading all of it shows, it goes on without.
void check_model(const Vocabulary& vocabulary, Draft* draft) {
  const std::string& directory = draft->config.engine.model.dir;
  const Where* where = draft->where("model.dir");
  if (where == nullptr || directory.empty() || !vocabulary.check_model) return;
  const Status checked = vocabulary.check_model(directory);
  if (!checked.ok()) draft->problem(*where, "model.dir: " + checked.message());
}

/// One part of a mapping at a time, so that everything that is wrong is said; then all of it together.
void check_mapping(const Vocabulary& vocabulary, Draft* draft) {
  const DecodeOptions& decode = draft->config.engine.decode;
  if (decode.mapping.empty() || !vocabulary.check_mapping_options) return;
  if (!InteractionTypes::with_declared(decode.declared_types).ok()) return;  // reported at types.declared
  std::size_t problems = 0;
  const auto check = [&](MappingOptions part, const std::string& key) {
    const Where* where = draft->where(key);
    DecodeOptions one = decode;
    one.mapping = std::move(part);
    const Status checked = vocabulary.check_mapping_options(one);
    if (checked.ok() || where == nullptr) return;
    draft->problem(*where, whole_complaint(checked.message()));
    ++problems;
  };
  for (const auto& [theirs, ours] : decode.mapping.fields) {
    check({.fields = {{theirs, ours}}}, full_key("mapping.fields", theirs));
  }
  for (const auto& [theirs, ours] : decode.mapping.types) {
    check({.types = {{theirs, ours}}}, full_key("mapping.types", theirs));
  }
  check({.type = decode.mapping.type}, "mapping.type");
  const std::string zone = decode.mapping.time_zone.empty() ? "" : "UTC";  // what it is, is said below
  check({.time_format = decode.mapping.time_format, .time_zone = zone}, "mapping.time_format");
  check({.time_zone = decode.mapping.time_zone}, "mapping.time_zone");
  if (problems > 0 || decode.mapping.fields.empty()) return;
  check({.fields = decode.mapping.fields}, full_key("mapping.fields", decode.mapping.fields.begin()->first));
}

/// libpq is asked what it makes of the connection string.
void check_postgres(const Vocabulary& vocabulary, Draft* draft) {
  const SqlOptions& sql = draft->config.engine.sql;
  const Where* where = first_given(*draft, {"sql.dsn", "sql.dsn_file", "sql.schema"});
  if (where == nullptr || sql.dsn.empty() || !vocabulary.check_postgres_options) return;
  const Status checked = vocabulary.check_postgres_options(sql);
  if (!checked.ok()) draft->problem(*where, checked.message());
}

/// librdkafka is asked whether it knows the properties and takes their values.
void check_kafka_properties(const Vocabulary& vocabulary, Draft* draft) {
  if (!vocabulary.check_kafka_property) return;
  const auto properties = draft->config.engine.kafka.properties;
  for (const auto& [name, value] : properties) {
    const Where* where = first_given(
        *draft, {full_key("kafka.properties", name), full_key("kafka.properties", name + std::string(kFileSuffix))});
    const Status checked = vocabulary.check_kafka_property(name, value);
    if (where != nullptr && !checked.ok()) draft->problem(*where, checked.message());
  }
}

/// What one attribute or rule cannot show: names that come twice, a time zone that is none.
void check_places(const Vocabulary& vocabulary, Draft* draft) {
  const EngineOptions& engine = draft->config.engine;
  if (!vocabulary.check_place_options || draft->incomplete) return;
  const auto check = [&](const PlaceOptions& places, const std::vector<PlaceRule>& rules) {
    const Status checked = vocabulary.check_place_options(places, rules);
    if (checked.ok()) return;
    const std::string key = checked.message().substr(0, checked.message().find(": "));
    const std::string record = key.substr(0, key.find('.'));
    const Where* where = first_given(*draft, {key, record});
    // A value that was read as none is told of already, and stands here as its default.
    if (where != nullptr) draft->problem(*where, whole_complaint(checked.message()));
  };
  check({.attributes = engine.places.attributes}, {});
  check({.time_zone = engine.places.time_zone}, {});
  check({}, engine.rules);
}

}  // namespace

std::string checkpoints_folder(const Config& config) {
  if (!config.http.checkpoints_dir.empty()) return config.http.checkpoints_dir;
  std::string beside = config.engine.state_dir;
  while (beside.size() > 1 && beside.ends_with('/')) beside.pop_back();
  return beside + "-checkpoints";
}

std::string models_folder(const Config& config) {
  if (!config.http.models_dir.empty()) return config.http.models_dir;
  const EngineOptions& engine = config.engine;
  const std::string& named = engine.model.dir.empty() ? engine.ranking.ranker_dir : engine.model.dir;
  std::filesystem::path dir = std::filesystem::path(named).lexically_normal();
  if (dir.empty()) return {};
  if (!dir.has_filename()) dir = dir.parent_path();  // "models/a/" is "models/a"
  return dir.has_parent_path() ? dir.parent_path().string() : ".";
}

void check_rules(const Vocabulary& vocabulary, Draft* draft) {
  check_radius(draft);
  check_shared_cache(draft);
  check_cache_memory(draft);
  check_cache(draft);
  check_kafka(draft);
  check_kafka_properties(vocabulary, draft);
  check_postgres(vocabulary, draft);
  check_mapping(vocabulary, draft);
  check_listen(draft);
  check_memory(draft);
  check_state_dir(vocabulary, draft);
  check_checkpoints(draft);
  check_source_names(draft);
  check_ranker(vocabulary, draft);
  check_model(vocabulary, draft);
  check_weights(vocabulary, draft);
  check_views(vocabulary, draft);
  check_counts_as(draft);
  check_ranking_features(vocabulary, draft);
  check_reasons(vocabulary, draft);
  check_places(vocabulary, draft);
}

}  // namespace cairn::config
