#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "cairn/clock.h"
#include "cairn/rfc3339.h"
#include "engine/learning/datasets/city.h"
#include "engine/learning/datasets/traces.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct GenerateArguments {
  datasets::CityOptions city;
  std::string end;  ///< RFC 3339; empty: now
  std::string out;
};

struct ConvertArguments {
  std::string dataset;
  std::string data;
  std::string out;
};

void remark(const GlobalOptions& options, const std::string& text) {
  if (!options.quiet) std::fprintf(stderr, "%s\n", text.c_str());
}

void check(const Status& status) {
  if (!status.ok()) fail(status);
}

std::size_t count_users(const datasets::Dataset& dataset) {
  std::unordered_set<UserId> users;
  for (const Interaction& event : dataset.interactions) users.insert(event.user);
  return users.size();
}

struct Files {
  std::string places;
  std::string interactions;
};

Files write(const GlobalOptions& options, const datasets::Dataset& dataset, const std::string& out) {
  std::error_code error;
  fs::create_directories(out, error);
  if (error) fail(unavailable(out + ": cannot be created: " + error.message()));
  const Files files{(fs::path(out) / "places.ndjson").string(), (fs::path(out) / "interactions.ndjson").string()};
  remark(options, "writing " + files.places);
  check(datasets::write_places_ndjson(files.places, dataset.places));
  remark(options, "writing " + files.interactions);
  check(datasets::write_interactions_ndjson(files.interactions, dataset.interactions));
  return files;
}

void print_summary(const GlobalOptions& options, const datasets::Dataset& dataset, const Files& files) {
  const std::size_t users = count_users(dataset);
  const bool any = !dataset.interactions.empty();
  const std::int64_t first = any ? to_ms(dataset.interactions.front().time) : 0;
  const std::int64_t last = any ? to_ms(dataset.interactions.back().time) : 0;
  if (options.json()) {
    print_as_json(nlohmann::json({{"dataset", dataset.name},
                                  {"users", users},
                                  {"places", dataset.places.size()},
                                  {"interactions", dataset.interactions.size()},
                                  {"first_ms", first},
                                  {"last_ms", last},
                                  {"places_file", files.places},
                                  {"interactions_file", files.interactions}}));
    return;
  }
  constexpr double kDayMs = 24.0 * 3600.0 * 1000.0;
  print(dataset.name + ": " + grouped(dataset.interactions.size()) + " interactions of " + grouped(users) +
        " users at " + grouped(dataset.places.size()) + " places over " +
        number_text(static_cast<double>(last - first) / kDayMs) + " days\n");
}

void finish(const GlobalOptions& options, Result<datasets::Dataset> dataset, const std::string& out) {
  if (!dataset.ok()) fail(dataset.status());
  print_summary(options, *dataset, write(options, *dataset, out));
}

EventTime parse_end(const std::string& text) {
  if (text.empty()) return SystemClock::instance().now();
  const std::optional<EventTime> end = parse_rfc3339(text);
  if (!end) {
    throw CLI::ValidationError("--end", "'" + text + "' is no time; write it like 2025-01-01T00:00:00Z");
  }
  return *end;
}

void run_generate(const GlobalOptions& options, const GenerateArguments& arguments) {
  datasets::CityOptions city = arguments.city;
  city.end = parse_end(arguments.end);
  remark(options, "inventing a city from seed " + std::to_string(city.seed));
  finish(options, datasets::generate_city(city), arguments.out);
}

void run_convert(const GlobalOptions& options, const ConvertArguments& arguments) {
  remark(options, "reading " + arguments.data);
  finish(options,
         arguments.dataset == "gowalla" ? datasets::load_gowalla(arguments.data)
                                        : datasets::load_foursquare(arguments.data),
         arguments.out);
}

void add_out_option(CLI::App* command, std::string* out) {
  command->add_option("--out", *out, "Folder for places.ndjson and interactions.ndjson; created when absent")
      ->required();
}

void add_generate(CLI::App* parent, const GlobalOptions& options) {
  auto* command = parent->add_subcommand("generate", "Invent a city and what its people do there");
  auto arguments = std::make_shared<GenerateArguments>();
  auto dataset = std::make_shared<std::string>("city");
  command->add_option("--dataset", *dataset, "What to invent")->check(CLI::IsMember({"city"}))->capture_default_str();
  command->add_option("--seed", arguments->city.seed, "Another seed, another city")
      ->check(from_zero())
      ->capture_default_str();
  command->add_option("--users", arguments->city.users, "How many people")->capture_default_str();
  command->add_option("--places", arguments->city.places, "How many places")->capture_default_str();
  command->add_option("--days", arguments->city.days, "Over how many days")->capture_default_str();
  command->add_option("--events", arguments->city.events, "How many interactions")->capture_default_str();
  command->add_option(
      "--end", arguments->end,
      "Instant in RFC 3339 that all of it is before; default: now. Give one to get the same city again, "
      "byte for byte");
  add_out_option(command, &arguments->out);
  command->footer(
      examples("  cairn dataset generate --out city\n"
               "  cairn dataset generate --seed 7 --events 1000000 --end 2025-01-01T00:00:00Z --out big"));
  command->callback([&options, arguments, dataset] { run_generate(options, *arguments); });
}

void add_convert(CLI::App* parent, const GlobalOptions& options) {
  auto* command = parent->add_subcommand("convert", "Turn a published trace of check-ins into places and visits");
  auto arguments = std::make_shared<ConvertArguments>();
  command->add_option("--dataset", arguments->dataset, "Which trace the folder holds")
      ->required()
      ->check(CLI::IsMember({"foursquare", "gowalla"}));
  command
      ->add_option(
          "--data", arguments->data,
          "Folder with dataset_TSMC2014_NYC.txt and dataset_TSMC2014_TKY.txt, or "
          "loc-gowalla_totalCheckins.txt.gz, as published, or with a subset in foursquare_nyc/ or gowalla_nyc/")
      ->required();
  add_out_option(command, &arguments->out);
  command->footer(
      examples("  cairn dataset convert --dataset gowalla --data ~/Downloads --out gowalla\n"
               "  cairn places import gowalla/places.ndjson && cairn ingest gowalla/interactions.ndjson"));
  command->callback([&options, arguments] { run_convert(options, *arguments); });
}

}  // namespace

void add_dataset_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("dataset", "Make data to try Cairn with: an invented city, or a published trace");
  command->require_subcommand(1);
  add_generate(command, options);
  add_convert(command, options);
}

}  // namespace cairn::cli
