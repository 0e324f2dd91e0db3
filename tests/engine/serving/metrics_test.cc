#include <cmath>
#include <optional>
#include <set>
#include <sstream>

#include "engine/serving/metrics/metrics.h"

#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

namespace {

/// A reader of the exposition format 0.0.4, written from its specification: series text to value.
struct Exposition {
  std::map<std::string, double> series;
  std::map<std::string, std::string> types;
  std::set<std::string> helped;

  explicit Exposition(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      if (line.rfind("# HELP ", 0) == 0) {
        helped.insert(line.substr(7, line.find(' ', 7) - 7));
      } else if (line.rfind("# TYPE ", 0) == 0) {
        const std::size_t end = line.find(' ', 7);
        CHECK_MESSAGE(types.emplace(line.substr(7, end - 7), line.substr(end + 1)).second, "typed twice: ", line);
      } else {
        const std::size_t space = line.rfind(' ');
        REQUIRE_MESSAGE(space != std::string::npos, line);
        CHECK_MESSAGE(series.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second, line);
      }
    }
  }

  [[nodiscard]] std::optional<double> at(const std::string& name) const {
    const auto found = series.find(name);
    return found == series.end() ? std::nullopt : std::optional(found->second);
  }
};

Exposition scrape(const Serving& serving) {
  const Answer answer = get(serving.port(), "/metrics");
  REQUIRE(answer.code == 200);
  CHECK(answer.headers.at("content-type") == "text/plain; version=0.0.4; charset=utf-8");
  return Exposition(answer.body);
}

}  // namespace

TEST_SUITE_BEGIN("metrics");

TEST_CASE_FIXTURE(Serving, "the metrics that others depend on are there from the first scrape") {
  start();
  const Exposition metrics = scrape(*this);
  CHECK(metrics.at("recommendations_requests_total{code=\"OK\"}") == 0.0);
  CHECK(metrics.at("recommendations_request_duration_seconds_count") == 0.0);
  CHECK(metrics.at("recommendations_cache_hit_rate{tier=\"L1\"}") == 0.75);
  CHECK(metrics.at("cairn_events_applied_total") == 1234.0);
  CHECK(metrics.at("cairn_events_rejected_total") == 5.0);
  CHECK(metrics.at("cairn_state_bytes") == 1e6);
  CHECK(metrics.at("cairn_newest_event_timestamp_seconds") == doctest::Approx(1714564800.123));
  CHECK(metrics.at("cairn_build_info{version=\"9.8.7\",compute_backend=\"cpu/avx2\"}") == 1.0);
  CHECK(metrics.at("cairn_consumer_lag{consumer=\"features\",source=\"api\",partition=\"0\"}") == 10.0);
  CHECK(metrics.at("cairn_consumer_offset{consumer=\"sql\",source=\"kafka\",partition=\"3\"}") == 7.0);
  CHECK(!metrics.at("cairn_consumer_lag{consumer=\"sql\",source=\"kafka\",partition=\"3\"}"));
  CHECK(metrics.at("cairn_check_ok{check=\"postgres\"}") == 1.0);
  CHECK(metrics.at("cairn_http_connections") == 1.0);
}

TEST_CASE_FIXTURE(Serving, "every metric has a type and a help, and counters end in _total") {
  start();
  const Exposition metrics = scrape(*this);
  for (const auto& [name, type] : metrics.types) {
    CAPTURE(name);
    CHECK(metrics.helped.count(name) == 1);
    CHECK((type == "counter") == name.ends_with("_total"));
  }
}

TEST_CASE_FIXTURE(Serving, "recommendations are counted by outcome and timed") {
  engine.on_recommend = [](const RecommendRequest& asked) {
    return asked.user.str() == "late" ? deadline_exceeded("") : Status();
  };
  start();
  for (int i = 0; i < 3; ++i) (void)post(port(), "/v1/recommendations", R"({"user_id":"u"})");
  (void)post(port(), "/v1/recommendations", R"({"user_id":"late"})");
  (void)post(port(), "/v1/recommendations", R"({"limit":"x"})");
  const Exposition metrics = scrape(*this);
  CHECK(metrics.at("recommendations_requests_total{code=\"OK\"}") == 3.0);
  CHECK(metrics.at("recommendations_requests_total{code=\"DEADLINE_EXCEEDED\"}") == 1.0);
  CHECK(metrics.at("recommendations_requests_total{code=\"INVALID_ARGUMENT\"}") == 1.0);
  CHECK(metrics.at("recommendations_request_duration_seconds_count") == 5.0);
  CHECK(metrics.at("recommendations_request_duration_seconds_bucket{le=\"+Inf\"}") == 5.0);
  CHECK(metrics.at("recommendations_request_duration_seconds_bucket{le=\"0.0001\"}"));
  CHECK(metrics.at("recommendations_request_duration_seconds_bucket{le=\"5\"}"));
  CHECK(metrics.at("cairn_http_requests_total{code=\"200\",route=\"/v1/recommendations\"}") == 3.0);
  CHECK(metrics.at("cairn_http_requests_total{code=\"504\",route=\"/v1/recommendations\"}") == 1.0);
}

TEST_CASE("times are in seconds") {
  serving::Metrics metrics({"/a"});
  metrics.observe_request(0, 200, std::chrono::milliseconds(250));
  metrics.observe_request(serving::Metrics::kOtherRoute, 404, std::chrono::microseconds(80));
  metrics.observe_recommendation(StatusCode::kOk, std::chrono::milliseconds(1500));
  const Exposition written(metrics.render({}, {}));
  CHECK(written.at("cairn_http_request_duration_seconds_sum{route=\"/a\"}") == 0.25);
  CHECK(written.at("cairn_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.1\"}") == 0.0);
  CHECK(written.at("cairn_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.25\"}") == 1.0);
  CHECK(written.at("cairn_http_request_duration_seconds_sum{route=\"other\"}") == 0.00008);
  CHECK(written.at("cairn_http_request_duration_seconds_bucket{route=\"other\",le=\"0.0001\"}") == 1.0);
  CHECK(written.at("recommendations_request_duration_seconds_sum") == 1.5);
  CHECK(written.at("recommendations_request_duration_seconds_bucket{le=\"1\"}") == 0.0);
  CHECK(written.at("recommendations_request_duration_seconds_bucket{le=\"2.5\"}") == 1.0);
}

