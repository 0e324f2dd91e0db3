#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/status.h"

namespace cairn::cli {

/// How `cairn` ends. Scripts depend on these; `cairn --help` lists them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,       ///< the request was understood and failed
  kExitUsage = 2,        ///< the command line makes no sense
  kExitUnreachable = 3,  ///< no server answers at the address
  kExitNotFound = 4,     ///< what was asked for does not exist
  kExitTimeout = 5,      ///< it did not happen in time
};

enum class OutputFormat : std::uint8_t { kTable, kJson };

/// Options that stand before the command's name. Parsed by the time a command's callback runs.
struct GlobalOptions {
  std::string url = "http://127.0.0.1:7077";  ///< --url, else the environment's CAIRN_URL
  OutputFormat output = OutputFormat::kTable;
  bool quiet = false;  ///< nothing but the result: no progress, no remarks

  [[nodiscard]] bool json() const noexcept { return output == OutputFormat::kJson; }
};

/// Ends the program with this exit code, from inside a command's callback. A command that succeeded returns instead.
[[noreturn]] void exit_with(int exit_code);
/// Writes "cairn: CODE: message" to standard error and ends with the exit code that the status stands for.
[[noreturn]] void fail(const Status& status);
/// The value of a result, or fail() with its status.
template <class T>
[[nodiscard]] T value_or_fail(Result<T> result) {
  if (!result.ok()) fail(result.status());
  return *std::move(result);
}
/// The exit code a status stands for: NOT_FOUND 4, DEADLINE_EXCEEDED 5, everything else 1.
[[nodiscard]] int exit_code_of(StatusCode code) noexcept;

/// A command's help: what it does, then examples.
[[nodiscard]] std::string examples(std::string_view lines);

/// Checks an option that counts from 1: CLI11's own range would write the largest number out.
[[nodiscard]] CLI::Validator from_one();
/// The same from 0: seeds, of which CLI11 would take -1 for a very large one.
[[nodiscard]] CLI::Validator from_zero();
/// A number from `low` to `high`, and not NaN, which CLI::Range lets pass.
[[nodiscard]] CLI::Validator between(double low, double high);

/// The value that a word of an option stands for; ends with a usage error that names the words when it is none of them.
template <class Value>
[[nodiscard]] Value choice(const std::string& option, std::string word, const std::map<std::string, Value>& words) {
  word = CLI::detail::to_lower(word);
  if (const auto found = words.find(word); found != words.end()) return found->second;
  std::string known;
  for (const auto& [name, value] : words) known += (known.empty() ? "" : ", ") + name;
  throw CLI::ValidationError(option, "'" + word + "' is none of its words, which are " + known);
}

/// Each adds one command to `app`; `options` must outlive it.
void add_status_command(CLI::App& app, const GlobalOptions& options);
void add_recommend_command(CLI::App& app, const GlobalOptions& options);
void add_features_command(CLI::App& app, const GlobalOptions& options);
void add_places_command(CLI::App& app, const GlobalOptions& options);
void add_categories_command(CLI::App& app, const GlobalOptions& options);
void add_users_command(CLI::App& app, const GlobalOptions& options);
void add_events_command(CLI::App& app, const GlobalOptions& options);
void add_ingest_command(CLI::App& app, const GlobalOptions& options);
void add_checkpoint_command(CLI::App& app, const GlobalOptions& options);
void add_consumer_command(CLI::App& app, const GlobalOptions& options);
void add_wait_command(CLI::App& app, const GlobalOptions& options);
void add_cache_command(CLI::App& app, const GlobalOptions& options);
void add_model_command(CLI::App& app, const GlobalOptions& options);
void add_load_command(CLI::App& app, const GlobalOptions& options);
void add_capacity_command(CLI::App& app, const GlobalOptions& options);
void add_doctor_command(CLI::App& app, const GlobalOptions& options);
void add_sql_command(CLI::App& app, const GlobalOptions& options);
void add_config_command(CLI::App& app, const GlobalOptions& options);
void add_evaluate_command(CLI::App& app, const GlobalOptions& options);
void add_dataset_command(CLI::App& app, const GlobalOptions& options);
void add_train_command(CLI::App& app, const GlobalOptions& options);

}  // namespace cairn::cli
