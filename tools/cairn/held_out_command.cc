#include "tools/cairn/held_out_command.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cairn/rfc3339.h"
#include "engine/learning/evaluate/held_out.h"
#include "engine/learning/interactions.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

void print_json(const model::Model& measured, const learning::HeldOutReport& report, double seconds) {
  const nlohmann::ordered_json json = {{"recall@20", report.metrics.recall_at_20},
                                       {"recall@50", report.metrics.recall_at_50},
                                       {"ndcg@20", report.metrics.ndcg_at_20},
                                       {"ndcg@100", report.metrics.ndcg_at_100},
                                       {"users", report.users},
                                       {"cold_users", report.cold_users},
                                       {"test_pairs", report.test_pairs},
                                       {"unknown_pairs", report.unknown_pairs},
                                       {"items", measured.items.size()},
                                       {"kind", measured.kind},
                                       {"seconds", seconds}};
  print_as_json(json);
}

void print_table(const model::Model& measured, const learning::HeldOutReport& report, double seconds) {
  print(grouped(report.users) + " users, " + grouped(report.cold_users) + " of them without history; " +
        grouped(report.test_pairs) + " pairs to find among " + grouped(measured.items.size()) + " items, " +
        grouped(report.unknown_pairs) + " of them unknown to the model; " + number_text(seconds) + " s\n\n");
  Table table({{"MODEL"},
               {"RECALL@20", Align::kRight},
               {"RECALL@50", Align::kRight},
               {"NDCG@20", Align::kRight},
               {"NDCG@100", Align::kRight}});
  const learning::HeldOutMetrics& metrics = report.metrics;
  table.add({measured.kind, four_decimals(metrics.recall_at_20), four_decimals(metrics.recall_at_50),
             four_decimals(metrics.ndcg_at_20), four_decimals(metrics.ndcg_at_100)});
  print(table.to_string(color_wanted()));
}

learning::SplitInteractions read_parts(const HeldOutArguments& arguments) {
  if (arguments.events.empty()) {
    if (arguments.train.empty() || arguments.test.empty()) {
      throw CLI::ValidationError("--model", "needs --train and --test, or --events and --split-at");
    }
    return {value_or_fail(learning::read_lightgcn(arguments.train)),
            value_or_fail(learning::read_lightgcn(arguments.test))};
  }
  const std::optional<EventTime> at = parse_rfc3339(arguments.split_at);
  if (!at) {
    throw CLI::ValidationError("--split-at",
                               "'" + arguments.split_at + "' is no time; write it like 2024-05-01T00:00:00Z");
  }
  return value_or_fail(learning::read_split_events(arguments.events, *at));
}

}  // namespace

CLI::Option* add_held_out_options(CLI::App* command, HeldOutArguments* arguments) {
  CLI::Option* model =
      command->add_option("--model", arguments->model, "Instead of a replay: measure this model directory")
          ->type_name("DIR");
  CLI::Option* train =
      command
          ->add_option("--train", arguments->train,
                       "With --model: what users had before, which is not ranked; one line a user: USER ITEM ITEM ...")
          ->type_name("FILE")
          ->needs(model);
  CLI::Option* test = command->add_option("--test", arguments->test, "With --model: what they had later, to be found")
                          ->type_name("FILE")
                          ->needs(model);
  CLI::Option* events =
      command
          ->add_option("--events", arguments->events,
                       "With --model, instead of --train and --test: NDJSON interactions, parted at --split-at")
          ->type_name("FILE")
          ->needs(model)
          ->excludes(train)
          ->excludes(test);
  CLI::Option* split_at =
      command
          ->add_option("--split-at", arguments->split_at,
                       "With --events: what lies before this RFC 3339 time is what users had, the rest is to be found. "
                       "Train the model on what lies before it as well")
          ->type_name("TIME")
          ->needs(events);
  events->needs(split_at);
  command->add_option("--threads", arguments->threads, "With --model: 0: every processor")
      ->capture_default_str()
      ->needs(model);
  return model;
}

void run_held_out(const HeldOutArguments& arguments, const GlobalOptions& global) {
  const auto started = std::chrono::steady_clock::now();
  const auto [train, test] = read_parts(arguments);
  const model::Model measured = value_or_fail(model::load_model(arguments.model));
  Progress progress("users ranked for", global.quiet);
  const learning::HeldOutOptions options{.threads = arguments.threads,
                                         .progress = [&](std::size_t done, std::size_t) { progress.update(done); }};
  const auto report = learning::measure_held_out(measured, train, test, options);
  progress.clear();
  if (!report.ok()) fail(report.status());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  global.json() ? print_json(measured, *report, took.count()) : print_table(measured, *report, took.count());
}

}  // namespace cairn::cli
