#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cairn/rfc3339.h"
#include "engine/learning/evaluate/replay.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/held_out_command.h"
#include "tools/cairn/output.h"
#include "tools/cairn/ranker_command.h"
#include "tools/cairn/streams.h"

namespace cairn::cli {
namespace {

struct ReplayArguments {
  std::string dataset = "city";
  std::string data;
  std::string ask_from = "0.8";
  std::uint64_t ask_every = 1;
  std::uint64_t seed = 1;
  std::string answers;
  std::string ranker;
  std::string objective = "next";
};

void print_json(const learning::ReplayReport& report, const std::string& objective) {
  nlohmann::ordered_json json = {
      {"dataset", report.dataset}, {"objective", objective},        {"interactions", report.interactions},
      {"warm_up", report.warm_up}, {"questions", report.questions}, {"places", report.places},
      {"seconds", report.seconds}};
  for (const learning::NextPlaceMetrics& one : report.metrics) {
    json[one.method] = {{"acc@1", one.acc_at_1},
                        {"acc@1_interval", {one.acc_at_1_interval.low, one.acc_at_1_interval.high}},
                        {"acc@5", one.acc_at_5},
                        {"acc@10", one.acc_at_10},
                        {"recall@20", one.recall_at_20},
                        {"mrr", one.mrr},
                        {"mrr_interval", {one.mrr_interval.low, one.mrr_interval.high}}};
  }
  print_as_json(json);
}

std::string interval_text(const learning::Interval& interval) {
  return four_decimals(interval.low) + " to " + four_decimals(interval.high);
}

void print_table(const learning::ReplayReport& report) {
  print(report.dataset + ": " + grouped(report.questions) + " questions over " + grouped(report.places) +
        " places, after " + grouped(report.warm_up) + " of " + grouped(report.interactions) + " interactions\n\n");
  Table table({{"METHOD"},
               {"ACC@1", Align::kRight},
               {"ACC@5", Align::kRight},
               {"ACC@10", Align::kRight},
               {"RECALL@20", Align::kRight},
               {"MRR", Align::kRight},
               {"ACC@1 95 %"},
               {"MRR 95 %"}});
  for (const learning::NextPlaceMetrics& one : report.metrics) {
    table.add({one.method, four_decimals(one.acc_at_1), four_decimals(one.acc_at_5), four_decimals(one.acc_at_10),
               four_decimals(one.recall_at_20), four_decimals(one.mrr), interval_text(one.acc_at_1_interval),
               interval_text(one.mrr_interval)});
  }
  print(table.to_string(color_wanted()));
}

/// A line a question, as comma-separated values, so that any subset of them can be measured afterwards.
class AnswersFile {
 public:
  explicit AnswersFile(const std::string& path) : path_(path), out_(path) {
    out_ << "user_id,time,expected_rank,score\n";
  }

  Status add(const learning::ReplayAnswer& answer) {
    out_ << quoted(answer.truth.user.str()) << ',' << format_rfc3339(answer.truth.time) << ','
         << number_text(answer.expected_rank) << ',' << answer.score << '\n';
    return state();
  }
  Status close() {
    out_.close();
    return state();
  }

 private:
  [[nodiscard]] Status state() const {
    return out_.fail() ? unavailable(path_ + ": cannot be written; check that the folder exists and has space")
                       : ok_status();
  }
  /// An id may hold commas, quotes and line ends (RFC 4180).
  static std::string quoted(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + '"';
  }
  /// Ranks are whole or halves.
  static std::string number_text(double rank) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.1f", rank);
    return buffer;
  }

