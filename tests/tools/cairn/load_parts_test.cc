// The parts of `cairn load` and `cairn capacity` that need no server.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tools/cairn/load/arrivals.h"
#include "tools/cairn/load/capacity.h"
#include "tools/cairn/load/histogram.h"
#include "tools/cairn/load/ids.h"
#include "tools/cairn/load/key_draw.h"
#include "tools/cairn/load/ramp.h"
#include "tools/cairn/load/report.h"
#include "tools/cairn/load/workload.h"

using namespace cairn;
using namespace cairn::load;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

/// Of sorted values: the smallest that at least `share` of all are not above.
std::int64_t exact_at(const std::vector<std::int64_t>& sorted, double share) {
  const auto needed = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[needed == 0 ? 0 : needed - 1];
}

std::vector<double> shares_of(const KeyShape& shape, std::uint64_t keys, std::uint64_t draws, std::uint64_t seed) {
  const KeyDraw draw(shape, keys);
  std::mt19937_64 random(seed);
  std::vector<double> shares(keys, 0.0);
  for (std::uint64_t i = 0; i < draws; ++i) shares.at(draw.next(random)) += 1.0 / static_cast<double>(draws);
  return shares;
}

/// Every share within five standard deviations of the binomial distribution around what theory says.
void check_shares(const std::vector<double>& found, const std::vector<double>& expected, std::uint64_t draws) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t key = 0; key < found.size(); ++key) {
    const double deviation = std::sqrt(expected[key] * (1.0 - expected[key]) / static_cast<double>(draws));
    INFO("key ", key, " expected ", expected[key], " found ", found[key]);
    CHECK(std::abs(found[key] - expected[key]) <= 5.0 * deviation + 1e-12);
  }
}

Step step_of(double rate, milliseconds latency, std::uint64_t good = 1000, std::uint64_t refused = 0,
             std::uint64_t failed = 0) {
  Step step{.rate = rate};
  Tally& tally = step.result.tally;
  tally.due = tally.sent = good + refused + failed;
  tally.good = good;
  tally.refused = refused;
  tally.failed = failed;
  tally.latency.record(latency, good + failed);
  step.result.seconds = 1.0;
  return step;
}

}  // namespace

TEST_SUITE_BEGIN("load");

TEST_CASE("a histogram's quantiles are the exact ones or at most 1/256 above") {
  constexpr std::uint64_t kSeed = 20240501;
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  std::lognormal_distribution<double> latency(13.0, 2.0);  // a median of half a millisecond, a long tail
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 200'000; ++i) {
    values.push_back(static_cast<std::int64_t>(latency(random)));
    histogram.record(nanoseconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const std::int64_t exact = exact_at(values, share);
    const std::int64_t found = histogram.at_share(share).count();
    INFO("share ", share);
    CHECK(found >= exact);
    CHECK(static_cast<double>(found) <= static_cast<double>(exact) * (1.0 + 1.0 / 256) + 1.0);
  }
  CHECK(histogram.min().count() == values.front());
  CHECK(histogram.max().count() == values.back());
  CHECK(histogram.count() == values.size());
}

TEST_CASE("a histogram keeps small values whole, and what is out of its range counts as its end") {
  Histogram histogram;
  for (const int ns : {0, 1, 511, 300}) histogram.record(nanoseconds(ns));
  CHECK(histogram.at_share(0.5).count() == 1);
  CHECK(histogram.at_share(0.75).count() == 300);
  CHECK(histogram.mean().count() == 203);
  histogram.record(std::chrono::hours(3), 4);
  CHECK(histogram.at_share(1.0) == std::chrono::hours(3));
  CHECK(histogram.at_share(0.9) == std::chrono::hours(3));
  histogram.record(nanoseconds(-5));
  CHECK(histogram.min().count() == 0);
  CHECK(histogram.count() == 9);
}

