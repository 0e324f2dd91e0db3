#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

/// Looking an event up may mean reading a long log.
constexpr std::chrono::minutes kTimeout{10};

std::string all_of(std::istream& in) { return {std::istreambuf_iterator<char>(in), {}}; }

/// JSON as it is given, @FILE, or - for standard input.
std::string given_json(const std::string& option, const std::string& text) {
  if (text == "-") return all_of(std::cin);
  if (!text.starts_with("@")) return text;
  std::ifstream file(text.substr(1), std::ios::binary);
  if (!file) throw CLI::ValidationError(option, "'" + text.substr(1) + "' cannot be read");
  return all_of(file);
}

void print_ack(const GlobalOptions& options, const nlohmann::json& ack) {
  if (options.json()) return print_as_json(ack);
  if (options.quiet) return;
  const std::string instead = text_at(ack, "replaced_by");
  print("event " + text_at(ack, "event_id") + " counts no more" +
        (instead.empty() ? std::string() : "; instead counts " + instead) + "\n");
}

void correct(const GlobalOptions& options, std::string_view method, const std::string& id, const std::string& body) {
  const std::string target = "/v1/interactions/" + percent_encode(id);
  print_ack(options, call_json(options, {.method = method, .target = target, .body = body, .timeout = kTimeout}));
}

}  // namespace

void add_events_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("events", "Correct events that were wrong: take them back, or replace them");
  command->require_subcommand(1);
  struct Arguments {
    std::string id;
    std::string original;
    std::string instead;
  };
  auto arguments = std::make_shared<Arguments>();
  const char* const original =
      "The event as it was sent: JSON, @FILE, or - for standard input; without it the server looks the event up";

  auto* retract = command->add_subcommand("retract", "An event counts no more, nor when it comes later");
  retract->add_option("EVENT_ID", arguments->id, "The event's event_id")->required();
  retract->add_option("--original", arguments->original, original);
  retract->footer(
      examples("  cairn events retract e42\n"
               "  cairn events retract e41 --original "
               "'{\"user_id\":\"u1\",\"place_id\":\"p1\",\"type\":\"visit\",\"ts\":1735732800000}'"));
  retract->callback([&options, arguments] {
    correct(options, "DELETE", arguments->id,
            arguments->original.empty() ? "" : given_json("--original", arguments->original));
  });

  auto* replace = command->add_subcommand("replace", "An event counts no more, and another one does");
  replace->add_option("EVENT_ID", arguments->id, "The event_id of what was wrong")->required();
  replace
      ->add_option("--with", arguments->instead,
                   "What counts instead: JSON, @FILE, or - for standard input; with an event_id of its own, or it is "
                   "given one")
      ->required();
  replace->add_option("--original", arguments->original, original);
  replace->footer(
      examples("  cairn events replace e43 --with "
               "'{\"user_id\":\"u1\",\"place_id\":\"p2\",\"type\":\"visit\",\"ts\":1735732800000}'\n"
               "  cairn events replace e44 --original @wrong.json --with @right.json"));
  replace->callback([&options, arguments] {
    const std::string instead = given_json("--with", arguments->instead);
    correct(options, "PUT", arguments->id,
            arguments->original.empty() ? instead
                                        : "[" + given_json("--original", arguments->original) + "," + instead + "]");
  });
}

}  // namespace cairn::cli
