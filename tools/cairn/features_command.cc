#include <memory>

#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

struct GetArguments {
  std::string entity;
  std::string key;
  std::vector<std::string> views;
};

std::string target_of(const GetArguments& arguments) {
  std::string target = "/v1/features/" + percent_encode(arguments.entity) + "/" + percent_encode(arguments.key);
  for (const std::string& view : arguments.views) {
    target += (target.find('?') == std::string::npos ? "?views=" : ",") + percent_encode(view);
  }
  return target;
}

bool is_known(const nlohmann::json& answer) {
  for (const auto& feature : list_at(answer, "features")) {
    if (text_at(feature, "status") != "NOT_FOUND") return true;
  }
  return false;
}

void print_features(const nlohmann::json& answer) {
  Table table({{"VIEW"}, {"DIMENSION"}, {"VALUE", Align::kRight}, {"EVENTS", Align::kRight}, {"NEWEST"}});
  for (const auto& feature : list_at(answer, "features")) {
    const std::string view = text_at(feature, "view");
    if (text_at(feature, "status") != "PRESENT") table.add({view, text_at(feature, "status"), "", "", ""});
    for (const auto& entry : list_at(feature, "entries")) {
      table.add({view, text_at(entry, "dimension"), number_text(number_at(entry, "value")),
                 grouped(count_at(entry, "count")), text_at(entry, "newest")});
    }
  }
  print(table.to_string(color_wanted()));
}

void run_get(const GlobalOptions& options, const GetArguments& arguments) {
  const std::string target = target_of(arguments);
  const HttpReply reply = call(options, {.target = target});
  const auto answer = nlohmann::json::parse(reply.body, nullptr, false);
  if (options.json()) {
    print(reply.body + "\n");
  } else {
    print_features(answer);
  }
  if (!is_known(answer)) fail(not_found("nothing is known of " + arguments.entity + " '" + arguments.key + "'"));
}

std::string seconds_text(std::uint64_t seconds) {
  if (seconds == 0) return "-";
  if (seconds % 86400 == 0) return std::to_string(seconds / 86400) + " d";
  if (seconds % 3600 == 0) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds) + " s";
}

void run_views(const GlobalOptions& options) {
  const HttpRequest request{.target = "/v1/feature-views"};
  if (options.json()) return print(call(options, request).body + "\n");
  Table table({{"VIEW"},
               {"ENTITY"},
               {"DIMENSION"},
               {"AGGREGATE"},
               {"HALF-LIFE", Align::kRight},
               {"TTL", Align::kRight},
               {"EVENTS"}});
  const nlohmann::json answer = call_json(options, request);
  for (const auto& view : list_at(answer, "feature_views")) {
    std::string events;
    const nlohmann::json weights = view.value("events", nlohmann::json::object());
    for (const auto& [type, expression] : weights.items()) {
      events += (events.empty() ? "" : ", ") + type + " = " + text_at(weights, type.c_str());
    }
    table.add({text_at(view, "name"), text_at(view, "entity"), text_at(view, "dimension"), text_at(view, "aggregate"),
               seconds_text(count_at(view, "half_life_seconds")), seconds_text(count_at(view, "ttl_seconds")),
               events.empty() ? "every type" : events});
  }
  print(table.to_string(color_wanted()));
}

}  // namespace

void add_features_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("features", "Read features, and list what there is to read");
  command->require_subcommand(1);

  auto* get = command->add_subcommand("get", "What is known of one entity");
  auto arguments = std::make_shared<GetArguments>();
  get->add_option("ENTITY", arguments->entity, "user, place or cell")
      ->required()
      ->check(CLI::IsMember({"user", "place", "cell"}));
  get->add_option("KEY", arguments->key, "The user's or place's id, or a geohash")->required();
  get->add_option("-v,--view", arguments->views, "Only this view; may be repeated")->take_all();
  get->footer(
      examples("  cairn features get user u1\n"
               "  cairn features get place p42 --view place_hourly"));
  get->callback([&options, arguments] { run_get(options, *arguments); });

  auto* views = command->add_subcommand("views", "The feature views in force");
  views->footer(examples("  cairn features views"));
  views->callback([&options] { run_views(options); });
}

}  // namespace cairn::cli
