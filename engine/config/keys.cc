#include "engine/config/keys.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

#include "cairn/interaction.h"
#include "engine/config/nearest.h"
#include "engine/config/quantity.h"

namespace cairn::config {
namespace {

constexpr double kMs = 1;
constexpr double kSecond = 1000 * kMs;
constexpr double kMinute = 60 * kSecond;
constexpr double kHour = 60 * kMinute;
constexpr double kDay = 24 * kHour;
constexpr double kKiB = 1024;
constexpr double kMiB = 1024 * kKiB;
constexpr double kGiB = 1024 * kMiB;
constexpr double kTiB = 1024 * kGiB;
constexpr double kEarthRadiusesHalf = 20'040'000;  // meters: half of Earth's circumference, the largest distance

/// Picks a field of the target, const or not.
#define CAIRN_AT(path) \
  [](auto& target) -> auto& { return target.path; }

bool matches(std::string_view text, std::size_t size_max, std::string_view first, std::string_view rest) {
  const auto in = [](std::string_view set, char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (std::islower(byte) != 0 && set.find('a') != std::string_view::npos) ||
           (std::isupper(byte) != 0 && set.find('A') != std::string_view::npos) ||
           (std::isdigit(byte) != 0 && set.find('0') != std::string_view::npos) ||
           (std::isalnum(byte) == 0 && set.find(c) != std::string_view::npos);
  };
  return !text.empty() && text.size() <= size_max && in(first, text.front()) &&
         std::all_of(text.begin() + 1, text.end(), [&](char c) { return in(rest, c); });
}

std::string quoted(std::string_view text) { return "\"" + printable(text) + "\""; }

std::string identifier_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 63, "a_", "a0_")) return {};
  return quoted(name) + " must have 1 to 63 characters, lower-case letters, digits and '_', the first one no digit";
}
std::string view_name_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 63, "a", "a0_")) return {};
  return quoted(name) + " must have 1 to 63 characters, lower-case letters, digits and '_', the first one a letter";
}
std::string source_name_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 64, "aA0", "aA0_.-")) return {};
  return quoted(name) + " must have 1 to 64 letters, digits, '.', '_' or '-', the first one a letter or digit";
}
std::string topic_complaint(const Value& value) {
  const std::string& topic = std::get<std::string>(value);
  if (topic.empty() || (matches(topic, 249, "aA0_.-", "aA0_.-") && topic != "." && topic != "..")) return {};
  return quoted(topic) + " must have at most 249 letters, digits, '.', '_' or '-', as Kafka demands of a topic";
}
std::string path_complaint(const Value& value) {
  return std::get<std::string>(value).empty() ? "must not be empty" : "";
}
std::string types_complaint(const Value& value) {
  const auto types = InteractionTypes::with_declared(std::get<std::vector<std::string>>(value));
  return types.ok() ? "" : types.status().message();
}

std::string brokers_complaint(const Value& value) {
  std::string_view rest = std::get<std::string>(value);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view broker = rest.substr(0, comma);
    const std::size_t colon = broker.rfind(':');
    const std::string_view port = colon == std::string_view::npos ? "" : broker.substr(colon + 1);
    const bool good = colon != 0 && colon != std::string_view::npos && !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!good) return quoted(broker) + " must be \"host:port\"; several are separated by commas";
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return {};
}

std::string listen_complaint(const Value& value) {
  const auto listen = parse_listen(std::get<std::string>(value));
  return listen.ok() ? "" : listen.status().message();
}

/// One key for two fields: the address and the port.
Key<Config> listen_key() {
  Key<Config> key;
  static_cast<KeyInfo&>(key) = {.name = "listen",
                                .type = KeyType::kText,
                                .doc = "Numeric address and port of the HTTP API. Port 0 takes any free one.",
                                .complaint = listen_complaint};
  key.get = [](const Config& config) {
    return Value(format_listen({config.server.http_address, config.server.http_port}));
  };
  key.set = [](Config& config, const Value& value) {
    const ListenAddress listen = parse_listen(std::get<std::string>(value)).value();
    config.server.http_address = listen.address;
    config.server.http_port = listen.port;
  };
  return key;
}

