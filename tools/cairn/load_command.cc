#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>

#include "tools/cairn/api_client.h"
#include "tools/cairn/load/generator.h"
#include "tools/cairn/load/ids.h"
#include "tools/cairn/load/ramp.h"
#include "tools/cairn/load/report.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

using namespace cairn::load;

constexpr std::size_t kPlacesAskedMax = 1000;

struct LoadArguments {
  LoadOptions options;
  double duration_seconds = 10.0;
  double warm_up_seconds = 0.0;
  double timeout_seconds = 10.0;
  std::string mix = "recommend";
  std::string users;
  std::uint64_t user_count = 1000;
  std::string user_prefix = "u";
  std::string places;
  std::string keys = "uniform";
  std::string at;
  std::string box;
  int limit = 20;
  std::string requests;
  std::string path = "/v1/recommendations";
  std::string ramp;
  std::optional<double> step;
  Goal goal;
  std::string svg;
};

[[noreturn]] void usage(const std::string& option, const std::string& what) {
  throw CLI::ValidationError(option, what);
}

/// `count` numbers with commas between them; empty when `text` is anything else.
std::vector<double> numbers_of(std::string_view text, std::size_t count) {
  std::vector<double> numbers;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (numbers.size() < count) {
    double number = 0.0;
    const auto [next, error] = std::from_chars(at, end, number);
    numbers.push_back(number);
    const bool last = numbers.size() == count;
    if (error != std::errc() || (last ? next != end : next == end || *next != ',')) return {};
    at = next + 1;
  }
  return numbers;
}

/// Ids and names of files may be no UTF-8, which JSON has to be.
std::string text_of(const nlohmann::json& value, int indent = -1) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool on_earth(double lat, double lon) { return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180; }

std::optional<GeoPoint> point_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto parts = numbers_of(text, 2);
  if (parts.empty() || !on_earth(parts[0], parts[1])) {
    usage("--at", "'" + text + "' is no position; write LAT,LON in degrees, such as 40.7128,-74.0060");
  }
  return GeoPoint{parts[0], parts[1]};
}

std::optional<Box> box_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto parts = numbers_of(text, 4);
  const bool right = !parts.empty() && on_earth(parts[0], parts[1]) && on_earth(parts[2], parts[3]) &&
                     parts[0] <= parts[2] && parts[1] <= parts[3];
  if (!right) usage("--box", "'" + text + "' is no box; write SOUTH,WEST,NORTH,EAST in degrees");
  return Box{{parts[0], parts[1]}, {parts[2], parts[3]}};
}

/// "uniform", "zipf:1.1" or "hot:10:0.9".
KeyShape shape_of(const std::string& text) {
  if (text == "uniform") return {};
  std::string rest = text;
  std::replace(rest.begin(), rest.end(), ':', ',');
  if (text.starts_with("zipf:")) {
    const auto parts = numbers_of(std::string_view(rest).substr(5), 1);
    if (!parts.empty() && parts[0] > 0.0 && parts[0] <= 10.0) {
      return {.kind = KeyShape::Kind::kZipf, .exponent = parts[0]};
    }
  }
  if (text.starts_with("hot:")) {
    const auto parts = numbers_of(std::string_view(rest).substr(4), 2);
    if (!parts.empty() && parts[0] >= 1.0 && parts[0] <= 1e9 && parts[1] >= 0.0 && parts[1] <= 1.0) {
      return {.kind = KeyShape::Kind::kHot, .hot_keys = static_cast<std::uint64_t>(parts[0]), .hot_share = parts[1]};
    }
  }
  usage("--keys", "'" + text +
                      "' is no shape; write uniform, zipf:EXPONENT such as zipf:1.1, or hot:KEYS:SHARE such "
                      "as hot:10:0.9");
}

bool asks(const std::vector<MixEntry>& mix, RequestKind kind) {
  return std::any_of(mix.begin(), mix.end(), [kind](const MixEntry& entry) { return entry.kind == kind; });
}

