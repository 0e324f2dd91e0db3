#include "engine/serving/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <sstream>

namespace cairn::serving {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// 0.1 ms to 5 s: from an answer out of memory to the longest deadline anyone would wait for.
const prometheus::Histogram::BucketBoundaries kSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                          0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0};

// A deployment with thousands of partitions keeps its metrics readable (prometheus-cpp #646: series are never dropped).
constexpr std::size_t kSeriesPerFamilyMax = 5000;

double seconds(std::chrono::nanoseconds took) { return std::chrono::duration<double>(took).count(); }
double epoch_seconds(EventTime time) { return static_cast<double>(to_ms(time)) / 1000.0; }

/// Collects families of values that are read, not counted, at the moment of the scrape.
class Snapshot {
 public:
  void counter(std::string name, std::string help, double value) {
    ClientMetric metric;
    metric.counter.value = value;
    family(std::move(name), std::move(help), MetricType::Counter).metric.push_back(std::move(metric));
  }
  void gauge(std::string name, std::string help, double value, Labels labels = {}) {
    add_gauge(family(std::move(name), std::move(help), MetricType::Gauge), value, std::move(labels));
  }
  MetricFamily& family(std::string name, std::string help, MetricType type) {
    return families_.emplace_back(MetricFamily{std::move(name), std::move(help), type, {}});
  }
  static void add_gauge(MetricFamily& family, double value, Labels labels) {
    if (family.metric.size() == kSeriesPerFamilyMax) return;
    ClientMetric metric;
    metric.gauge.value = value;
    metric.label = std::move(labels);
    family.metric.push_back(std::move(metric));
  }
  static void add_counter(MetricFamily& family, double value, Labels labels) {
    ClientMetric metric;
    metric.counter.value = value;
    metric.label = std::move(labels);
    family.metric.push_back(std::move(metric));
  }
  [[nodiscard]] std::vector<MetricFamily> take() && { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void add_counts(Snapshot& out, const EngineStatus& status) {
  const auto counter = [&out](const char* name, const char* help, std::uint64_t value) {
    out.counter(name, help, static_cast<double>(value));
  };
  counter("cairn_events_applied_total", "Interactions applied since the state directory was made",
          status.events_applied);
  counter("cairn_events_rejected_total", "Interactions sent to the dead letters", status.events_rejected);
  counter("cairn_events_repeated_total", "Interactions dropped because their event_id had been seen",
          status.events_repeated);
  counter("cairn_events_retracted_total", "Interactions that had been applied and were taken out again",
          status.events_retracted);
  counter("cairn_events_withheld_total", "Interactions that came after their retraction", status.events_withheld);
  counter("cairn_retractions_unmatched_total", "Retractions that came when no event of their id was remembered",
          status.retractions_unmatched);
  counter("cairn_retracted_values_lost_total",
          "Values that no longer held what was to be taken out, or of which that is not known any more",
          status.retracted_values_lost);
  out.gauge("cairn_values_inexact", "Values that may still say what a retracted event said",
            static_cast<double>(status.values_inexact));
  counter("cairn_events_of_erased_total", "Interactions refused because their user was erased later than they happened",
          status.events_of_erased);
  counter("cairn_events_filled_total", "Events that waited for their place until it was imported",
          status.events_filled);
  counter("cairn_row_cache_hits_total", "Rows found in memory", status.row_cache_hits);
  counter("cairn_row_cache_misses_total", "Rows read from the state store", status.row_cache_misses);
  counter("cairn_answer_cache_hits_total", "Requests answered with a kept answer", status.answers.hits);
  counter("cairn_answer_cache_stale_hits_total", "Requests answered with a kept answer that had grown old",
          status.answers.stale_hits);
  counter("cairn_answer_cache_misses_total", "Requests computed, or that waited for who computed them",
          status.answers.misses);
  counter("cairn_answer_cache_waited_total", "Requests that waited for who computed them", status.answers.waited);
  counter("cairn_answer_cache_outdated_total", "Kept answers met that something had happened to",
          status.answers.outdated);
  counter("cairn_answer_cache_passed_total", "Requests whose answers are not kept", status.answers.passed);
  counter("cairn_answer_cache_refreshes_total", "Answers computed anew in the background", status.answers.refreshes);
  counter("cairn_answer_disk_hits_total", "Answers found on disk", status.answers.disk_hits);
  counter("cairn_answer_disk_misses_total", "Answers looked for on disk and not found, or outdated",
          status.answers.disk_misses);
  counter("cairn_answer_disk_writes_total", "Answers written to disk", status.answers.disk_writes);
  counter("cairn_answer_disk_dropped_total", "Answers that were to go to disk and did not",
          status.answers.disk_dropped);
  counter("cairn_answer_shared_hits_total", "Answers found in PostgreSQL", status.answers.shared_hits);
  counter("cairn_answer_shared_misses_total", "Answers looked for in PostgreSQL and not found, or not as new",
          status.answers.shared_misses);
  counter("cairn_answer_shared_passed_total", "Answers not looked for in PostgreSQL, as it was busy or late",
          status.answers.shared_passed);
  counter("cairn_answer_shared_writes_total", "Answers written to PostgreSQL", status.answers.shared_writes);
  counter("cairn_answer_shared_dropped_total", "Answers that were to go to PostgreSQL and did not",
          status.answers.shared_dropped);
  counter("cairn_answer_shared_expired_total", "Answers removed from PostgreSQL when they had grown old",
          status.answers.shared_expired);
  counter("cairn_answer_invalidations_heard_total", "Invalidations by SQL that were heard of", status.answers.heard);
  const auto by_tier = [&out](const char* name, const char* help, double l1, double l2, double l3) {
    MetricFamily& family = out.family(name, help, MetricType::Counter);
    Snapshot::add_counter(family, l1, {{"tier", "L1"}});
    Snapshot::add_counter(family, l2, {{"tier", "L2"}});
    Snapshot::add_counter(family, l3, {{"tier", "L3"}});
  };
  by_tier("cairn_answer_age_seconds_total", "How old kept answers were when they were given, summed up",
          static_cast<double>(status.answers.memory_age_ms) / 1e3,
          static_cast<double>(status.answers.disk_age_ms) / 1e3,
          static_cast<double>(status.answers.shared_age_ms) / 1e3);
  by_tier("cairn_answer_waited_seconds_total", "How long requests waited for the tier; L1: for others' computations",
          static_cast<double>(status.answers.waited_us) / 1e6, static_cast<double>(status.answers.disk_waited_us) / 1e6,
          static_cast<double>(status.answers.shared_waited_us) / 1e6);
  counter("cairn_answer_cache_evictions_total", "Kept answers that left for want of room", status.answers.evictions);
  counter("cairn_windows_written_total", "Windows of changes written to the state store by this process",
          status.windows_written);
  counter("cairn_window_rows_written_total", "Changed rows in the windows written", status.window_rows_written);
  counter("cairn_quarantined_operands_total", "Changes of rows that made no sense and were kept aside",
          status.quarantined);
  counter("cairn_invalid_rows_total", "Reads that met a stored row that makes no sense, answered as INVALID",
          status.invalid_rows);
  counter("cairn_recommendations_total", "Recommendations answered by the engine, through any API",
          status.recommendations);
  MetricFamily& rejected =
      out.family("cairn_dead_letters_total", "Records that could not be used, by this process", MetricType::Counter);
  for (const RejectedRecords& one : status.rejected_by_reason) {
    Snapshot::add_counter(rejected, static_cast<double>(one.came), {{"reason", one.reason}});
  }
  MetricFamily& left_out = out.family("cairn_dead_letters_not_kept_total",
                                      "Of these, counted in the file and left out of it", MetricType::Counter);
  for (const RejectedRecords& one : status.rejected_by_reason) {
    Snapshot::add_counter(left_out, static_cast<double>(one.not_kept), {{"reason", one.reason}});
  }
  counter("cairn_sql_rows_total", "Interactions written to PostgreSQL by this process", status.sql_rows);
}

void add_sizes(Snapshot& out, const EngineStatus& status, std::int64_t connections) {
  out.gauge("cairn_places", "Places in the catalogue", static_cast<double>(status.places));
  out.gauge("cairn_unknown_places", "Places that events named and that are not in the catalogue; import them",
            static_cast<double>(status.unknown_places));
  out.gauge("cairn_events_waiting", "Events that count in no category until their place is imported",
            static_cast<double>(status.events_waiting));
  out.gauge("cairn_state_bytes", "State on disk", static_cast<double>(status.state_bytes));
  out.gauge("cairn_row_cache_bytes", "Decoded rows in memory", static_cast<double>(status.row_cache_bytes));
  out.gauge("cairn_pending_rows", "Rows with changes in memory that are not written yet",
            static_cast<double>(status.pending_rows));
  MetricFamily& memory =
      out.family("cairn_memory_bytes", "What a part of the engine holds in memory", MetricType::Gauge);
  for (const MemoryPart& part : status.memory) {
    Snapshot::add_gauge(memory, static_cast<double>(part.bytes), {{"part", part.name}});
  }
  out.gauge("cairn_newest_event_timestamp_seconds", "Largest event time applied; 0 when none",
            epoch_seconds(status.newest_event));
  out.gauge("cairn_start_timestamp_seconds", "When this process opened the engine", epoch_seconds(status.started));
  out.gauge("cairn_http_connections", "Open HTTP connections", static_cast<double>(connections));
  out.gauge("cairn_build_info", "Always 1; what runs is in the labels", 1.0,
            {{"version", status.version}, {"compute_backend", status.compute_backend}});
  const AnswerCacheStatus& answers = status.answers;
  const double looked_for = static_cast<double>(answers.disk_hits + answers.disk_misses);
  MetricFamily& rate = out.family("recommendations_cache_hit_rate",
                                  "Share of what was looked for that the tier gave, since start", MetricType::Gauge);
  Snapshot::add_gauge(rate, answers.hit_ratio(), {{"tier", "L1"}});
  Snapshot::add_gauge(rate, looked_for > 0 ? static_cast<double>(answers.disk_hits) / looked_for : 0.0,
                      {{"tier", "L2"}});
  const double asked = static_cast<double>(answers.shared_hits + answers.shared_misses + answers.shared_passed);
  Snapshot::add_gauge(rate, asked > 0 ? static_cast<double>(answers.shared_hits) / asked : 0.0, {{"tier", "L3"}});
  out.gauge("cairn_answer_shared_bytes", "The table of kept answers in PostgreSQL",
            static_cast<double>(answers.shared_bytes));
  out.gauge("cairn_answer_shared_rows", "Kept answers in PostgreSQL, from 10000 on by its estimate",
            static_cast<double>(answers.shared_rows));
  out.gauge("cairn_answer_disk_bytes", "Kept answers on disk, or about to be written there",
            static_cast<double>(status.answers.disk_bytes));
  out.gauge("cairn_answer_cache_bytes", "Kept answers in memory", static_cast<double>(status.answers.bytes));
  out.gauge("cairn_answer_cache_entries", "Kept answers", static_cast<double>(status.answers.entries));
}

/// Of the model in force; absent without one.
void add_model(Snapshot& out, const ModelStatus& model) {
  if (!model.in_force()) return;
  out.gauge("cairn_model_info", "Always 1 while a model is in force; which one is in the labels", 1.0,
            {{"version", model.version}, {"kind", model.kind}});
  out.gauge("cairn_model_loaded_timestamp_seconds", "When the model in force was loaded", epoch_seconds(model.loaded));
  out.gauge("cairn_model_items", "Items of the model in force", static_cast<double>(model.items));
  const auto if_known = [&](const char* name, const char* help, const std::optional<std::uint64_t>& count) {
    if (count) out.gauge(name, help, static_cast<double>(*count));
  };
  if_known("cairn_model_items_without_place", "Of these, no places of the catalogue", model.items_without_place);
  if_known("cairn_model_places_without_item", "Places that the model in force does not know",
           model.places_without_item);
}

void add_clients(Snapshot& out, std::uint64_t displaced, std::size_t client_bytes) {
  out.gauge("cairn_http_client_bytes", "Held for HTTP clients: connections, requests and answers under way",
            static_cast<double>(client_bytes));
  MetricFamily& family =
      out.family("cairn_http_connections_displaced_total",
                 "Connections without a request that were closed to make room for new ones", MetricType::Counter);
  ClientMetric metric;
  metric.counter.value = static_cast<double>(displaced);
  family.metric.push_back(std::move(metric));
}

void add_checks(Snapshot& out, const EngineStatus& status) {
  out.gauge("cairn_ready", "1 when every required check passes", status.ready() ? 1.0 : 0.0);
  MetricFamily& checks = out.family("cairn_check_ok", "1 when the named readiness check passes", MetricType::Gauge);
  for (const ReadinessCheck& check : status.checks) {
    Snapshot::add_gauge(checks, check.ok ? 1.0 : 0.0, {{"check", check.name}});
  }
}

Labels labels_of(const ConsumerStatus& consumer) {
  return {{"consumer", consumer.consumer},
          {"source", consumer.source},
          {"partition", std::to_string(consumer.position.partition.value)}};
}

void add_health(Snapshot& out, const EngineStatus& status) {
  const auto labels = [](const ConsumerHealth& one) {
    return Labels{{"consumer", one.consumer}, {"source", one.source}};
  };
  MetricFamily& blocked =
      out.family("cairn_consumer_blocked",
                 "1 while the consumer, or a partition of it, waits for somebody to mend something", MetricType::Gauge);
  for (const ConsumerHealth& one : status.health) Snapshot::add_gauge(blocked, one.blocked() ? 1 : 0, labels(one));
  MetricFamily& waiting =
      out.family("cairn_consumer_waiting", "1 while the consumer stands still, whatever the reason", MetricType::Gauge);
  for (const ConsumerHealth& one : status.health)
    Snapshot::add_gauge(waiting, one.troubles.empty() ? 0 : 1, labels(one));
  MetricFamily& gaps = out.family("cairn_consumer_gap_records_total",
                                  "Records passed over because their gap was accepted", MetricType::Counter);
  for (const ConsumerHealth& one : status.health)
    Snapshot::add_counter(gaps, static_cast<double>(one.gap_records), labels(one));
  MetricFamily& bytes = out.family("cairn_consumer_gap_bytes_total",
                                   "The same where offsets count bytes: files, the API's log", MetricType::Counter);
  for (const ConsumerHealth& one : status.health)
    Snapshot::add_counter(bytes, static_cast<double>(one.gap_bytes), labels(one));
  MetricFamily& unchecked =
      out.family("cairn_consumer_unchecked_partitions",
                 "Partitions read on although it could not be told whether the topic is the same", MetricType::Gauge);
  for (const ConsumerHealth& one : status.health)
    Snapshot::add_gauge(unchecked, static_cast<double>(one.unchecked.size()), labels(one));
}

void add_consumers(Snapshot& out, const EngineStatus& status) {
  MetricFamily& offsets =
      out.family("cairn_consumer_offset", "Offset of the next record the consumer reads", MetricType::Gauge);
  for (const ConsumerStatus& consumer : status.consumers) {
    Snapshot::add_gauge(offsets, static_cast<double>(consumer.position.offset.value), labels_of(consumer));
  }
  add_health(out, status);
  MetricFamily& durable =
      out.family("cairn_durable_offset", "Offset before which the features are on disk", MetricType::Gauge);
  for (const Watermark& mark : status.durable) {
    Snapshot::add_gauge(durable, static_cast<double>(mark.position.offset.value),
                        {{"source", mark.source}, {"partition", std::to_string(mark.position.partition.value)}});
  }
  MetricFamily& lags = out.family(
      "cairn_consumer_lag", "Source's end less the consumer's offset: messages for Kafka, bytes for files and the log",
      MetricType::Gauge);
  for (const ConsumerStatus& consumer : status.consumers) {
    if (!consumer.end_offset) continue;  // unknown is absent, not 0, which would read as caught up
    const std::int64_t lag = std::max<std::int64_t>(0, consumer.end_offset->value - consumer.position.offset.value);
    Snapshot::add_gauge(lags, static_cast<double>(lag), labels_of(consumer));
  }
}

/// A histogram of counts that were kept elsewhere, one more than there are bounds.
template <class Bounds, class Counts>
void add_histogram(Snapshot& out, const char* name, const char* help, const Bounds& bounds, const Counts& counts,
                   double sum) {
  ClientMetric metric;
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    const double bound = i < bounds.size() ? static_cast<double>(bounds[i]) : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({so_far, bound});
  }
  metric.histogram.sample_count = so_far;
  metric.histogram.sample_sum = sum;
  out.family(name, help, MetricType::Histogram).metric.push_back(std::move(metric));
}

void add_batching(Snapshot& out, const BatchingStatus& batching) {
  MetricFamily& outcomes =
      out.family("cairn_batching_questions_total",
                 "What became of questions: admitted less all others are those that wait or run", MetricType::Counter);
  const auto outcome = [&](const char* name, std::uint64_t count) {
    Snapshot::add_counter(outcomes, static_cast<double>(count), {{"outcome", name}});
  };
  outcome("admitted", batching.admitted);
  outcome("completed", batching.completed);
  outcome("rejected", batching.rejected);
  outcome("expired", batching.expired);
  outcome("cancelled", batching.cancelled);
  out.gauge("cairn_batching_waiting", "Questions that wait for a scan, or for their min_offset",
            static_cast<double>(batching.waiting));
  out.gauge("cairn_batching_running", "Questions that are answered", static_cast<double>(batching.running));
  add_histogram(out, "cairn_batching_batch_size", "Questions of a scan", BatchingStatus::kSizeBounds, batching.sizes,
                static_cast<double>(batching.scanned));
  add_histogram(out, "cairn_batching_wait_seconds", "How long a question waited for its scan",
                BatchingStatus::kWaitBounds, batching.waited, batching.waited_seconds);
}

void add_compute(Snapshot& out, const ComputeStatus& compute) {
  if (compute.fallback.empty()) return;
  out.gauge("cairn_compute_breaker_open", "1 while the device has failed and is left alone", compute.open ? 1.0 : 0.0);
  const auto counter = [&](const char* name, const char* help, std::uint64_t count) {
    Snapshot::add_counter(out.family(name, help, MetricType::Counter), static_cast<double>(count), {});
  };
  counter("cairn_compute_scans_total", "Scans that the device answered", compute.scans);
  counter("cairn_compute_fallbacks_total", "Scans that the device should have answered", compute.fallbacks);
  counter("cairn_compute_failures_total", "Errors of the device, and times that it took too long", compute.failures);
  counter("cairn_compute_trials_total", "Scans that a device which had failed was given", compute.trials);
}

/// One family for each count of a lane, so that `admitted` can be compared with the sum of the others in a query.
void add_lanes(Snapshot& out, std::span<const Metrics::LaneSample> lanes) {
  struct Column {
    const char* name;
    const char* help;
    MetricType type;
    std::uint64_t LaneCounts::*count;
  };
  static constexpr Column kColumns[] = {
      {"cairn_admission_admitted_total", "Requests that were handed to a lane", MetricType::Counter,
       &LaneCounts::admitted},
      {"cairn_admission_completed_total", "Requests that ran to their end, whatever the answer", MetricType::Counter,
       &LaneCounts::completed},
      {"cairn_admission_rejected_total", "Requests refused because the lane's queue was full or the server stopped",
       MetricType::Counter, &LaneCounts::rejected},
      {"cairn_admission_expired_total", "Requests whose deadline passed in the lane's queue", MetricType::Counter,
       &LaneCounts::expired},
      {"cairn_admission_queued", "Requests that wait for a thread of the lane", MetricType::Gauge, &LaneCounts::queued},
      {"cairn_admission_running", "Requests that run on a thread of the lane", MetricType::Gauge, &LaneCounts::running},
  };
  for (const Column& column : kColumns) {
    MetricFamily& family = out.family(column.name, column.help, column.type);
    for (const Metrics::LaneSample& sample : lanes) {
      ClientMetric metric;
      const auto value = static_cast<double>(sample.counts.*column.count);
      (column.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
      metric.label = {{"lane", std::string(sample.lane)}};
      family.metric.push_back(std::move(metric));
    }
  }
}

}  // namespace

struct Metrics::Instruments {
  explicit Instruments(std::vector<std::string> route_labels) : routes(std::move(route_labels)) {
    routes.push_back("other");
    counters = std::vector<std::atomic<prometheus::Counter*>>(routes.size() * kCodesMax);
    for (const std::string& route : routes) {
      request_seconds.push_back(&request_duration.Add({{"route", route}}, kSeconds));
    }
    static_cast<void>(outcomes(StatusCode::kOk));  // there from the first scrape on
  }