TEST_CASE_FIXTURE(Serving, "every request that a lane was given is accounted for, at every scrape") {
  engine.on_recommend = [this](const RecommendRequest& asked) {
    if (asked.user.str() == "slow") gate.wait();
    return Status();
  };
  start({.reads = 8});
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 8; ++i) {  // every thread of the read lane
    slow.push_back(std::make_unique<RawClient>(port()));
    slow.back()->send(recommend_bytes(R"({"user_id":"slow"})"));
  }
  gate.await_waiting(8);
  CHECK(post(port(), "/v1/recommendations", R"({"user_id":"u","deadline_ms":1})").code == 504);
  CHECK(get(port(), "/healthz").code == 200);
  const auto of = [](const Exposition& metrics, const std::string& what, const std::string& lane) {
    return metrics.at("cairn_admission_" + what + "{lane=\"" + lane + "\"}").value();
  };
  const Exposition busy = scrape(*this);
  for (const std::string lane : {"inline", "probe", "read", "write", "wait", "await"}) {
    CAPTURE(lane);
    CHECK(of(busy, "admitted_total", lane) == of(busy, "completed_total", lane) + of(busy, "rejected_total", lane) +
                                                  of(busy, "expired_total", lane) + of(busy, "queued", lane) +
                                                  of(busy, "running", lane));
  }
  CHECK(of(busy, "admitted_total", "read") == 9.0);
  CHECK(of(busy, "running", "read") == 8.0);
  CHECK(of(busy, "expired_total", "read") == 1.0);
  CHECK(of(busy, "completed_total", "inline") == 1.0);
  CHECK(of(busy, "running", "probe") == 1.0);  // the scrape itself
  CHECK(busy.at("recommendations_requests_total{code=\"DEADLINE_EXCEEDED\"}") == 1.0);
  gate.open();
  for (const auto& client : slow) CHECK(client->read_answer().code == 200);
}

TEST_CASE_FIXTURE(Serving,
                  "half of the read lane's threads may wait for an offset, and the others answer who does not") {
  engine.on_recommend = [&](const RecommendRequest& asked) {
    if (!asked.min_offset) return Status();
    if (asked.on_stale == OnStale::kFail) return failed_precondition("features have not reached the offset asked for");
    gate.wait();
    return Status();
  };
  start({.reads = 4});
  const std::string mine = R"({"user_id":"u","min_offset":{"source":"api","partition":0,"offset":9}})";
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.push_back(std::make_unique<RawClient>(port()));
    waiting.back()->send(recommend_bytes(mine));
  }
  gate.await_waiting(2);
  const auto refused = post(port(), "/v1/recommendations", mine);
  CHECK(refused.code == 503);
  CHECK(refused.body.find("min_offset") != std::string::npos);
  CHECK(post(port(), "/v1/recommendations", R"({"user_id":"u"})").code == 200);
  gate.open();
  for (const auto& client : waiting) CHECK(client->read_answer().code == 200);
  CHECK(post(port(), "/v1/recommendations", mine).code == 200);
}

TEST_CASE_FIXTURE(Serving, "no path, id or unknown route becomes a label") {
  start();
  (void)get(port(), "/v1/places/secret-id");
  (void)get(port(), "/secret-path");
  (void)get(port(), "/v1/features/user/secret-user");
  RawClient broken(port());
  broken.send("BROKEN\r\n\r\n");
  CHECK(broken.read_answer().code == 400);
  const Answer answer = get(port(), "/metrics");
  CHECK(answer.body.find("secret") == std::string::npos);
  const Exposition metrics(answer.body);
  CHECK(metrics.at("cairn_http_requests_total{code=\"404\",route=\"/v1/places/{id}\"}") == 1.0);
  CHECK(metrics.at("cairn_http_requests_total{code=\"404\",route=\"other\"}") == 1.0);
  CHECK(metrics.at("cairn_http_requests_total{code=\"400\",route=\"other\"}") == 1.0);
  CHECK(metrics.at("cairn_http_requests_total{code=\"200\",route=\"/v1/features/{entity}/{key}\"}") == 1.0);
}

TEST_CASE_FIXTURE(Serving, "the model in force is told of, and a server without one tells of none") {
  start();
  const Exposition without = scrape(*this);
  for (const auto& [series, value] : without.series) CHECK_MESSAGE(series.rfind("cairn_model_", 0) != 0, series);
  engine.status_answer.model = {.directory = "/m/b",
                                .version = "0123456789abcdef-3",
                                .kind = "ials",
                                .items = 10,
                                .items_without_place = 4,
                                .loaded = event_time_from_ms(1'714'564'800'000)};
  const Exposition metrics = scrape(*this);
  CHECK(metrics.at("cairn_model_info{version=\"0123456789abcdef-3\",kind=\"ials\"}") == 1.0);
  CHECK(metrics.at("cairn_model_loaded_timestamp_seconds") == 1'714'564'800.0);
  CHECK(metrics.at("cairn_model_items") == 10.0);
  CHECK(metrics.at("cairn_model_items_without_place") == 4.0);
  CHECK(metrics.at("cairn_model_places_without_item") == std::nullopt);
}

TEST_SUITE_END();
