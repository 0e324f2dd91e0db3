#include <memory>
#include <nlohmann/json.hpp>

#include "cairn/state_dir.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/output.h"
#include "tools/cairn/vocabulary.h"

namespace cairn::cli {
namespace {

std::string name_of(config::Origin origin) {
  switch (origin) {
    case config::Origin::kFile:
      return "file";
    case config::Origin::kEnvironment:
      return "environment";
    case config::Origin::kDefault:
      break;
  }
  return "default";
}

std::string dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

config::ConfigReport read(const std::string& file) {
  return config::check_config_file(file, config::process_environment(), vocabulary());
}

nlohmann::json list_of(const std::vector<config::Problem>& problems) {
  nlohmann::json list = nlohmann::json::array();
  for (const config::Problem& problem : problems) {
    list.push_back({{"place", problem.place}, {"message", problem.message}});
  }
  return list;
}

void run_check(const GlobalOptions& options, const std::string& file) {
  config::Vocabulary words = vocabulary();
  words.check_state_dir = check_state_dir;  // a start is meant
  const config::ConfigReport report = config::check_config_file(file, config::process_environment(), words);
  if (options.json()) {
    print(dump({{"ok", report.ok()}, {"problems", list_of(report.problems)}, {"warnings", list_of(report.warnings)}}));
  } else if (std::fputs(report.warnings_text().c_str(), stderr); !report.ok()) {
    std::fputs(report.problems_text().c_str(), stderr);
  } else if (!options.quiet) {
    print(file + ": no problems\n");
  }
  if (!report.ok()) exit_with(kExitFailed);
}

void run_show(const GlobalOptions& options, const std::string& file, bool with_origin) {
  const config::ConfigReport report = read(file);
  if (!report.ok()) {
    std::fputs(report.problems_text().c_str(), stderr);
    exit_with(kExitFailed);
  }
  if (!options.json()) {
    return print(config::show_settings(report, with_origin ? config::ShowOrigin::kYes : config::ShowOrigin::kNo));
  }
  nlohmann::json settings = nlohmann::json::array();
  for (const config::Setting& setting : report.settings) {
    settings.push_back({{"key", setting.key},
                        {"value", setting.value},
                        {"origin", name_of(setting.origin)},
                        {"place", setting.place}});
  }
  print(dump({{"settings", settings}}));
}

}  // namespace

void add_config_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("config", "Check, show and begin configuration files");
  command->require_subcommand(1);
  auto file = std::make_shared<std::string>();
  auto with_origin = std::make_shared<bool>(false);

  auto* check = command->add_subcommand("check", "Report every problem of a file and the environment's overrides");
  check->add_option("FILE", *file, "A configuration file")->required();
  check->footer(examples("  cairn config check /etc/cairn/cairn.toml"));
  check->callback([&options, file] { run_check(options, *file); });

  auto* show = command->add_subcommand("show", "Every setting in force; secrets stand as ***");
  show->add_option("FILE", *file, "A configuration file")->required();
  show->add_flag("--origin", *with_origin, "Say where each value comes from");
  show->footer(examples("  cairn config show /etc/cairn/cairn.toml --origin"));
  show->callback([&options, file, with_origin] { run_show(options, *file, *with_origin); });

  auto* sample = command->add_subcommand("sample", "A file that documents every key with its unit and default");
  sample->footer(examples("  cairn config sample > cairn.toml"));
  sample->callback([] { print(config::sample_config()); });
}

}  // namespace cairn::cli
