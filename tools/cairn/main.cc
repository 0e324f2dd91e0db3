#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "cairn/utf8.h"
#include "engine/config/nearest.h"
#include "tools/cairn/commands.h"

namespace {

using namespace cairn;
using namespace cairn::cli;

constexpr const char* kFooter =
    "Exit codes:\n"
    "  0  done\n"
    "  1  the request failed; standard error says why\n"
    "  2  the command line makes no sense\n"
    "  3  no server answers at the address\n"
    "  4  what was asked for does not exist\n"
    "  5  it did not happen in time\n"
    "\n"
    "Environment:\n"
    "  CAIRN_URL  address of the server, unless --url is given\n"
    "  NO_COLOR   when set, nothing is coloured\n"
    "\n"
    "Start here:\n"
    "  cairn doctor\n"
    "  cairn places import places.csv\n"
    "  cairn ingest events.ndjson\n"
    "  cairn recommend --user u1 --at 40.7128,-74.0060";

void add_global_options(CLI::App& app, GlobalOptions& options) {
  const std::map<std::string, OutputFormat> formats = {{"table", OutputFormat::kTable}, {"json", OutputFormat::kJson}};
  app.add_option("--url", options.url, "Server to talk to")->envname("CAIRN_URL")->capture_default_str();
  app.add_option_function<std::string>(
         "-o,--output",
         [&options, formats](const std::string& word) { options.output = choice("--output", word, formats); },
         "table for people, json for programs")
      ->option_text("table|json");
  app.add_flag("-q,--quiet", options.quiet, "No progress and no remarks, only the result");
}

void add_commands(CLI::App& app, const GlobalOptions& options) {
  add_status_command(app, options);
  add_recommend_command(app, options);
  add_features_command(app, options);
  add_places_command(app, options);
  add_users_command(app, options);
  add_events_command(app, options);
  add_ingest_command(app, options);
  add_wait_command(app, options);
  add_consumer_command(app, options);
  add_checkpoint_command(app, options);
  add_categories_command(app, options);
  add_cache_command(app, options);
  add_model_command(app, options);
  add_load_command(app, options);
  add_capacity_command(app, options);
  add_doctor_command(app, options);
  add_config_command(app, options);
  add_sql_command(app, options);
#ifdef CAIRN_CLI_EVALUATE
  add_evaluate_command(app, options);
#endif
#ifdef CAIRN_CLI_TRAIN
  add_train_command(app, options);
#endif
#ifdef CAIRN_CLI_DATASET
  add_dataset_command(app, options);
#endif
  app.add_subcommand("version", "Say which version this is")->callback([&options] {
    const std::string text(version());
    std::printf(options.json() ? "{\"version\":\"%s\"}\n" : "cairn %s\n", text.c_str());
  });
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty()) names.push_back(command->get_name());  // a group of options has none
  }
  return names;
}

/// The first word of the command line that is no command where one has to stand, and what it was probably meant to be;
/// empty when there is no such word.
std::string unknown_command(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* parent = &app;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "-o" || word == "--output" || word == "--url") ++i;  // and its value
    if (word.starts_with('-')) continue;
    const auto names = names_of_commands(*parent);
    if (names.empty()) return {};
    if (std::find(names.begin(), names.end(), word) == names.end()) {
      const std::string meant = config::did_you_mean(word, names);
      return "there is no command '" + config::printable(word) + "'" +
             (meant.empty() ? "; there are " + config::joined(names) : meant);
    }
    parent = parent->get_subcommand(word);
  }
  return {};
}

/// What is sent to a server as JSON is UTF-8; paths that are opened here may be any bytes.
int refuse_bytes(const std::vector<std::string>& words) {
  const auto word = std::find_if(words.begin(), words.end(), [](const std::string& one) { return !is_utf8(one); });
  const std::string which = word == words.end()
                                ? "what was to be sent"
                                : nlohmann::json(*word).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::fprintf(stderr, "cairn: %s\n",
               invalid_argument(which + " is no UTF-8; is the terminal's encoding UTF-8?").to_string().c_str());
  return kExitFailed;
}

int run(int argc, char** argv) {
  CLI::App app("Cairn recommends places from what users do. This is its command line.", "cairn");
  GlobalOptions options;
  add_global_options(app, options);
  app.set_version_flag("--version", "cairn " + std::string(version()));
  app.require_subcommand(1);
  app.fallthrough();  // -o and --url may stand after the command's name as well
  app.footer(kFooter);
  add_commands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const nlohmann::json::type_error& error) {
    constexpr int kNoUtf8 = 316;
    if (error.id != kNoUtf8) throw;
    // Thrown before anything is sent. With the bytes replaced an id would be another user's, and a path another file's.
    return refuse_bytes(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const CLI::RuntimeError& ended) {
    return ended.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      const std::string unknown = unknown_command(app, std::vector<std::string>(argv + 1, argv + argc));
      if (!unknown.empty()) {
        std::fprintf(stderr, "cairn: %s\ncairn: `cairn --help` tells what each does\n", unknown.c_str());
        return kExitUsage;
      }
    }
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `cairn ... | head` ends by the failed write, not by a signal
  const int exit_code = run(argc, argv);
  const bool written = std::fflush(stdout) == 0 && !std::ferror(stdout);
  return exit_code == kExitOk && !written ? kExitFailed : exit_code;
}