  const std::string path_;
  std::ofstream out_;
};

/// "auto" is trained on what lies before the first question, so that it knows nothing of the answers; and so is its
/// model of items.
learning::RankerWithItems ranker_of(const ReplayArguments& arguments, const datasets::Dataset& dataset,
                                    const learning::ReplayOptions& options, const GlobalOptions& global) {
  if (arguments.ranker != "auto") return value_or_fail(learning::load_ranker(arguments.ranker));
  const std::size_t end = learning::first_asked(dataset, options);
  const learning::Stream before{dataset.places, std::span(dataset.interactions).first(end), dataset.types};
  auto trained = train_ranker_on(before, {.objective = options.objective, .seed = arguments.seed}, global);
  return value_or_fail(learning::serve_ranker(std::move(trained)));
}

void run_replay(const ReplayArguments& arguments, const GlobalOptions& global) {
  learning::ReplayOptions options;
  options.ask_every = arguments.ask_every;
  options.objective = objective_of(arguments.objective);
  if (const Status set = learning::set_ask_from(arguments.ask_from, &options); !set.ok()) fail(set);
  const auto dataset = load_dataset(arguments.dataset, arguments.data, arguments.seed);
  if (!dataset.ok()) fail(dataset.status());
  if (!arguments.ranker.empty()) {
    learning::RankerWithItems served = ranker_of(arguments, *dataset, options, global);
    options.ranker = std::move(served.ranker);
    options.items = std::move(served.items);
  }
  Progress progress("interactions of " + grouped(dataset->interactions.size()) + " replayed", global.quiet);
  options.progress = [&progress](std::size_t done, std::size_t) { progress.update(done); };
  std::optional<AnswersFile> answers;
  if (!arguments.answers.empty()) {
    answers.emplace(arguments.answers);
    options.answered = [&answers](const learning::ReplayAnswer& answer) { return answers->add(answer); };
  }
  const auto report = learning::replay(*dataset, options);
  progress.clear();
  if (!report.ok()) fail(report.status());
  if (answers) {
    if (const Status closed = answers->close(); !closed.ok()) fail(closed);
  }
  global.json() ? print_json(*report, arguments.objective) : print_table(*report);
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
  CLI::Option* objective =
      command
          ->add_option(
              "--objective", arguments->objective,
              "ask for every next place (next), or only for a user's first visits to places, among places that "
              "the user has not been to (new)")
          ->check(CLI::IsMember({"next", "new"}))
          ->capture_default_str();
  command->add_option("--seed", arguments->seed, "which city is made up")
      ->type_name("N")
      ->check(from_zero())
      ->capture_default_str();
  command
      ->add_option(
          "--answers", arguments->answers,
          "write one line a question here: user, time, and expected rank and score of the place that was next, so that "
          "the subset of any protocol can be measured")
      ->type_name("FILE");
  command
      ->add_option("--ranker", arguments->ranker,
                   "score with the ranker in this directory, or with one that is trained on what lies before the first "
                   "question (auto), and with the model of items that it was trained with, if any; the row 'linear' is "
                   "its linear stage alone, the row 'item_model' that model alone. Default: the one that ships")
      ->type_name("DIR|auto")
      ->check(CLI::Validator([](std::string& text) { return std::string(text.empty() ? "is empty" : ""); }, ""));
  add_held_out_options(command, held_out.get())->excludes(dataset)->excludes(objective);
  command->footer(
      examples("  cairn evaluate\n"
               "  cairn evaluate --dataset foursquare --data ~/check-ins --ask-from 0.8 -o json\n"
               "  cairn evaluate --dataset foursquare --data ~/check-ins --ranker auto\n"
               "  cairn evaluate --dataset foursquare --data ~/check-ins --objective new --ranker auto\n"
               "  cairn evaluate --dataset gowalla --data ~/check-ins --answers answers.csv\n"
               "  cairn evaluate --model model --train train.txt.gz --test test.txt.gz -o json\n"
               "  cairn evaluate --model model --events events.ndjson.gz --split-at 2024-05-01T00:00:00Z"));
  command->callback([arguments, held_out, &options] {
    held_out->model.empty() ? run_replay(*arguments, options) : run_held_out(*held_out, options);
  });
}

}  // namespace cairn::cli