TEST_CASE("a histogram without values says 0, and one that is added to another is in it") {
  Histogram one;
  CHECK(one.at_share(0.99).count() == 0);
  CHECK(one.max().count() == 0);
  CHECK(one.min().count() == 0);
  Histogram other;
  other.record(nanoseconds(7), 3);
  one.add(other);
  one.record(nanoseconds(9));
  CHECK(one.count() == 4);
  CHECK(one.at_share(0.75).count() == 7);
  CHECK(one.at_share(1.0).count() == 9);
  one.clear();
  CHECK(one.count() == 0);
  CHECK(one.at_share(1.0).count() == 0);
}

TEST_CASE("constant arrivals come at equal gaps, whether one thread sends them or three") {
  ArrivalSchedule alone({.kind = Arrivals::kConstant, .rate = 1000.0});
  std::vector<std::int64_t> whole;
  for (int i = 0; i < 30; ++i) whole.push_back(alone.next().count());
  CHECK(whole[0] == 0);
  CHECK(whole[1] == 1'000'000);
  CHECK(whole[29] == 29'000'000);
  std::vector<std::int64_t> shared;
  for (unsigned share = 0; share < 3; ++share) {
    ArrivalSchedule part({.kind = Arrivals::kConstant, .rate = 1000.0, .share = share, .shares = 3});
    for (int i = 0; i < 10; ++i) shared.push_back(part.next().count());
  }
  std::sort(shared.begin(), shared.end());
  CHECK(shared == whole);
}