/// Places that the server recommends to the first users: ids that it surely has.
std::vector<std::string> places_of_server(const GlobalOptions& global, const WorkloadOptions& workload) {
  std::set<std::string> ids;
  std::mt19937_64 random(1);
  std::string trouble;
  for (std::size_t i = 0; i < std::min<std::size_t>(workload.users.size(), 20) && ids.size() < kPlacesAskedMax; ++i) {
    // A server that has just begun takes its time.
    nlohmann::json body = {{"user_id", workload.users[i]}, {"limit", 100}, {"deadline_ms", 10'000}};
    std::optional<GeoPoint> at = workload.at;
    if (workload.box) {
      std::uniform_real_distribution<double> unit(0.0, 1.0);
      const Box& box = *workload.box;
      at = GeoPoint{box.from.lat + unit(random) * (box.to.lat - box.from.lat),
                    box.from.lon + unit(random) * (box.to.lon - box.from.lon)};
    }
    if (at) body.update({{"lat", at->lat}, {"lon", at->lon}});
    const std::string text = text_of(body);
    const auto reply = try_call(global, {.method = "POST", .target = "/v1/recommendations", .body = text});
    if (!reply.ok() || reply->code != 200) {
      trouble = reply.ok() ? std::to_string(reply->code) + " " + reply->body : reply.status().to_string();
      continue;
    }
    const auto answer = nlohmann::json::parse(reply->body, nullptr, false);
    for (const auto& item : list_at(answer, "items")) ids.insert(text_at(item, "place_id"));
  }
  if (ids.empty() && !trouble.empty()) fail(unavailable("the server does not recommend places to ask for: " + trouble));
  if (ids.empty()) {
    fail(
        invalid_argument("the server recommends no places to ask for; name a file of ids with --places, or a position "
                         "near its places with --at"));
  }
  return {ids.begin(), ids.end()};
}

WorkloadOptions workload_of(LoadArguments& arguments) {
  WorkloadOptions workload;
  workload.shape = shape_of(arguments.keys);
  workload.at = point_of(arguments.at);
  workload.box = box_of(arguments.box);
  workload.limit = arguments.limit;
  if (!arguments.requests.empty()) {
    workload.mix = {{RequestKind::kBodies, 1.0}};
    workload.bodies = value_or_fail(read_bodies(arguments.requests));
    workload.path = arguments.path;
    arguments.mix = arguments.requests + " to " + arguments.path;
    return workload;
  }
  auto mix = parse_mix(arguments.mix);
  if (!mix.ok()) usage("--mix", mix.status().message());
  workload.mix = *std::move(mix);
  workload.users = arguments.users.empty() ? made_ids(arguments.user_prefix, arguments.user_count)
                                           : value_or_fail(read_ids(arguments.users, "user_id"));
  if (!arguments.places.empty()) workload.places = value_or_fail(read_ids(arguments.places, "place_id"));
  return workload;
}

std::chrono::nanoseconds from_seconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

/// Measures one rate, with a line a second on standard error.
Step measure(const GlobalOptions& global, const ServerAddress& server, const WorkloadOptions& workload,
             LoadOptions options, double rate) {
  options.rate = rate;
  const auto tell = [](const LoadSecond& second) { std::fprintf(stderr, "%s\n", to_line(second).c_str()); };
  auto result = run_load(server, workload, options, global.quiet ? std::function<void(const LoadSecond&)>() : tell);
  return {.rate = rate, .result = value_or_fail(std::move(result))};
}

/// Goes up until two rates in a row miss the goal: one may have met a hiccup of the machine.
void climb(const GlobalOptions& global, const ServerAddress& server, const WorkloadOptions& workload,
           const RampRates& ramp, LoadReport& report) {
  int missed = 0;
  for (int i = 0; missed < 2; ++i) {
    const double rate = ramp.from + i * ramp.step;
    if (rate > ramp.to * (1.0 + 1e-9)) return;
    if (!global.quiet) std::fprintf(stderr, "%s/s\n", number_text(rate).c_str());
    report.steps.push_back(measure(global, server, workload, report.options, rate));
    if (report.steps.back().result.interrupted) return;
    missed = shortfall_of(report.steps.back(), *report.goal).empty() ? 0 : missed + 1;
  }
}

void save(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) fail({StatusCode::kUnavailable, "cannot write " + path + "; is its folder there, and the disk not full?"});
}

/// Fails before anything is measured that could not be written down. Leaves no file that was not there.
void check_can_save(const std::string& path) {
  const bool was_there = std::filesystem::exists(std::filesystem::path(path));
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file.close();
  if (!file) fail({StatusCode::kUnavailable, "cannot write " + path + "; is its folder there, and the disk not full?"});
  std::error_code ignored;
  if (!was_there) std::filesystem::remove(path, ignored);
}

RampRates ramp_of(const LoadArguments& arguments) {
  auto ramp = parse_ramp(arguments.ramp);
  if (!ramp.ok()) usage("--ramp", ramp.status().message());
  if (arguments.step) ramp->step = *arguments.step;
  if ((ramp->to - ramp->from) / ramp->step > 1000)
    usage("--step", "that would be more than 1000 steps; take larger ones");
  return *ramp;
}

void run(const GlobalOptions& global, LoadArguments arguments) {
  LoadOptions& options = arguments.options;
  options.duration = from_seconds(arguments.duration_seconds);
  options.warm_up = from_seconds(arguments.warm_up_seconds);
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(arguments.timeout_seconds * 1000));
  if (options.threads > options.connections) usage("--threads", "there must be a connection for each thread");
  const std::optional<RampRates> ramp = arguments.ramp.empty() ? std::nullopt : std::optional(ramp_of(arguments));
  WorkloadOptions workload = workload_of(arguments);
  if (!arguments.svg.empty()) check_can_save(arguments.svg);
  static_cast<void>(call(global, {.target = "/healthz"}));  // nobody there: says so, and ends
  const ServerAddress server = value_or_fail(parse_server_url(global.url));
  const bool about_places = asks(workload.mix, RequestKind::kPlaces) || asks(workload.mix, RequestKind::kInteractions);
  if (about_places && workload.places.empty()) workload.places = places_of_server(global, workload);
  LoadReport report{.url = global.url, .mix = arguments.mix, .options = options};
  if (ramp) {
    report.goal = arguments.goal;
    climb(global, server, workload, *ramp, report);
  } else {
    report.steps.push_back(measure(global, server, workload, options, options.rate));
  }
  if (!arguments.svg.empty()) save(arguments.svg, to_svg(report));
  print(global.json() ? text_of(to_json(report), 2) + "\n" : to_text(report, color_wanted()));
  // What measured nothing at all is no result.
  const bool nothing = std::all_of(report.steps.begin(), report.steps.end(),
                                   [](const Step& step) { return step.result.tally.good == 0; });
  if (nothing && !report.steps.back().result.interrupted) exit_with(kExitFailed);
}