Section state_section() {
  return {
      "state",
      "The state directory: features, offsets, the log of what the API accepted.",
      {
          make_key<Config>(CAIRN_AT(engine.state_dir),
                           {.name = "dir",
                            .type = KeyType::kText,
                            .doc = "Directory; created when absent, used by one process at a time.",
                            .complaint = path_complaint}),
          make_key<Config>(CAIRN_AT(engine.state.block_cache_bytes), {.name = "block_cache",
                                                                      .type = KeyType::kSize,
                                                                      .doc = "Memory for blocks read from disk.",
                                                                      .min = kMiB,
                                                                      .max = 4 * kTiB}),
          make_key<Config>(CAIRN_AT(engine.state.memtable_bytes),
                           {.name = "memtable",
                            .type = KeyType::kSize,
                            .doc = "Writes collected in memory before they become a file; replayed after a crash.",
                            .min = kMiB,
                            .max = 4 * kGiB}),
          make_key<Config>(CAIRN_AT(engine.state.row_cache_bytes), {.name = "row_cache",
                                                                    .type = KeyType::kSize,
                                                                    .doc = "Memory for decoded rows of features.",
                                                                    .min = kMiB,
                                                                    .max = 4 * kTiB}),
          make_key<Config>(CAIRN_AT(engine.state.batch_events_max), {.name = "batch_events_max",
                                                                     .type = KeyType::kInteger,
                                                                     .doc = "Most events in one atomic write.",
                                                                     .min = 1,
                                                                     .max = 1'000'000}),
          make_key<Config>(CAIRN_AT(engine.state.batch_wait_max), {.name = "batch_wait_max",
                                                                   .type = KeyType::kDuration,
                                                                   .doc = "Longest time an event waits for its batch.",
                                                                   .min = 0,
                                                                   .max = 10 * kSecond}),
          make_key<Config>(CAIRN_AT(engine.state.sync),
                           {.name = "sync",
                            .type = KeyType::kBool,
                            .doc = "Put every batch on the disk before going on. false: after a power failure the last "
                                   "seconds are read from the sources again."}),
          make_key<Config>(CAIRN_AT(engine.state.free_bytes_min),
                           {.name = "free_min",
                            .type = KeyType::kSize,
                            .doc = "Ingest pauses while the disk has less free space than this.",
                            .min = 0,
                            .max = 64 * kTiB}),
          make_key<Config>(CAIRN_AT(engine.event_log_segment_bytes),
                           {.name = "event_log_segment",
                            .type = KeyType::kSize,
                            .doc = "Size at which the log of accepted events begins a new file.",
                            .min = kMiB,
                            .max = 4 * kGiB}),
      }};
}

