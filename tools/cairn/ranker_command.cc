#include "tools/cairn/ranker_command.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "engine/learning/evaluate/replay.h"
#include "engine/learning/event_stream.h"
#include "engine/learning/parameters.h"
#include "engine/learning/train.h"
#include "tools/cairn/output.h"
#include "tools/cairn/streams.h"

namespace cairn::cli {

namespace {

datasets::Dataset read_stream(const RankerArguments& arguments) {
  if (!arguments.dataset.empty()) {
    return value_or_fail(load_dataset(arguments.dataset, arguments.data, arguments.seed));
  }
  const InteractionTypes types = value_or_fail(learning::parse_counts_as(arguments.counts_as));
  if (!arguments.sql.empty()) return value_or_fail(learning::read_sql_stream(arguments.sql, arguments.schema, types));
  if (arguments.places.empty()) {
    fail(
        invalid_argument("--events needs --places FILE, the places as `cairn places import` takes them: ranking learns "
                         "from where they are"));
  }
  datasets::Dataset dataset{.name = "events"};
  dataset.places = value_or_fail(read_places(arguments.places));
  dataset.interactions = value_or_fail(learning::read_event_stream(arguments.events, types));
  dataset.types = types;
  return dataset;
}

/// Takes out what has names that begin so, without that beginning.
std::map<std::string, std::string> take_prefixed(const std::string& prefix, std::map<std::string, std::string>* from) {
  std::map<std::string, std::string> taken;
  for (auto at = from->lower_bound(prefix); at != from->end() && at->first.starts_with(prefix); at = from->erase(at)) {
    taken.emplace(at->first.substr(prefix.size()), at->second);
  }
  return taken;
}

/// A mistyped kind is refused before the stream is read.
void check_item_model(const std::string& kind) {
  std::string known = "none";
  for (const learning::TrainingKind& one : learning::training_kinds()) {
    if (kind == one.name) return;
    known += ", " + std::string(one.name);
  }
  if (kind.empty() || kind == "none") return;
  fail(invalid_argument("item_model = '" + kind + "' is no kind of model; there are: " + known));
}

learning::RankerTrainOptions options_of(const RankerArguments& arguments) {
  learning::RankerTrainOptions options{
      .objective = objective_of(arguments.objective), .seed = arguments.seed, .threads = arguments.threads};
  std::map<std::string, std::string> given = arguments.parameters;
  options.item_parameters = take_prefixed("items.", &given);
  learning::Parameters parameters(std::move(given));
  parameters.take("item_model", &options.item_model);
  parameters.take("item_model_share", &options.item_model_share);
  parameters.take("epochs", &options.network.epochs);
  parameters.take("hidden", &options.network.hidden);
  parameters.take("visit_hidden", &options.network.visit_hidden);
  parameters.take("heads", &options.network.heads);
  parameters.take("members", &options.network.members);
  parameters.take("rate", &options.network.rate);
  parameters.take("decay", &options.network.decay);
  parameters.take("warm_up", &options.warm_up);
  parameters.take("measured", &options.measured);
  parameters.take("questions_max", &options.questions_max);
  parameters.take("fit_linear", &options.fit_linear);
  if (const Status status = parameters.check(); !status.ok()) fail(status);
  check_item_model(options.item_model);
  return options;
}

/// How many of the interactions are learned from.
std::size_t end_of(const RankerArguments& arguments, const datasets::Dataset& dataset) {
  if (arguments.until.empty()) return dataset.interactions.size();
  learning::ReplayOptions until;
  if (const Status set = learning::set_ask_from(arguments.until, &until); !set.ok()) fail(set);
  return learning::first_asked(dataset, until);
}

nlohmann::ordered_json json_of(const learning::Foresight& foresight) {
  return {{"loss", foresight.loss}, {"acc@1", foresight.acc_at_1}, {"mrr", foresight.mrr}};
}

nlohmann::ordered_json json_of(const model::Model& items, const RankerArguments& arguments) {
  return {{"kind", items.kind},
          {"directory", learning::items_directory(arguments.out)},
          {"users", items.users},
          {"items", items.items.size()},
          {"interactions", items.interactions}};
}

void print_how_to_serve(const learning::TrainedRanker& trained, const RankerArguments& arguments) {
  if (!trained.items) {
    return print("put it in force: ranker = \"" + arguments.out + "\" under [ranking] in the configuration\n");
  }
  const std::string items = learning::items_directory(arguments.out);
  print(items + ": " + trained.items->kind + ", the model of items whose score it weighs, of " +
        grouped(trained.items->interactions) + " visits of " + grouped(trained.items->users) + " users to " +
        grouped(trained.items->items.size()) + " places\n");
  print("put both in force: ranker = \"" + arguments.out + "\" under [ranking] and dir = \"" + items +
        "\" under [model] in the configuration\n");
}

void print_outcome(const learning::TrainedRanker& trained, double seconds, const RankerArguments& arguments,
                   const GlobalOptions& global) {
  const learning::NetworkFit& network = trained.network;
  if (global.json()) {
    nlohmann::ordered_json json = {{"kind", kRankerKind},
                                   {"version", trained.ranker.version},
                                   {"questions", trained.questions},
                                   {"measured", trained.measured},
                                   {"epochs", network.epochs},
                                   {"linear", json_of(network.before)},
                                   {"network", json_of(network.after)},
                                   {"seconds", seconds}};
    if (trained.items) json["items"] = json_of(*trained.items, arguments);
    return print_as_json(json);
  }
  print(arguments.out + ": ranker, version " + std::to_string(trained.ranker.version) + ", learned from " +
        grouped(trained.questions) + " questions in " + number_text(seconds) + " s\n");
  if (trained.measured > 0) {
    print("on the last " + grouped(trained.measured) + " questions: MRR " + four_decimals(network.before.mrr) +
          " by the linear stage, " + four_decimals(network.after.mrr) + " with the network; Acc@1 " +
          four_decimals(network.before.acc_at_1) + " and " + four_decimals(network.after.acc_at_1) + "\n");
  }
  if (trained.measured > 0 && network.epochs == 0) {
    print("by likelihood the network was never better than without it, and was left out\n");
  }
  print_how_to_serve(trained, arguments);
}

}  // namespace

learning::Objective objective_of(const std::string& text) {
  return text == "new" ? learning::Objective::kNew : learning::Objective::kNext;
}

void prepare_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder)) fail(unavailable(folder + ": cannot be created as a directory"));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail(unavailable(folder + ": cannot be written to"));
}

