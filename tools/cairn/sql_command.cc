#include <functional>
#include <memory>
#include <string>

#include "cairn/engine.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/output.h"
#include "tools/cairn/vocabulary.h"

namespace cairn::cli {
namespace {

constexpr const char* kDefaultConfig = "/etc/cairn/cairn.toml";

/// The database that a configuration names.
SqlOptions read_options(const std::string& file) {
  const config::ConfigReport report = config::check_config_file(file, config::process_environment(), vocabulary());
  if (!report.ok()) {
    std::fputs(report.problems_text().c_str(), stderr);
    exit_with(kExitFailed);
  }
  if (report.config.engine.sql.dsn.empty()) fail(failed_precondition(file + " names no database: sql.dsn is empty"));
  return report.config.engine.sql;
}

void run_adopt(const GlobalOptions& options, const std::string& file) {
  const SqlOptions sql = read_options(file);
  if (const Status released = adopt_postgres(sql); !released.ok()) fail(released);
  if (!options.quiet) print("schema '" + sql.schema + "' belongs to the state directory that starts on it next\n");
}

void run_restore(const GlobalOptions& options, const std::string& file) {
  const std::uint64_t restored = value_or_fail(restore_postgres_positions(read_options(file)));
  if (!options.quiet) print(grouped(restored) + " positions restored\n");
}

}  // namespace

void add_sql_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("sql", "Mend what keeps Cairn from writing to its PostgreSQL schema");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const char* example, auto run) {
    auto* one = command->add_subcommand(name, what);
    auto file = std::make_shared<std::string>(kDefaultConfig);
    one->add_option("--config", *file, "Configuration file that names the database")->capture_default_str();
    one->footer(examples(example));
    one->callback([&options, file, run] { run(options, *file); });
  };
  add("adopt",
      "Take the schema from the state directory that owns it: it belongs to the one that starts on it next. For a new "
      "state directory on an old database, when the old one is gone for good",
      "  cairn sql adopt --config /etc/cairn/cairn.toml", run_adopt);
  add("restore-positions",
      "Put back the positions of sources that were lost from consumer_positions or moved there by hand, so that no row "
      "is written twice. Stop cairnd first",
      "  cairn sql restore-positions --config /etc/cairn/cairn.toml", run_restore);
}

}  // namespace cairn::cli
