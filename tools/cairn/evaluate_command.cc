#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/learning/datasets/city.h"
#include "engine/learning/datasets/traces.h"
#include "engine/learning/evaluate/replay.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/held_out_command.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

struct ReplayArguments {
  std::string dataset = "city";
  std::string data;
  std::string ask_from = "0.8";
  std::uint64_t ask_every = 1;
  std::uint64_t seed = 1;
};

Result<datasets::Dataset> load(const ReplayArguments& arguments) {
  if (arguments.dataset == "city") {
    datasets::CityOptions options;
    options.seed = arguments.seed;
    return datasets::generate_city(options);
  }
  if (arguments.data.empty()) {
    return invalid_argument("--dataset " + arguments.dataset + " needs --data DIR, the folder with its files");
  }
  return arguments.dataset == "foursquare" ? datasets::load_foursquare(arguments.data)
                                           : datasets::load_gowalla(arguments.data);
}

void print_json(const learning::ReplayReport& report) {
  nlohmann::ordered_json json = {{"dataset", report.dataset}, {"interactions", report.interactions},
                                 {"warm_up", report.warm_up}, {"questions", report.questions},
                                 {"places", report.places},   {"seconds", report.seconds}};
  for (const learning::NextPlaceMetrics& one : report.metrics) {
    json[one.method] = {{"acc@1", one.acc_at_1},
                        {"acc@5", one.acc_at_5},
                        {"acc@10", one.acc_at_10},
                        {"recall@20", one.recall_at_20},
                        {"mrr", one.mrr}};
  }
  print(json.dump() + "\n");
}

void print_table(const learning::ReplayReport& report) {
  print(report.dataset + ": " + grouped(report.questions) + " questions over " + grouped(report.places) +
        " places, after " + grouped(report.warm_up) + " of " + grouped(report.interactions) + " interactions\n\n");
  Table table({{"METHOD"},
               {"ACC@1", Align::kRight},
               {"ACC@5", Align::kRight},
               {"ACC@10", Align::kRight},
               {"RECALL@20", Align::kRight},
               {"MRR", Align::kRight}});
  for (const learning::NextPlaceMetrics& one : report.metrics) {
    table.add({one.method, four_decimals(one.acc_at_1), four_decimals(one.acc_at_5), four_decimals(one.acc_at_10),
               four_decimals(one.recall_at_20), four_decimals(one.mrr)});
  }
  print(table.to_string(color_wanted()));
}

void run_replay(const ReplayArguments& arguments, const GlobalOptions& global) {
  learning::ReplayOptions options;
  options.ask_every = arguments.ask_every;
  if (const Status set = learning::set_ask_from(arguments.ask_from, &options); !set.ok()) fail(set);
  const auto dataset = load(arguments);
  if (!dataset.ok()) fail(dataset.status());
  Progress progress("interactions of " + grouped(dataset->interactions.size()) + " replayed", global.quiet);
  options.progress = [&progress](std::size_t done, std::size_t) { progress.update(done); };
  const auto report = learning::replay(*dataset, options);
  progress.clear();
  if (!report.ok()) fail(report.status());
  global.json() ? print_json(*report) : print_table(*report);
}

}  // namespace

void add_evaluate_command(CLI::App& app, const GlobalOptions& options) {
  auto arguments = std::make_shared<ReplayArguments>();
  auto held_out = std::make_shared<HeldOutArguments>();
  CLI::App* command = app.add_subcommand(
      "evaluate", "Replay a dataset in time order and measure how well the next place is foreseen, or measure a model");
  CLI::Option* dataset =
      command
          ->add_option("--dataset", arguments->dataset, "city (made up), foursquare or gowalla (published check-ins)")
          ->check(CLI::IsMember({"city", "foursquare", "gowalla"}))
          ->capture_default_str();
  command->add_option("--data", arguments->data, "folder with the published files")->type_name("DIR");
  command
      ->add_option("--ask-from", arguments->ask_from,
                   "share of the interactions, or RFC 3339 time, before which nothing is asked")
      ->type_name("SHARE|TIME")
      ->capture_default_str();
  command->add_option("--ask-every", arguments->ask_every, "ask about one interaction in so many")
      ->check(from_one())
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "which city is made up")->type_name("N")->capture_default_str();
  add_held_out_options(command, held_out.get())->excludes(dataset);
  command->footer(
      examples("  cairn evaluate\n"
               "  cairn evaluate --dataset foursquare --data ~/check-ins --ask-from 0.8 -o json\n"
               "  cairn evaluate --model model --train train.txt.gz --test test.txt.gz -o json"));
  command->callback([arguments, held_out, &options] {
    held_out->model.empty() ? run_replay(*arguments, options) : run_held_out(*held_out, options);
  });
}

}  // namespace cairn::cli
