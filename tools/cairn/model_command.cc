#include <algorithm>
#include <memory>
#include <string>

#include "cairn/byte_text.h"
#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

constexpr std::chrono::minutes kLoadTimeout{60};  // a large model, from a slow disk

std::string line(std::string_view label, const std::string& value) {
  std::string text = "  " + std::string(label);
  text.resize(17, ' ');
  return text + value + "\n";
}

std::string count_or_unknown(const nlohmann::json& model, const char* name) {
  return model.contains(name) && model[name].is_number() ? grouped(count_at(model, name)) : "not counted yet";
}

/// How long what is in force stays so.
std::string lasts(const nlohmann::json& model) {
  if (flag_at(model, "as_configured")) return "configured: a restart and SIGHUP load it again";
  const std::string configured = text_at(model, "configured");
  if (configured.empty()) return "until a restart; to keep it, set [model] dir";
  return "until a restart or SIGHUP, which load " + configured + "; to keep it, set [model] dir";
}

/// How who is unknown is answered.
std::string segments_of(const nlohmann::json& model) {
  const std::uint64_t count = count_at(model, "segments");
  return count == 0 ? "none: who is unknown is answered by popularity" : grouped(count) + " of users";
}

void add_failure(const nlohmann::json& model, std::string* text) {
  if (!model.contains("last_failure") || !model["last_failure"].is_object()) return;
  const nlohmann::json& failure = model["last_failure"];
  *text += line("last failure", text_at(failure, "at") + " " + text_at(failure, "directory")) +
           line("", text_at(failure, "reason"));
}

std::string ranker_summary(const nlohmann::json& ranker) {
  const auto named = [](const std::string& directory) {
    return directory.empty() ? std::string("the one that ships with Cairn") : directory;
  };
  std::string text = "places are scored by the ranker: " + named(text_at(ranker, "directory")) + "\n" +
                     line("version", std::to_string(count_at(ranker, "version"))) +
                     line("network", flag_at(ranker, "network") ? "corrects the order of the best" : "none");
  if (!flag_at(ranker, "as_configured")) {
    text += line("lasts", "until a restart or SIGHUP, which load " + named(text_at(ranker, "configured")) +
                              "; to keep it, set [ranking] ranker");
  }
  add_failure(ranker, &text);
  return text;
}

std::string summary(const nlohmann::json& model) {
  std::string text;
  if (flag_at(model, "in_force")) {
    text =
        "a model is in force: " + text_at(model, "directory") + "\n" + line("version", text_at(model, "version")) +
        line("kind", text_at(model, "kind")) + line("loaded", text_at(model, "loaded")) +
        line("memory", byte_text(count_at(model, "memory_bytes"))) +
        line("items", grouped(count_at(model, "items")) +
                          ", of these no places of the catalogue: " + count_or_unknown(model, "items_without_place")) +
        line("unknown places", count_or_unknown(model, "places_without_item")) + line("segments", segments_of(model)) +
        line("lasts", lasts(model));
  } else {
    const std::string configured = text_at(model, "configured");
    text = "no model is in force\n" + (configured.empty() ? "" : line("configured", configured));
  }
  add_failure(model, &text);
  if (model.contains("ranker") && model["ranker"].is_object()) text += ranker_summary(model["ranker"]);
  return text;
}

/// A terminal must not obey what stands in a server's message.
void print_plainly(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7F; }, '?');
  print(text);
}

void show(const GlobalOptions& options, const HttpRequest& request) {
  if (options.json()) return print(call(options, request).body + "\n");
  print_plainly(summary(call_json(options, request)));
}

void add_status(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("status", "Which model is in force, since when, and what it knows of the places");
  command->footer(
      "Items that are no places cannot be recommended; places that the model does not know get nothing from it. When "
      "many\n"
      "are either, train again, or look whether the ids of the training data are those of the catalogue.\n\n" +
      examples("  cairn model status\n"
               "  cairn -o json model status | jq -r .version"));
  command->callback([&options] { show(options, {.target = "/v1/model"}); });
}

void add_activate(CLI::App& app, const GlobalOptions& options) {
  auto* command =
      app.add_subcommand("activate", "Load another model or ranker and put it in force, while the server runs");
  auto directory = std::make_shared<std::string>();
  command
      ->add_option("DIR", *directory,
                   "A model's or ranker's directory on the server's disk: its name in model.root, or the path")
      ->required();
  command->footer(
      "All of it is read and checked first; then it replaces the one in force in one step. With any failure that one "
      "stays,\n"
      "and the reason is told here and by cairn model status. Only directories in the server's folder model.root can "
      "be\n"
      "named; unless it is set, that is the folder in which model.dir lies, or without one ranking.ranker.\n\n"
      "What is activated lasts until a restart or a SIGHUP, which load model.dir and ranking.ranker again. To keep it, "
      "set\n"
      "that, or keep it a link and let it lead to the new model.\n\n" +
      examples("  cairn train --kind best --events events.ndjson --out /var/lib/cairn-models/$(date +%F)\n"
               "  cairn model activate $(date +%F)\n"
               "  cairn model activate /var/lib/cairn-models/2024-05-01\n"
               "  cairn train --kind ranker --events events.ndjson --places places.csv --out "
               "/var/lib/cairn-models/ranker\n"
               "  cairn model activate ranker"));
  command->callback([&options, directory] {
    const std::string body = nlohmann::json({{"dir", *directory}}).dump();
    show(options, {.method = "POST", .target = "/v1/model/activate", .body = body, .timeout = kLoadTimeout});
  });
}

}  // namespace

void add_model_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand(
      "model", "The trained model and the ranker that a server serves with: which they are, and others");
  command->require_subcommand(1);
  add_status(*command, options);
  add_activate(*command, options);
}

}  // namespace cairn::cli