  [[nodiscard]] std::size_t index_of(std::size_t route) const { return std::min(route, routes.size() - 1); }

  /// The counter of a route's answers with a code. Codes are the few that error_response can give.
  [[nodiscard]] prometheus::Counter& answers(std::size_t route, int http_code) {
    const auto code = static_cast<std::size_t>(std::clamp(http_code, 0, kCodesMax - 1));
    return found(counters[route * kCodesMax + code], [&]() -> prometheus::Counter& {
      return requests.Add({{"route", routes[route]}, {"code", std::to_string(http_code)}});
    });
  }

  /// The counter of recommendations that ended so.
  [[nodiscard]] prometheus::Counter& outcomes(StatusCode code) {
    return found(outcome_counters[static_cast<std::size_t>(code)], [&]() -> prometheus::Counter& {
      return recommendations.Add({{"code", std::string(to_string(code))}});
    });
  }

  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter().Name("cairn_http_requests_total").Help("HTTP requests answered").Register(registry);
  prometheus::Family<prometheus::Histogram>& request_duration =
      prometheus::BuildHistogram()
          .Name("cairn_http_request_duration_seconds")
          .Help("From the request's last byte read to its answer being ready")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& recommendations = prometheus::BuildCounter()
                                                                 .Name("recommendations_requests_total")
                                                                 .Help("Recommendation requests, by outcome")
                                                                 .Register(registry);
  prometheus::Family<prometheus::Histogram>& recommendation_duration =
      prometheus::BuildHistogram()
          .Name("recommendations_request_duration_seconds")
          .Help("Recommendation requests, queueing included")
          .Register(registry);
  prometheus::Histogram& recommendation_seconds = recommendation_duration.Add({}, kSeconds);
  std::vector<std::string> routes;
  std::vector<prometheus::Histogram*> request_seconds;

