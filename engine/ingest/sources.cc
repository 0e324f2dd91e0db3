#include "engine/ingest/sources.h"

#include <algorithm>
#include <string>

namespace cairn::ingest {

Status check_source_names(const EngineOptions& options) {
  std::vector<std::string> names{std::string(kApiSource)};
  for (const FileSourceOptions& file : options.files) names.push_back(file.name);
  if (!options.kafka.brokers.empty()) names.push_back(options.kafka.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return invalid_argument("two sources are named '" + *twice + "'; names must differ ('api' is Cairn's own)");
  }
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 64 || name.find('\0') != std::string::npos) {
      return invalid_argument("a source's name must have 1 to 64 bytes and no NUL");
    }
  }
  return ok_status();
}

std::vector<Consumer::ConfiguredSource> configured_sources(const EngineOptions& options, streaming::EventLog& log,
                                                           const InteractionTypes& types) {
  std::vector<Consumer::ConfiguredSource> sources;
  sources.push_back({[&log, &types] { return streaming::make_log_source(std::string(kApiSource), log, types); }});
  for (std::size_t i = 0; i < options.files.size(); ++i) {
    // A file's partition is its index, so that files can share a table of positions.
    sources.push_back({[&options, i] {
                         return streaming::make_file_source(options.files[i], Partition{static_cast<std::int32_t>(i)},
                                                            options.decode.event_bytes_max, options.log);
                       },
                       options.files[i].required});
  }
  if (!options.kafka.brokers.empty()) {
    sources.push_back({[&options] {
                         return streaming::make_kafka_source(options.kafka, options.decode.event_bytes_max,
                                                             options.log);
                       },
                       options.kafka.required});
  }
  return sources;
}

}  // namespace cairn::ingest