learning::TrainedRanker train_ranker_on(const learning::Stream& stream, learning::RankerTrainOptions options,
                                        const GlobalOptions& global, const std::string& out) {
  Progress progress("% of the ranker trained", global.quiet);
  options.progress = [&](double fraction) {
    progress.update(static_cast<std::uint64_t>(100.0 * fraction));
    return true;
  };
  options.remark = [&](const std::string& text) {
    progress.clear();
    if (!global.quiet) std::fprintf(stderr, "%s\n", text.c_str());
  };
  auto trained = learning::train_ranker({&stream, 1}, options);
  progress.clear();
  if (!trained.ok()) {
    std::error_code ignored;
    if (!out.empty()) std::filesystem::remove(out, ignored);  // refused unless it is empty
    fail(trained.status());
  }
  return *std::move(trained);
}

void run_train_ranker(const RankerArguments& arguments, const GlobalOptions& global) {
  const auto started = std::chrono::steady_clock::now();
  const learning::RankerTrainOptions options = options_of(arguments);
  const datasets::Dataset dataset = read_stream(arguments);
  const learning::Stream stream{dataset.places, std::span(dataset.interactions).first(end_of(arguments, dataset)),
                                dataset.types};
  prepare_folder(arguments.out);
  const learning::TrainedRanker trained = train_ranker_on(stream, options, global, arguments.out);
  if (const Status written = learning::save_ranker(arguments.out, trained); !written.ok()) fail(written);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  print_outcome(trained, took.count(), arguments, global);
}

}  // namespace cairn::cli
