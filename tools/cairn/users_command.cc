#include <cstdio>
#include <memory>
#include <string>

#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

/// Rewriting a long log takes its time.
constexpr std::chrono::minutes kTimeout{60};

void print_receipt(const nlohmann::json& receipt, bool quiet) {
  Table table({{"WHERE"}, {"ERASED", Align::kRight}, {"WHAT"}, {"STATE"}});
  for (const auto& part : list_at(receipt, "parts")) {
    table.add({text_at(part, "where"), grouped(count_at(part, "erased")), text_at(part, "what"),
               flag_at(part, "done") ? "done" : "waits: " + text_at(part, "detail")});
  }
  print(table.to_string(color_wanted()));
  if (quiet) return;
  print("events of the user up to " + text_at(receipt, "refused_until") + " are refused from now on\n");
  for (const auto& name : list_at(receipt, "checkpoints")) {
    if (name.is_string()) print("not touched: checkpoint " + name.get<std::string>() + "\n");
  }
}

void run_erase(const GlobalOptions& options, const std::string& id) {
  const std::string target = "/v1/users/" + percent_encode(id);
  const nlohmann::json receipt = call_json(options, {.method = "DELETE", .target = target, .timeout = kTimeout});
  if (options.json()) {
    print_as_json(receipt);
  } else {
    print_receipt(receipt, options.quiet);
  }
  if (flag_at(receipt, "complete")) return;
  std::fprintf(stderr, "cairn: not all is erased yet; the server tries again until it is, also after a restart\n");
  exit_with(kExitTimeout);
}

void run_export(const GlobalOptions& options, const std::string& id) {
  const std::string target = "/v1/users/" + percent_encode(id) + "/export";
  print(call(options, {.target = target, .timeout = kTimeout}).body + "\n");
}

}  // namespace

void add_users_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("users", "What is known of a user: told, or erased");
  command->require_subcommand(1);

  auto* erase = command->add_subcommand(
      "erase", "Erase a user, and refuse what sources bring again of before; exit code 5 when a part has to wait");
  auto erased = std::make_shared<std::string>();
  erase->add_option("ID", *erased, "The user's id")->required();
  erase->footer(
      examples("  cairn users erase u42\n"
               "  cairn -o json users erase u42 > receipt.json"));
  erase->callback([&options, erased] { run_erase(options, *erased); });

  auto* tell = command->add_subcommand("export", "All that is known of a user, as JSON");
  auto told = std::make_shared<std::string>();
  tell->add_option("ID", *told, "The user's id")->required();
  tell->footer(examples("  cairn users export u42 > u42.json"));
  tell->callback([&options, told] { run_export(options, *told); });
}

}  // namespace cairn::cli
