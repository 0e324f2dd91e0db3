#include "engine/part_options.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "features/opening_hours.h"
#include "features/row.h"
#include "streaming/zone.h"

namespace cairn {

namespace {

constexpr std::chrono::milliseconds kSqlBatchWait{20};

}  // namespace

storage::StateStoreOptions store_options(const EngineOptions& options, const state::StateDirectory& directory,
                                         const state::Fading& fading) {
  storage::StateStoreOptions store;
  store.path = directory.store();
  store.merge = features::merge_encoded_rows;
  store.trim = fading.trim();
  store.block_cache_bytes = options.state.block_cache_bytes;
  store.memtable_bytes = options.state.memtable_bytes;
  store.free_bytes_min = options.state.free_bytes_min;
  store.accept_loss = options.accept_log_loss;
  store.log = options.log;
  return store;
}

storage::PassingStoreOptions answers_options(const EngineOptions& options, const state::StateDirectory& directory) {
  const auto lifetime = std::chrono::duration_cast<std::chrono::seconds>(options.answers.ttl + std::chrono::seconds(1));
  return {.path = directory.answers(),
          .bytes_max = options.answers.disk_bytes,
          .compression = options.answers.disk_compression,
          .lifetime = lifetime,
          .free_bytes_min = options.state.free_bytes_min};
}

state::FeatureState::Options state_options(const EngineOptions& options, state::Fading* fading,
                                           const ranking::PlaceTerms& terms) {
  std::vector<FeatureViewSpec> views = ranking::builtin_views();
  views.insert(views.end(), options.feature_views.begin(), options.feature_views.end());
  return {.views = std::move(views),
          .dedup_ids = options.decode.dedup_ids,
          .sync = options.state.sync,
          .window = options.state.window,
          .window_bytes = options.state.window_bytes,
          .row_cache_bytes = options.state.row_cache_bytes,
          .attributes = terms.attributes,
          .fading = fading,
          .log = options.log};
}

Result<ranking::PlaceTerms> place_terms(const PlaceOptions& options) {
  const auto find_clock = [](const std::string& name) {
    const auto zone = streaming::Zone::find(name);
    if (!zone.ok()) return ranking::LocalClock();
    return ranking::LocalClock([found = *zone](EventTime time) { return found->to_local(time); });
  };
  CAIRN_RETURN_IF_ERROR(features::AttributeRules::check(options.attributes));
  const auto zone = streaming::Zone::find(options.time_zone);
  if (!zone.ok()) return invalid_argument("places.time_zone: " + zone.status().message());
  auto holidays = features::Holidays::make(options.public_holidays, {});
  if (!holidays.ok()) return invalid_argument("places.public_holidays: " + holidays.status().message());
  holidays = features::Holidays::make(options.public_holidays, options.school_holidays);
  if (!holidays.ok()) return invalid_argument("places.school_holidays: " + holidays.status().message());
  const auto known = [find_clock](const std::string& name) { return static_cast<bool>(find_clock(name)); };
  return ranking::PlaceTerms{.attributes = features::AttributeRules(options.attributes, known),
                             .holidays = *std::move(holidays),
                             .clock = find_clock(options.time_zone),
                             .find_clock = find_clock};
}

streaming::EventLogOptions log_options(const EngineOptions& options, const state::StateDirectory& directory) {
  return {.path = directory.event_log(),
          .segment_bytes = options.event_log_segment_bytes,
          .kept_bytes = options.event_log_segment_bytes,  // corrections look events up there
          .free_bytes_min = options.state.free_bytes_min,
          .sync = options.state.sync,
          .log = options.log};
}

std::string dead_letter_path(const EngineOptions& options, const state::StateDirectory& directory) {
  return options.dead_letter_path.empty() ? directory.dead_letters() : options.dead_letter_path;
}

ingest::Consumer::Options feature_consumer_options(const EngineOptions& options) {
  return {.consumer = "features",
          .records_max = options.state.batch_events_max,
          .batch_wait_max = options.state.batch_wait_max,
          .decode = options.decode,
          .log = options.log};
}

ingest::Consumer::Options sql_consumer_options(const EngineOptions& options) {
  ingest::Consumer::Options sql = feature_consumer_options(options);
  sql.consumer = "sql";
  sql.gap_advice =
      " (the tables then lack them; to fill the tables anew with all that the sources still hold, drop the schema '" +
      options.sql.schema + "' instead, by hand: what is only in the tables is lost with it)";
  sql.required = options.sql.required;
  sql.records_max = options.sql.batch_rows_max;
  // A transaction costs much more than a batch of changes in memory.
  sql.batch_wait_max = std::max(sql.batch_wait_max, kSqlBatchWait);
  return sql;
}

}  // namespace cairn