TEST_CASE(
    "a constant schedule does not drift: after an hour at 3 a second it is to the nanosecond where it should be") {
  ArrivalSchedule schedule({.kind = Arrivals::kConstant, .rate = 3.0});
  nanoseconds at{};
  for (int i = 0; i <= 10'800; ++i) at = schedule.next();
  CHECK(at == std::chrono::hours(1));
}

TEST_CASE("Poisson arrivals have exponential gaps: their mean, deviation and share of long ones are as theory says") {
  for (const unsigned shares : {1U, 4U}) {
    ArrivalSchedule schedule({.kind = Arrivals::kPoisson, .rate = 500.0, .seed = 7, .share = 0, .shares = shares});
    constexpr int kCount = 200'000;
    const double expected = static_cast<double>(shares) / 500.0;
    double sum = 0.0;
    double squares = 0.0;
    int beyond_three = 0;
    nanoseconds last{0};
    for (int i = 0; i < kCount; ++i) {
      const nanoseconds at = schedule.next();
      REQUIRE(at >= last);
      const double gap = std::chrono::duration<double>(at - last).count();
      last = at;
      sum += gap;
      squares += gap * gap;
      beyond_three += gap > 3.0 * expected ? 1 : 0;
    }
    const double mean = sum / kCount;
    INFO("seed 7, shares ", shares);
    CHECK(mean == doctest::Approx(expected).epsilon(5.0 / std::sqrt(kCount)));
    CHECK(std::sqrt(squares / kCount - mean * mean) == doctest::Approx(expected).epsilon(0.02));
    CHECK(static_cast<double>(beyond_three) / kCount == doctest::Approx(std::exp(-3.0)).epsilon(0.05));
  }
}

TEST_CASE("the same seed gives the same arrivals, another seed or share others") {
  ArrivalSchedule one({.seed = 3});
  ArrivalSchedule same({.seed = 3});
  ArrivalSchedule other({.seed = 4});
  ArrivalSchedule share({.seed = 3, .share = 1});
  const nanoseconds first = one.next();
  CHECK(same.next() == first);
  CHECK(other.next() != first);
  CHECK(share.next() != first);
}

TEST_CASE("Zipf's law is drawn as its formula says, for exponents below, at and above 1") {
  constexpr std::uint64_t kKeys = 50;
  constexpr std::uint64_t kDraws = 400'000;
  for (const double exponent : {0.5, 1.0, 1.3, 3.0}) {
    std::vector<double> expected;
    double sum = 0.0;
    for (std::uint64_t k = 1; k <= kKeys; ++k) sum += std::pow(static_cast<double>(k), -exponent);
    for (std::uint64_t k = 1; k <= kKeys; ++k) {
      expected.push_back(std::pow(static_cast<double>(k), -exponent) / sum);
    }
    INFO("seed 11, exponent ", exponent);
    check_shares(shares_of({.kind = KeyShape::Kind::kZipf, .exponent = exponent}, kKeys, kDraws, 11), expected, kDraws);
  }
}

TEST_CASE("Zipf's law of one key and of millions stays within its keys") {
  std::mt19937_64 random(5);
  const KeyShape shape{.kind = KeyShape::Kind::kZipf, .exponent = 1.1};
  CHECK(KeyDraw(shape, 1).next(random) == 0);
  const KeyDraw many(shape, 5'000'000);
  for (int i = 0; i < 100'000; ++i) REQUIRE(many.next(random) < 5'000'000);
}

TEST_CASE("hot keys have their share, and all keys the same when none is hot") {
  constexpr std::uint64_t kDraws = 200'000;
  std::vector<double> hot(10, 0.2 / 8.0);
  hot[0] = hot[1] = 0.8 / 2.0;
  check_shares(shares_of({.kind = KeyShape::Kind::kHot, .hot_keys = 2, .hot_share = 0.8}, 10, kDraws, 12), hot, kDraws);
  const std::vector<double> even(10, 0.1);
  check_shares(shares_of({}, 10, kDraws, 13), even, kDraws);
  check_shares(shares_of({.kind = KeyShape::Kind::kHot, .hot_keys = 20, .hot_share = 0.9}, 10, kDraws, 14), even,
               kDraws);
}

TEST_CASE("a mix is read with its weights, and what is wrong in it is named") {
  const auto mix = parse_mix("recommend=8,places,healthz=0.5");
  REQUIRE(mix.ok());
  REQUIRE(mix->size() == 3);
  CHECK((*mix)[0].kind == RequestKind::kRecommend);
  CHECK((*mix)[0].weight == 8.0);
  CHECK((*mix)[1].kind == RequestKind::kPlaces);
  CHECK((*mix)[1].weight == 1.0);
  CHECK((*mix)[2].weight == 0.5);
  for (const char* wrong : {"", "nothing", "recommend=0", "recommend=-1", "recommend=x", "places,places", "places=1x",
                            "recommend=inf", "recommend=nan", ",places"}) {
    INFO(wrong);
    CHECK(parse_mix(wrong).status().code() == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("requests are HTTP with the ids encoded as their place asks for") {
  WorkloadOptions options{.mix = {{RequestKind::kRecommend, 1.0}}, .users = {"a \"b\"/ü"}, .limit = 3};
  options.at = GeoPoint{40.5, -74.25};
  std::string bytes;
  CHECK(Workload(options, "h:1", 1).next(&bytes) == RequestKind::kRecommend);
  const std::string body = R"({"user_id":"a \"b\"/ü","lat":40.5000000,"lon":-74.2500000,"limit":3})";
  CHECK(bytes ==
        "POST /v1/recommendations HTTP/1.1\r\nHost: h:1\r\nUser-Agent: cairn-load\r\nContent-Type: "
        "application/json\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body);
  options.mix = {{RequestKind::kFeatures, 1.0}};
  CHECK(Workload(options, "h:1", 1).next(&bytes) == RequestKind::kFeatures);
  CHECK(bytes == "GET /v1/features/user/a%20%22b%22%2F%C3%BC HTTP/1.1\r\nHost: h:1\r\nUser-Agent: cairn-load\r\n\r\n");
}

TEST_CASE("kinds come as often as their weights say, positions lie in their box, and a seed repeats all of it") {
  WorkloadOptions options{.mix = {{RequestKind::kHealthz, 3.0}, {RequestKind::kRecommend, 1.0}}, .users = {"u"}};
  options.box = Box{{10.0, 20.0}, {11.0, 22.0}};
  Workload one(options, "h", 9);
  Workload same(options, "h", 9);
  std::string bytes;
  std::string again;
  int asked = 0;
  for (int i = 0; i < 4000; ++i) {
    const RequestKind kind = one.next(&bytes);
    REQUIRE(same.next(&again) == kind);
    REQUIRE(bytes == again);
    if (kind != RequestKind::kRecommend) continue;
    ++asked;
    const auto body = nlohmann::json::parse(bytes.substr(bytes.find("\r\n\r\n") + 4));
    REQUIRE(body["lat"].get<double>() >= 10.0);
    REQUIRE(body["lat"].get<double>() <= 11.0);
    REQUIRE(body["lon"].get<double>() >= 20.0);
    REQUIRE(body["lon"].get<double>() <= 22.0);
  }
  CHECK(std::abs(asked - 1000) < 5 * 28);  // the binomial's deviation is 27.4
}

TEST_CASE("blank lines in files of bodies and ids are passed over") {
  const test::TemporaryFolder folder;
  const auto bodies = read_bodies(folder.write("bodies", "{\"a\":1}\n\n \r\n{\"b\":2}\n\n"));
  REQUIRE_MESSAGE(bodies.ok(), bodies.status().to_string());
  CHECK(*bodies == std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"});
  const auto ids = read_ids(folder.write("ids", "u1\n\nu2\r\n\r\n"), "user_id");
  REQUIRE_MESSAGE(ids.ok(), ids.status().to_string());
  CHECK(*ids == std::vector<std::string>{"u1", "u2"});
}

TEST_CASE("bodies of a file are sent in turn") {
  const WorkloadOptions options{
      .mix = {{RequestKind::kBodies, 1.0}}, .bodies = {"{\"a\":1}", "{\"b\":2}"}, .path = "/x"};
  Workload workload(options, "h", 2);
  std::string bytes;
  for (const char* body : {"{\"a\":1}", "{\"b\":2}", "{\"a\":1}"}) {
    CHECK(workload.next(&bytes) == RequestKind::kBodies);
    CHECK(bytes.starts_with("POST /x HTTP/1.1\r\n"));
    CHECK(bytes.ends_with(body));
  }
}

TEST_CASE("a step misses its goal by p99, by failures or by refusals, and says by which") {
  const Goal goal{.p99_ms = 20.0, .failed_share = 0.01, .refused_share = 0.05};
  CHECK(shortfall_of(step_of(1, milliseconds(19)), goal).empty());
  CHECK(shortfall_of(step_of(1, milliseconds(21)), goal).starts_with("p99"));
  CHECK(shortfall_of(step_of(1, milliseconds(1), 980, 0, 20), goal) == "2 % failed or were never sent, more than 1 %");
  CHECK(shortfall_of(step_of(1, milliseconds(1), 900, 100, 0), goal) == "10 % were refused, more than 5 %");
  CHECK(shortfall_of(step_of(1, milliseconds(1), 0), goal) == "no request had a good answer");
}

TEST_CASE("the capacity is the highest rate that meets the goal, and may be more when the ramp ended there") {
  const Goal goal{.p99_ms = 20.0};
  const Step good100 = step_of(100, milliseconds(5));
  const Step good200 = step_of(200, milliseconds(9));
  const Step hiccup = step_of(200, milliseconds(90));
  const Step good300 = step_of(300, milliseconds(15));
  const Step bad400 = step_of(400, milliseconds(50));
  Capacity found = capacity_of({good100, good200, good300, bad400}, goal);
  CHECK(found.rate == 300.0);
  CHECK_FALSE(found.reached_end);
  found = capacity_of({good100, hiccup, good300}, goal);
  CHECK(found.rate == 300.0);
  CHECK(found.reached_end);
  CHECK_FALSE(capacity_of({bad400}, goal).rate);
  Step cut = step_of(200, milliseconds(1));
  cut.result.interrupted = true;
  found = capacity_of({good100, cut}, goal);
  CHECK(found.rate == 100.0);
  CHECK(found.interrupted);
  CHECK_FALSE(found.reached_end);
  // A rate that was measured and missed the goal is a bound, whatever came after it.
  found = capacity_of({good100, step_of(200, milliseconds(50)), cut}, goal);
  CHECK_FALSE(found.interrupted);
  CHECK_FALSE(found.reached_end);
  found = capacity_of({cut}, goal);
  CHECK_FALSE(found.rate);
  CHECK(found.interrupted);
  CHECK_FALSE(found.reached_end);
}

TEST_CASE("what a server says of an error is its message, or the first line of whatever it sends") {
  CHECK(reason_of(R"({"error":{"code":"INVALID_ARGUMENT","message":"user_id is required"}})") == "user_id is required");
  CHECK(reason_of("<html>\r\nmore") == "<html>");
  CHECK(reason_of(R"({"error":"no"})") == R"({"error":"no"})");
  CHECK(reason_of("").empty());
  CHECK(reason_of("\x1b[2Jgone") == " [2Jgone");
  CHECK(reason_of(std::string(1000, 'x')).size() == 300);
}

TEST_CASE("a report tells what the server said of each kind of error") {
  LoadReport report{.url = "http://h:1", .mix = "x", .steps = {step_of(100, milliseconds(5))}};
  report.steps[0].result.tally.reasons = {{400, "user_id is required"}};
  CHECK(to_json(report)["steps"][0]["reasons"]["400"] == "user_id is required");
  CHECK(to_text(report, false).find("400: user_id is required\n") != std::string::npos);
  report.goal = Goal{};
  CHECK(to_text(report, false).find("400: user_id is required\n") != std::string::npos);
}

TEST_CASE("a report tells how soon the server refused, apart from how soon it answered") {
  LoadReport report{.url = "http://h:1", .mix = "x", .steps = {step_of(100, milliseconds(80), 10, 100)}};
  CHECK(to_json(report)["steps"][0]["refusal_time"]["count"] == 0);
  Histogram& refusal = report.steps[0].result.tally.refusal;
  refusal.record(milliseconds(1), 99);
  refusal.record(milliseconds(4));
  const nlohmann::json told = to_json(report)["steps"][0];
  CHECK(told["refusal_time"]["count"] == 100);
  CHECK(told["refusal_time"]["max_ms"] == 4.0);
  CHECK(told["latency"]["p50_ms"] == 80.0);
  CHECK(to_text(report, false).find("refused   100, half of them within 1.0") != std::string::npos);
  Tally both;
  both.add(report.steps[0].result.tally);
  both.add(report.steps[0].result.tally);
  CHECK(both.refusal.count() == 200);
  both.clear();
  CHECK(both.refusal.count() == 0);
}

TEST_CASE("a report tells each step in JSON, and draws it as well-formed SVG inside of its frame") {
  LoadReport report{.url = "http://h:1", .mix = "a<b>&\"c\".ndjson", .steps = {step_of(100, milliseconds(5))}};
  report.steps[0].result.tally.good_in_time = 900;
  report.steps[0].result.tally.codes[200] = 1000;
  const nlohmann::json json = to_json(report);
  const nlohmann::json& step = json["steps"][0];
  CHECK(step["goodput"] == 900.0);
  CHECK(step["codes"]["200"] == 1000);
  CHECK(step["latency"]["p99_ms"] == 5.0);  // the largest is exact
  CHECK(step["distribution"].front()["percentile"] == 0.0);
  CHECK(step["distribution"].back()["ms"] == 5.0);
  CHECK_FALSE(json.contains("capacity"));
  const std::string svg = to_svg(report);
  CHECK(svg.find("a&lt;b>&amp;&quot;c&quot;.ndjson") != std::string::npos);
  CHECK(svg.ends_with("</svg>\n"));
  // All of its latencies are 5 ms, between the lines of 1 and 10 ms: log10(5) of the way up from 410 to 50.
  CHECK(svg.find("70.0,158.4 ") != std::string::npos);
  CHECK(svg.find("710.0,158.4 ") != std::string::npos);
  report.goal = Goal{.p99_ms = 10.0};
  CHECK(to_json(report)["capacity"]["rate"] == 100.0);
  CHECK(to_json(report)["capacity"]["reached_end"] == true);
  CHECK(to_text(report, false).find("capacity  100/s with p99 up to 10 ms") != std::string::npos);
}

TEST_CASE("a ramp is read, with steps of a ninth of its way") {
  const auto ramp = parse_ramp("100..1000");
  REQUIRE(ramp.ok());
  CHECK(ramp->from == 100.0);
  CHECK(ramp->to == 1000.0);
  CHECK(ramp->step == 100.0);
  for (const char* wrong : {"", "100", "100..", "..100", "200..100", "0..5", "1..2..3", "a..b", "1..inf"}) {
    INFO(wrong);
    CHECK_FALSE(parse_ramp(wrong).ok());
  }
}

namespace {

nlohmann::json report_of(double capacity, std::vector<double> rates) {
  nlohmann::json report = {{"kind", "cairn-load"},
                           {"url", "http://h:1"},
                           {"mix", "recommend"},
                           {"goal", {{"p99_ms", 25.0}}},
                           {"capacity", {{"rate", capacity}}},
                           {"steps", nlohmann::json::array()}};
  if (capacity == 0.0) report["capacity"]["rate"] = nlohmann::json();
  for (const double rate : rates)
    report["steps"].push_back({{"rate", rate}, {"seconds", 10.0}, {"interrupted", false}});
  return report;
}

}  // namespace

TEST_CASE("machines and cost for a rate, by hand") {
  // A machine bears 4,000/s; of it 70 %, 2,800/s, are used. 60,000 / 2,800 = 21.4: 22 machines and a spare one.
  const auto ramp = read_ramp(report_of(4000, {3000, 4000, 5000, 6000}));
  REQUIRE(ramp.ok());
  CHECK(ramp->missed_rate == 5000.0);
  const CapacityPlan plan =
      plan_capacity(*ramp, {.target_rate = 60'000, .headroom = 0.3, .spare = 1, .cost_per_hour = 0.5});
  CHECK(plan.usable_rate == doctest::Approx(2800.0));
  CHECK(plan.needed == 22);
  CHECK(plan.machines == 23);
  CHECK(plan.needed_at_missed_rate == 18);                          // 60,000 / 3,500 = 17.1
  CHECK(plan.used_share == doctest::Approx(60.0 / 92.0));           // 60,000 of 23 x 4,000
  CHECK(plan.used_share_degraded == doctest::Approx(60.0 / 88.0));  // 60,000 of 22 x 4,000
  CHECK(*plan.cost_per_hour == doctest::Approx(11.5));              // 23 x 0.5
  CHECK(*plan.cost_per_month == doctest::Approx(8395.0));           // 11.5 x 730
  CHECK(*plan.cost_per_million == doctest::Approx(11.5 / 216.0));   // 60,000/s are 216 million an hour
}

TEST_CASE("a rate that fills machines exactly takes no further one, and a small one takes one") {
  const auto ramp = read_ramp(report_of(1000, {1000}));
  REQUIRE(ramp.ok());
  CHECK_FALSE(ramp->missed_rate);
  CHECK(plan_capacity(*ramp, {.target_rate = 2700, .headroom = 0.1, .spare = 0}).machines == 3);
  CHECK(plan_capacity(*ramp, {.target_rate = 2701, .headroom = 0.1, .spare = 0}).machines == 4);
  CHECK(plan_capacity(*ramp, {.target_rate = 1, .spare = 2}).machines == 3);
  CHECK_FALSE(plan_capacity(*ramp, {.target_rate = 1}).cost_per_hour);
  CHECK_FALSE(plan_capacity(*ramp, {.target_rate = 1}).needed_at_missed_rate);
}

TEST_CASE("a ramp against several machines is divided among them") {
  const auto ramp = read_ramp(report_of(9000, {9000, 12'000}));
  REQUIRE(ramp.ok());
  const CapacityPlan plan =
      plan_capacity(*ramp, {.target_rate = 10'000, .headroom = 0.0, .spare = 0, .measured_machines = 3});
  CHECK(plan.machine_rate == 3000.0);
  CHECK(plan.needed == 4);
  CHECK(plan.needed_at_missed_rate == 3);
}

TEST_CASE("what is no ramp's report is refused, with what would be one") {
  CHECK(read_ramp(nlohmann::json::array()).status().code() == StatusCode::kInvalidArgument);
  CHECK(read_ramp({{"kind", "other"}}).status().code() == StatusCode::kInvalidArgument);
  nlohmann::json one_rate = report_of(5, {5});
  one_rate.erase("capacity");
  CHECK(read_ramp(one_rate).status().code() == StatusCode::kInvalidArgument);
  CHECK(read_ramp(report_of(0.0, {5})).status().code() == StatusCode::kFailedPrecondition);
}

TEST_SUITE_END();
