#include "tools/cairnd/arguments.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tools/cairnd/exit_code.h"

namespace cairn::cairnd {
namespace {

constexpr std::string_view kIntroduction =
    "Cairn: keeps features fresh from a stream of interactions and recommends places.\n"
    "Runs in the foreground until SIGTERM; logs to standard error.";

constexpr std::string_view kLessons =
    "First steps:\n"
    "  cairnd --print-sample-config > cairn.toml        every key, with its default\n"
    "  cairnd --config cairn.toml --check-config        every mistake at once, with line and column\n"
    "  cairnd --config cairn.toml --show-config         what is in effect, and where it comes from\n"
    "  CAIRN_STATE__DIR=./state cairnd --config cairn.toml\n"
    "  curl http://127.0.0.1:7077/readyz\n"
    "\n"
    "Configuration:\n"
    "  An environment variable CAIRN_<SECTION>__<KEY> overrides the file, which overrides the defaults.\n"
    "  Keep the database's connection string in a file of its own: sql.dsn_file, or CAIRN_SQL__DSN_FILE.\n"
    "\n"
    "Signals:\n"
    "  TERM, INT  stop: refuse new requests, finish those in flight (http.drain_timeout; 503 to those that wait for "
    "an\n"
    "             offset or a consumer), store everything, exit 0\n"
    "             a second one ends the process at once; what was acknowledged is on disk either way\n"
    "  HUP        check the configuration again, apply log.level, load the model in model.dir again, and log which\n"
    "             keys need a restart; a model that cannot be loaded leaves the one before in force\n"
    "\n"
    "Exit codes:\n"
    "  0  stopped as asked\n"
    "  1  failed; the last log record says why\n"
    "  2  wrong arguments or configuration\n"
    "  3  the state directory is held by another process, or was written by another version\n"
    "  4  something else listens on http.listen\n"
    "  5  the state directory is damaged; cairn doctor --deep names every file";

/// One of the modes that print something and exit.
void add_mode(CLI::App* app, const char* name, const char* doc, Arguments::Mode mode, Arguments* arguments) {
  app->add_flag_callback(
      name, [mode, arguments] { arguments->mode = mode; }, doc);
}

void exclude_each_other(CLI::App* app, std::initializer_list<const char*> names) {
  for (const char* a : names) {
    for (const char* b : names) {
      if (a != b) app->get_option(a)->excludes(app->get_option(b));
    }
  }
}

}  // namespace

std::optional<Arguments> parse_arguments(int argc, const char* const* argv, std::string_view version, int* exit_code) {
  Arguments arguments;
  CLI::App app{std::string(kIntroduction), "cairnd"};
  app.footer(std::string(kLessons));
  app.set_version_flag("--version", "cairnd " + std::string(version));
  app.add_option("--config", arguments.config_path, "The configuration file")->type_name("FILE")->capture_default_str();
  add_mode(&app, "--check-config", "Check file and environment, report every problem, exit",
           Arguments::Mode::kCheckConfig, &arguments);
  add_mode(&app, "--show-config", "Print what is in effect and where it comes from (secrets as ***), exit",
           Arguments::Mode::kShowConfig, &arguments);
  add_mode(&app, "--print-sample-config", "Print a file that documents every key, exit",
           Arguments::Mode::kPrintSampleConfig, &arguments);
  app.add_flag(
      "--accept-log-loss", arguments.accept_log_loss,
      "Start although acknowledged events or places are lost, and go on without them. For one start, after the "
      "refusal that names what is lost; each loss is logged");
  exclude_each_other(&app, {"--check-config", "--show-config", "--print-sample-config"});
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? kExitOk : kExitConfiguration;
    return std::nullopt;
  }
  return arguments;
}

}  // namespace cairn::cairnd