void add_rate_options(CLI::App& command, LoadArguments& arguments) {
  const std::map<std::string, Arrivals> arrivals = {{"poisson", Arrivals::kPoisson}, {"constant", Arrivals::kConstant}};
  LoadOptions& options = arguments.options;
  auto* rate = command.add_option("--rate", options.rate, "Requests a second, whatever the server does")
                   ->check(between(0.001, 1e7))
                   ->capture_default_str();
  command.add_option("--arrivals", options.arrivals, "poisson: independent of one another; constant: equal gaps")
      ->transform(CLI::CheckedTransformer(arrivals, CLI::ignore_case))
      ->option_text("poisson|constant");
  command.add_option("--duration", arguments.duration_seconds, "Seconds to measure; of a ramp: at each rate")
      ->check(between(0.1, 86'400.0))
      ->capture_default_str();
  command.add_option("--warm-up", arguments.warm_up_seconds, "Seconds before it that are not counted")
      ->check(between(0.0, 3600.0))
      ->capture_default_str();
  command.add_option("--connections", options.connections, "Connections, each kept, with one request at a time")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "Threads of this program; one sends tens of thousands a second")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--timeout", arguments.timeout_seconds, "Seconds after which a request has failed")
      ->check(between(0.01, 3600.0))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of all that is drawn: the same seed sends the same requests")
      ->check(from_zero())
      ->capture_default_str();
  auto* ramp = command
                   .add_option("--ramp", arguments.ramp,
                               "FROM..TO requests a second: goes up until two rates in a row miss the goal")
                   ->excludes(rate);
  command.add_option("--step", arguments.step, "By how much a ramp goes up; default: a ninth of the way")
      ->check(between(0.001, 1e7))
      ->needs(ramp);
  command.add_option("--target-p99", arguments.goal.p99_ms, "Goal of a ramp: milliseconds that 99 % may take")
      ->check(between(0.001, 1e7))
      ->capture_default_str();
  command
      .add_option("--max-failed", arguments.goal.failed_share,
                  "Goal of a ramp: share of requests that may fail or never be sent")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--max-refused", arguments.goal.refused_share, "Goal of a ramp: share that may be refused")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
}

void add_request_options(CLI::App& command, LoadArguments& arguments) {
  command
      .add_option("--mix", arguments.mix,
                  "KIND=WEIGHT,...: recommend, features (of a user), places, healthz, interactions (views that the "
                  "server keeps)")
      ->capture_default_str();
  auto* users =
      command.add_option("--users", arguments.users, "File of users: an id a line, or events; default: made-up ones");
  command.add_option("--user-count", arguments.user_count, "How many made-up users")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))
      ->excludes(users)
      ->capture_default_str();
  command.add_option("--user-prefix", arguments.user_prefix, "Made-up users are PREFIX0, PREFIX1, ...")
      ->excludes(users)
      ->capture_default_str();
  command.add_option("--places", arguments.places,
                     "File of places: an id a line, or events; default: those that the server recommends");
  command
      .add_option("--keys", arguments.keys,
                  "How users and places are drawn: uniform, zipf:EXPONENT (a power law), hot:KEYS:SHARE (the first "
                  "KEYS have that share)")
      ->capture_default_str();
  auto* at =
      command.add_option("--at", arguments.at, "Position of recommendations as LAT,LON; default: the user's own");
  command.add_option("--box", arguments.box, "Draw it in SOUTH,WEST,NORTH,EAST")->excludes(at);
  command.add_option("-n,--limit", arguments.limit, "How many places to recommend")
      ->check(from_one())
      ->capture_default_str();
  auto* requests = command.add_option("--requests", arguments.requests,
                                      "File of bodies to send instead, one a line, in turn; - is standard input");
  command.add_option("--path", arguments.path, "Where they are sent to")->needs(requests)->capture_default_str();
  command.add_option("--svg", arguments.svg, "Also draw latency by percentile to this file");
}

}  // namespace

void add_load_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand(
      "load",
      "Load a running server at a given rate, or find the highest it bears.\nRequests are sent when they are due, also "
      "while the server stalls, and latency counts from then. Ctrl-C ends it with what was measured.");
  auto arguments = std::make_shared<LoadArguments>();
  add_rate_options(*command, *arguments);
  add_request_options(*command, *arguments);
  command->footer(
      examples("  cairn load --rate 500 --duration 30 --warm-up 5 --at 40.7128,-74.0060\n"
               "  cairn load --rate 2000 --mix recommend=8,places=2 --users events.ndjson --keys zipf:1.1\n"
               "  cairn -o json load --ramp 500..10000 --step 500 --target-p99 25 > ramp.json   # then: cairn capacity "
               "ramp.json\n"
               "  cairn load --rate 200 --requests bodies.ndjson --svg latency.svg"));
  command->callback([&options, arguments] { run(options, *arguments); });
}

}  // namespace cairn::cli