 private:
  static constexpr int kCodesMax = 600;
  using Known = std::atomic<prometheus::Counter*>;  // null: not looked up yet

  /// Finding a counter by its labels costs as much as a small request, so each is looked up once.
  template <class LookUp>
  static prometheus::Counter& found(Known& known, LookUp look_up) {
    prometheus::Counter* counter = known.load(std::memory_order_acquire);
    if (counter == nullptr) {
      // Add returns the existing counter of these labels, so two threads that come here find the same.
      counter = &look_up();
      known.store(counter, std::memory_order_release);
    }
    return *counter;
  }

  std::vector<Known> counters;  // by route and code
  std::array<Known, static_cast<std::size_t>(StatusCode::kUnauthenticated) + 1> outcome_counters{};
};

Metrics::Metrics(std::vector<std::string> routes) : instruments_(std::make_unique<Instruments>(std::move(routes))) {}
Metrics::~Metrics() = default;

void Metrics::observe_request(std::size_t route, int http_code, std::chrono::nanoseconds took) {
  const std::size_t index = instruments_->index_of(route);
  instruments_->answers(index, http_code).Increment();
  instruments_->request_seconds[index]->Observe(seconds(took));
}

void Metrics::observe_recommendation(StatusCode code, std::chrono::nanoseconds took) {
  instruments_->outcomes(code).Increment();
  instruments_->recommendation_seconds.Observe(seconds(took));
}

std::string Metrics::render(const EngineStatus& status, std::span<const LaneSample> lanes,
                            std::size_t client_bytes) const {
  Snapshot snapshot;
  add_counts(snapshot, status);
  add_sizes(snapshot, status, connections_.load(std::memory_order_relaxed));
  add_clients(snapshot, displaced_.load(std::memory_order_relaxed), client_bytes);
  add_model(snapshot, status.model);
  add_checks(snapshot, status);
  add_consumers(snapshot, status);
  add_lanes(snapshot, lanes);
  add_batching(snapshot, status.batching);
  add_compute(snapshot, status.compute);
  std::vector<MetricFamily> families = instruments_->registry.Collect();
  for (MetricFamily& family : std::move(snapshot).take()) families.push_back(std::move(family));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace cairn::serving