Section decode_section() {
  return {"decode",
          "What is accepted from a stream. Everything else goes to the dead letters with its reason.",
          {
              make_key<Config>(
                  CAIRN_AT(engine.decode.event_bytes_max),
                  {.name = "event_max", .type = KeyType::kSize, .doc = "Longest event.", .min = 256, .max = 16 * kMiB}),
              make_key<Config>(CAIRN_AT(engine.decode.future_max),
                               {.name = "future_max",
                                .type = KeyType::kDuration,
                                .doc = "An event whose time is further ahead of the clock is impossible.",
                                .min = kHour,
                                .max = 365 * kDay,
                                .whole_ms = static_cast<std::int64_t>(kHour)}),
              make_key<Config>(CAIRN_AT(engine.decode.time_min),
                               {.name = "time_min",
                                .type = KeyType::kDate,
                                .doc = "An event from before this day (UTC) is impossible.",
                                .min = 0,
                                .max = 47'482}),  // 2100-01-01
              make_key<Config>(CAIRN_AT(engine.decode.dedup_window),
                               {.name = "dedup_window",
                                .type = KeyType::kDuration,
                                .doc = "A repeat of an event_id within this time of the first changes nothing.",
                                .min = kSecond,
                                .max = 90 * kDay,
                                .whole_ms = static_cast<std::int64_t>(kSecond)}),
          }};
}

Section types_section() {
  return {"types",
          "Interaction types beyond the built-in view, click, visit, rate, save, dismiss.",
          {
              make_key<Config>(CAIRN_AT(engine.decode.declared_types),
                               {.name = "declared",
                                .type = KeyType::kTextList,
                                .doc = "Names of 1 to 32 bytes. Append only: their order is stored in the state.",
                                .example = "[\"book\", \"share\"]",
                                .complaint = types_complaint}),
          }};
}

Section sql_section() {
  return {"sql",
          "PostgreSQL with PostGIS. Without a dsn Cairn runs on its own state alone.",
          {
              make_key<Config>(CAIRN_AT(engine.sql.dsn), {.name = "dsn",
                                                          .type = KeyType::kText,
                                                          .doc = "Connection string of libpq. Empty: no PostgreSQL.",
                                                          .example = "\"host=/run/postgresql dbname=cairn user=cairn\"",
                                                          .secret = true}),
              make_key<Config>(CAIRN_AT(engine.sql.schema), {.name = "schema",
                                                             .type = KeyType::kText,
                                                             .doc = "Schema of Cairn's tables; created when absent.",
                                                             .complaint = identifier_complaint}),
              make_key<Config>(
                  CAIRN_AT(engine.sql.pool_size),
                  {.name = "pool_size", .type = KeyType::kInteger, .doc = "Most connections.", .min = 1, .max = 100}),
              make_key<Config>(CAIRN_AT(engine.sql.partitions_ahead_months),
                               {.name = "partitions_ahead_months",
                                .type = KeyType::kInteger,
                                .doc = "Month partitions kept ready beyond the current month.",
                                .min = 0,
                                .max = 120}),
              make_key<Config>(CAIRN_AT(engine.sql.partitions_max),
                               {.name = "partitions_max",
                                .type = KeyType::kInteger,
                                .doc = "Most month partitions that the times in a stream may cause.",
                                .min = 1,
                                .max = 12'000}),
              make_key<Config>(CAIRN_AT(engine.sql.statement_timeout),
                               {.name = "statement_timeout",
                                .type = KeyType::kDuration,
                                .doc = "A statement that takes longer is given up and tried again.",
                                .min = 100,
                                .max = kHour}),
              make_key<Config>(CAIRN_AT(engine.sql.batch_rows_max), {.name = "batch_rows_max",
                                                                     .type = KeyType::kInteger,
                                                                     .doc = "Most interactions in one transaction.",
                                                                     .min = 1,
                                                                     .max = 1'000'000}),
          }};
}

Section kafka_section() {
  return {"kafka",
          "A Kafka topic of interactions, all its partitions.",
          {
              make_key<Config>(CAIRN_AT(engine.kafka.brokers),
                               {.name = "brokers",
                                .type = KeyType::kText,
                                .doc = "Addresses to start from, separated by commas. Empty: no Kafka.",
                                .example = "\"kafka-1:9092,kafka-2:9092\"",
                                .complaint = brokers_complaint}),
              make_key<Config>(CAIRN_AT(engine.kafka.topic), {.name = "topic",
                                                              .type = KeyType::kText,
                                                              .doc = "The topic; needed when brokers are given.",
                                                              .example = "\"interactions\"",
                                                              .complaint = topic_complaint}),
              make_key<Config>(CAIRN_AT(engine.kafka.group),
                               {.name = "group",
                                .type = KeyType::kText,
                                .doc = "Consumer group that offsets are reported to, for lag tools. It is never read: "
                                       "the offsets that count are stored with the state.",
                                .complaint = source_name_complaint}),
              make_key<Config>(CAIRN_AT(engine.kafka.name),
                               {.name = "name",
                                .type = KeyType::kText,
                                .doc = "Name of the source. Offsets are stored under it: a new name reads the topic "
                                       "from its beginning.",
                                .complaint = source_name_complaint}),
          }};
}

Section ranking_section() {
  return {"ranking",
          "How places are chosen and scored.",
          {
              make_key<Config>(CAIRN_AT(engine.ranking.ranker_dir),
                               {.name = "ranker",
                                .type = KeyType::kText,
                                .doc = "Directory of a ranker: a model.toml with the numbers that places are scored "
                                       "with. Empty: those that Cairn ships with.",
                                .example = "\"/etc/cairn/ranker\""}),
              make_key<Config>(CAIRN_AT(engine.ranking.radius_meters_default),
                               {.name = "radius_default",
                                .type = KeyType::kDistance,
                                .doc = "Radius of a request that names none.",
                                .min = 1,
                                .max = kEarthRadiusesHalf}),
              make_key<Config>(CAIRN_AT(engine.ranking.radius_meters_max), {.name = "radius_max",
                                                                            .type = KeyType::kDistance,
                                                                            .doc = "Largest radius of a request.",
                                                                            .min = 1,
                                                                            .max = kEarthRadiusesHalf}),
              make_key<Config>(CAIRN_AT(engine.ranking.limit_max), {.name = "limit_max",
                                                                    .type = KeyType::kInteger,
                                                                    .doc = "Most places in one answer.",
                                                                    .min = 1,
                                                                    .max = 10'000}),
              make_key<Config>(CAIRN_AT(engine.ranking.candidates_max),
                               {.name = "candidates_max",
                                .type = KeyType::kInteger,
                                .doc = "Most places scored for one answer; beyond, the nearest ones are.",
                                .min = 1,
                                .max = 1'000'000'000}),
          }};
}

std::vector<Key<Config>> http_limit_keys() {
  return {
      make_key<Config>(CAIRN_AT(server.http_header_bytes_max), {.name = "header_max",
                                                                .type = KeyType::kSize,
                                                                .doc = "Largest request header.",
                                                                .min = kKiB,
                                                                .max = 64 * kKiB}),
      make_key<Config>(
          CAIRN_AT(server.http_body_bytes_max),
          {.name = "body_max", .type = KeyType::kSize, .doc = "Largest request body.", .min = kKiB, .max = 256 * kMiB}),
      make_key<Config>(CAIRN_AT(server.http_connections_max), {.name = "connections_max",
                                                               .type = KeyType::kInteger,
                                                               .doc = "Most connections at a time.",
                                                               .min = 1,
                                                               .max = 65'536}),
      make_key<Config>(CAIRN_AT(server.http_request_timeout),
                       {.name = "request_timeout",
                        .type = KeyType::kDuration,
                        .doc = "Longest time for reading one request, and for writing its answer.",
                        .min = 10,
                        .max = 5 * kMinute}),
      make_key<Config>(CAIRN_AT(server.http_idle_timeout),
                       {.name = "idle_timeout",
                        .type = KeyType::kDuration,
                        .doc = "A connection without a request for this long is closed.",
                        .min = kSecond,
                        .max = kHour}),
      make_key<Config>(CAIRN_AT(server.drain_timeout), {.name = "drain_timeout",
                                                        .type = KeyType::kDuration,
                                                        .doc = "Longest time that a stop waits for requests in flight.",
                                                        .min = 0,
                                                        .max = 5 * kMinute}),
  };
}

Section http_section() {
  Section section{"http",
                  "The HTTP API, console and metrics.",
                  {
                      listen_key(),
                      make_key<Config>(CAIRN_AT(server.http_allow_remote),
                                       {.name = "allow_remote",
                                        .type = KeyType::kBool,
                                        .doc = "Needed to listen beyond this machine. The API asks nobody for a "
                                               "password: put a proxy that does in front of it."}),
                      make_key<Config>(CAIRN_AT(server.http_threads),
                                       {.name = "threads",
                                        .type = KeyType::kInteger,
                                        .doc = "Threads that serve connections; handlers have their own.",
                                        .min = 1,
                                        .max = 256}),
                  }};
  for (Key<Config>& key : http_limit_keys()) section.keys.push_back(std::move(key));
  return section;
}

Section log_section() {
  return {
      "log",
      "Log records go to standard error.",
      {
          make_choice<Config>(CAIRN_AT(server.log_level),
                              std::vector<std::pair<std::string, LogLevel>>{{"debug", LogLevel::kDebug},
                                                                            {"info", LogLevel::kInfo},
                                                                            {"warning", LogLevel::kWarning},
                                                                            {"error", LogLevel::kError}},
                              {.name = "level", .doc = "The least important records written.", .live = true}),
          make_choice<Config>(
              CAIRN_AT(server.log_format),
              std::vector<std::pair<std::string, LogFormat>>{{"text", LogFormat::kText}, {"json", LogFormat::kJson}},
              {.name = "format", .doc = "Lines for people (with journald's priority under systemd), or JSON lines."}),
      }};
}

Section dead_letters_section() {
  return {"dead_letters",
          "Where events go that cannot be used, one JSON object a line.",
          {
              make_key<Config>(CAIRN_AT(engine.dead_letter_path),
                               {.name = "path",
                                .type = KeyType::kText,
                                .doc = "The file. Empty: dead-letters.ndjson in the state directory."}),
          }};
}

RecordTable<FileSourceOptions> make_file_table() {
  return {"file",
          "A file of interactions, one JSON object a line, plain or gzip. Give one such table per file, and append new "
          "ones: a file's place in the list is stored with its offsets.",
          {
              make_key<FileSourceOptions>(CAIRN_AT(name),
                                          {.name = "name",
                                           .type = KeyType::kText,
                                           .doc = "Name of the source, unique. Offsets are stored under it.",
                                           .example = "\"events\"",
                                           .required = true,
                                           .complaint = source_name_complaint}),
              make_key<FileSourceOptions>(CAIRN_AT(path), {.name = "path",
                                                           .type = KeyType::kText,
                                                           .doc = "The file.",
                                                           .example = "\"/var/log/app/events.ndjson\"",
                                                           .required = true,
                                                           .complaint = path_complaint}),
              make_key<FileSourceOptions>(
                  CAIRN_AT(follow), {.name = "follow",
                                     .type = KeyType::kBool,
                                     .doc = "Wait for growth and rotation. false: the source ends at the file's end."}),
          },
          {}};
}

std::vector<Key<FeatureViewSpec>> view_shape_keys() {
  using Spec = FeatureViewSpec;
  return {
      make_key<Spec>(CAIRN_AT(name), {.name = "name",
                                      .type = KeyType::kText,
                                      .doc = "Name of the view, unique.",
                                      .example = "\"user_place_affinity\"",
                                      .required = true,
                                      .complaint = view_name_complaint}),
      make_choice<Spec>(CAIRN_AT(entity),
                        std::vector<std::pair<std::string, EntityKind>>{
                            {"user", EntityKind::kUser}, {"place", EntityKind::kPlace}, {"cell", EntityKind::kCell}},
                        {.name = "entity", .doc = "What a row describes. A cell is a geohash."}),
      make_choice<Spec>(CAIRN_AT(dimension),
                        std::vector<std::pair<std::string, Dimension>>{{"none", Dimension::kNone},
                                                                       {"place", Dimension::kPlace},
                                                                       {"category", Dimension::kCategory},
                                                                       {"cell", Dimension::kCell},
                                                                       {"hour_of_week", Dimension::kHourOfWeek},
                                                                       {"type", Dimension::kType},
                                                                       {"hour", Dimension::kHour}},
                        {.name = "dimension", .doc = "What the values are spread over.", .example = "\"place\""}),
      make_choice<Spec>(CAIRN_AT(aggregate),
                        std::vector<std::pair<std::string, Aggregate>>{{"count", Aggregate::kCount},
                                                                       {"sum", Aggregate::kSum},
                                                                       {"mean", Aggregate::kMean},
                                                                       {"min", Aggregate::kMin},
                                                                       {"max", Aggregate::kMax},
                                                                       {"last", Aggregate::kLast},
                                                                       {"decayed_sum", Aggregate::kDecayedSum},
                                                                       {"sequence", Aggregate::kSequence}},
                        {.name = "aggregate", .doc = "How events become one value.", .example = "\"decayed_sum\""}),
  };
}

std::vector<Key<FeatureViewSpec>> view_bound_keys() {
  using Spec = FeatureViewSpec;
  constexpr auto kWholeSeconds = static_cast<std::int64_t>(kSecond);
  return {
      make_key<Spec>(CAIRN_AT(half_life),
                     {.name = "half_life",
                      .type = KeyType::kDuration,
                      .doc = "With decayed_sum, and only there: time after which an event counts half.",
                      .min = kSecond,
                      .max = 36'500 * kDay,
                      .example = "\"30d\"",
                      .whole_ms = kWholeSeconds}),
      make_key<Spec>(CAIRN_AT(ttl), {.name = "ttl",
                                     .type = KeyType::kDuration,
                                     .doc = "An entry whose newest event is older is not served. 0s: never expires.",
                                     .min = 0,
                                     .max = 36'500 * kDay,
                                     .example = "\"365d\"",
                                     .whole_ms = kWholeSeconds}),
      make_key<Spec>(CAIRN_AT(max_entries), {.name = "max_entries",
                                             .type = KeyType::kInteger,
                                             .doc = "Most entries per entity; those with the newest events stay.",
                                             .min = 1,
                                             .max = 65'536,
                                             .example = "512"}),
      make_key<Spec>(CAIRN_AT(cell_precision), {.name = "cell_precision",
                                                .type = KeyType::kInteger,
                                                .doc = "Letters of the geohash where entity or dimension is a cell.",
                                                .min = 1,
                                                .max = 12,
                                                .in_example = false}),
  };
}

RecordTable<FeatureViewSpec> make_view_table() {
  RecordTable<FeatureViewSpec> table{
      "feature_view",
      "A set of features kept beside the built-in ones. Give one such table per view.",
      view_shape_keys(),
      {"# Which types count and how much: arithmetic over the event's value, or a list of types that count 1 each.",
       "# Without it every type counts 1.", "#events = { visit = \"1\", save = \"3\", rate = \"value - 2.5\" }"}};
  for (Key<FeatureViewSpec>& key : view_bound_keys()) table.keys.push_back(std::move(key));
  return table;
}

struct RefusedProperty {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kOffsetsAreOurs = "offsets are stored with the state, and where to resume is decided there";
constexpr std::string_view kLoadsCode = "it would run code of others inside the process";
constexpr RefusedProperty kRefused[] = {
    {"allow.auto.create.topics", "a mistyped topic would be created instead of reported"},
    {"auto.commit.enable", kOffsetsAreOurs},
    {"auto.commit.interval.ms", kOffsetsAreOurs},
    {"auto.offset.reset", kOffsetsAreOurs},
    {"bootstrap.servers", "set kafka.brokers instead"},
    {"enable.auto.commit", kOffsetsAreOurs},
    {"enable.auto.offset.store", kOffsetsAreOurs},
    {"enable.partition.eof", "the end of a partition is watched by Cairn itself"},
    {"group.id", "set kafka.group instead"},
    {"group.instance.id", "partitions are assigned by hand, not by the group"},
    {"metadata.broker.list", "set kafka.brokers instead"},
    {"offset.store.method", kOffsetsAreOurs},
    {"offset.store.path", kOffsetsAreOurs},
    {"partition.assignment.strategy", "partitions are assigned by hand, not by the group"},
    {"plugin.library.paths", kLoadsCode},
    {"sasl.kerberos.kinit.cmd", kLoadsCode},
    {"ssl.engine.location", kLoadsCode},
};

}  // namespace

#undef CAIRN_AT

const std::vector<Section>& sections() {
  static const std::vector<Section> all = {state_section(), decode_section(), types_section(),
                                           sql_section(),   kafka_section(),  ranking_section(),
                                           http_section(),  log_section(),    dead_letters_section()};
  return all;
}

const std::vector<OpenTable>& open_tables() {
  static const std::vector<OpenTable> all = {
      {"kafka",
       kPropertiesTable,
       "Properties of librdkafka, by its own names, quoted. A password is better kept in a file: "
       "\"sasl.password_file\".",
       {"#\"fetch.wait.max.ms\" = 100", "#\"security.protocol\" = \"SASL_SSL\""}},
      {"ranking",
       kWeightsTable,
       "The score of a place is the sum of weight * ranking feature. Given one weight, features without one weigh "
       "nothing; given none, all have their defaults. A name that is no feature is answered with the list of them.",
       {}},
  };
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

std::vector<std::string> top_level_names() {
  std::vector<std::string> names;
  for (const Section& section : sections()) names.emplace_back(section.name);
  names.emplace_back(file_table().name);
  names.emplace_back(view_table().name);
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

std::string_view refused_property(std::string_view name) {
  for (const RefusedProperty& refused : kRefused) {
    if (refused.name == name) return refused.why;
  }
  return {};
}

bool secret_property(std::string_view name) {
  if (name.ends_with(".location")) return false;
  for (const std::string_view part : {"password", "secret", "pem", "token", "oauthbearer.config", "jaas"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace cairn::config
