#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cairn/byte_text.h"
#include "engine/learning/checkpoint.h"
#include "engine/learning/interactions.h"
#include "engine/learning/train.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/output.h"
#include "tools/cairn/ranker_command.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;

struct TrainArguments {
  std::string kind;
  std::vector<std::string> lightgcn;
  std::vector<std::string> events;
  std::string sql;
  std::string schema = "cairn";
  std::string weights;
  std::string out;
  std::string dim;
  std::string epochs;
  std::vector<std::string> set;
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::string precision = "fp32";
  std::string teacher;
  bool resume = false;
  RankerArguments ranker;  ///< what only this kind takes
};

/// A model that was trained, and what it took.
struct Outcome {
  const model::Model& trained;
  double seconds;
  std::vector<model::ModelFile> files;
};

learning::Interactions read_interactions(const TrainArguments& arguments) {
  learning::TypeWeights weights;
  if (!arguments.weights.empty()) weights = value_or_fail(learning::parse_type_weights(arguments.weights));
  if (!arguments.events.empty()) return value_or_fail(learning::read_events(arguments.events, weights));
  if (!arguments.sql.empty()) return value_or_fail(learning::read_sql(arguments.sql, arguments.schema, weights));
  return value_or_fail(learning::read_lightgcn(arguments.lightgcn));
}

std::map<std::string, std::string> parameters_of(const TrainArguments& arguments) {
  std::map<std::string, std::string> parameters;
  for (const std::string& one : arguments.set) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw CLI::ValidationError("--set", "'" + one + "' is not NAME=VALUE");
    }
    parameters[one.substr(0, equals)] = one.substr(equals + 1);
  }
  if (!arguments.dim.empty()) parameters["dim"] = arguments.dim;
  if (!arguments.epochs.empty()) parameters["epochs"] = arguments.epochs;
  return parameters;
}

/// The folder as a path without a slash at its end.
std::string without_slash(const std::string& folder) {
  const fs::path normal = fs::path(folder).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).string();
}

model::Model run_training(const TrainArguments& arguments, const learning::TrainOptions& options,
                          const learning::Interactions& interactions) {
  auto trained = learning::train(arguments.kind, interactions, options);
  if (!trained.ok()) {
    std::error_code ignored;
    fs::remove(without_slash(arguments.out), ignored);  // refused unless it is empty
    fail(trained.status());
  }
  return *std::move(trained);
}

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void print_json(const Outcome& outcome) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const model::ModelFile& file : outcome.files) files.push_back({{"name", file.name}, {"bytes", file.bytes}});
  const nlohmann::ordered_json json = {{"kind", outcome.trained.kind},
                                       {"users", outcome.trained.users},
                                       {"items", outcome.trained.items.size()},
                                       {"interactions", outcome.trained.interactions},
                                       {"seconds", outcome.seconds},
                                       {"peak_rss_bytes", peak_rss_bytes()},
                                       {"parameters", outcome.trained.parameters},
                                       {"files", std::move(files)}};
  print_as_json(json);
}

void print_summary(const Outcome& outcome, const std::string& out) {
  std::uint64_t bytes = 0;
  for (const model::ModelFile& file : outcome.files) bytes += file.bytes;
  print(out + ": " + outcome.trained.kind + ", " + grouped(outcome.trained.interactions) + " interactions of " +
        grouped(outcome.trained.users) + " users with " + grouped(outcome.trained.items.size()) + " items, " +
        byte_text(bytes) + ", trained in " + number_text(outcome.seconds) + " s with " + byte_text(peak_rss_bytes()) +
        " of memory at most\n");
}

/// A ranker is trained from a stream, models of items from pairs.
void run_ranker(const TrainArguments& arguments, const GlobalOptions& global) {
  if (!arguments.lightgcn.empty()) {
    throw CLI::ValidationError("--lightgcn", "has no times and positions, which a ranker learns from; give --events");
  }
  RankerArguments ranker = arguments.ranker;
  ranker.events = arguments.events;
  ranker.sql = arguments.sql;
  ranker.schema = arguments.schema;
  ranker.parameters = parameters_of(arguments);
  ranker.seed = arguments.seed;
  ranker.threads = arguments.threads;
  ranker.out = without_slash(arguments.out);
  run_train_ranker(ranker, global);
}

void run(const TrainArguments& arguments, const GlobalOptions& global) {
  if (arguments.kind == kRankerKind) return run_ranker(arguments, global);
  if (!arguments.ranker.dataset.empty()) {
    throw CLI::ValidationError("--dataset", "goes with --kind ranker; `cairn dataset` writes the events of a data set");
  }
  const auto started = std::chrono::steady_clock::now();
  const std::string out = without_slash(arguments.out);
  learning::TrainOptions options{.parameters = parameters_of(arguments),
                                 .seed = arguments.seed,
                                 .threads = arguments.threads,
                                 .precision = *gpu::precision_of(arguments.precision),
                                 .checkpoint = out + ".partial",
                                 .resume = arguments.resume};
  model::Model teacher;
  if (!arguments.teacher.empty()) {
    teacher = value_or_fail(model::load_model(arguments.teacher));
    options.teacher = &teacher;
  }
  const learning::Interactions interactions = read_interactions(arguments);
  prepare_folder(out);
  Progress progress("% of kind " + arguments.kind + " trained", global.quiet);
  options.progress = [&](double fraction) {
    progress.update(static_cast<std::uint64_t>(100.0 * fraction));
    return true;
  };
  options.remark = [&](const std::string& text) {
    progress.clear();
    if (!global.quiet) std::fprintf(stderr, "%s\n", text.c_str());
  };
  const model::Model trained = run_training(arguments, options, interactions);
  progress.clear();
  if (const Status saved = model::save_model(trained, out); !saved.ok()) fail(saved);
  learning::remove_checkpoint(options.checkpoint);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  const Outcome outcome{trained, took.count(), value_or_fail(model::model_files(out))};
  global.json() ? print_json(outcome) : print_summary(outcome, arguments.out);
}

void add_sources(CLI::App* command, TrainArguments* arguments) {
  auto* sources = command->add_option_group("Interactions", "Where they come from; exactly one of");
  sources
      ->add_option("--lightgcn", arguments->lightgcn,
                   "Text files, plain or gzip, one line a user: USER ITEM ITEM ...; several are united")
      ->type_name("FILE");
  sources->add_option("--events", arguments->events, "NDJSON files of interactions in Cairn's own words")
      ->type_name("FILE");
  sources->add_option("--sql", arguments->sql, "PostgreSQL that cairnd writes to, as libpq connection string")
      ->type_name("DSN");
  sources
      ->add_option("--dataset", arguments->ranker.dataset,
                   "With --kind ranker: city (made up), foursquare or gowalla (published check-ins)")
      ->check(CLI::IsMember({"city", "foursquare", "gowalla"}))
      ->type_name("NAME");
  sources->require_option(1);
  command->add_option("--data", arguments->ranker.data, "With --dataset: folder with the published files")
      ->type_name("DIR");
  command
      ->add_option("--places", arguments->ranker.places,
                   "With --kind ranker and --events: the places, as `cairn places import` takes them")
      ->type_name("FILE");
  command
      ->add_option("--counts-as", arguments->ranker.counts_as,
                   "With --kind ranker: what events of a declared type count as, as [types.counts_as] says in the "
                   "daemon's configuration: purchase=visit:5; may be repeated")
      ->take_all();
  command->add_option("--schema", arguments->schema, "With --sql: schema of the tables")->capture_default_str();
  command
      ->add_option("--weights", arguments->weights,
                   "With --events and --sql: what each type counts, like visit=1,save=3,dismiss=-1; default: all but "
                   "dismiss, each pair once")
      ->type_name("TYPE=N,...");
}

void add_options(CLI::App* command, TrainArguments* arguments) {
  std::vector<std::string> kinds;
  for (const learning::TrainingKind& kind : learning::training_kinds()) kinds.emplace_back(kind.name);
  kinds.emplace_back(kRankerKind);
  command->add_option("--kind", arguments->kind, "What to train; see below")
      ->required()
      ->check(CLI::IsMember(kinds))
      ->type_name("NAME");
  command->add_option("--out", arguments->out, "The model's directory; a model that is there is replaced when done")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--until", arguments->ranker.until,
                   "With --kind ranker: share of the interactions, or RFC 3339 time, from which on nothing is learned")
      ->type_name("SHARE|TIME");
  command
      ->add_option("--objective", arguments->ranker.objective,
                   "With --kind ranker: foresee the next place (next), or the next that the user has not been to "
                   "(new), which a model of items is trained for as well, into DIR/items")
      ->check(CLI::IsMember({"next", "new"}))
      ->capture_default_str();
  command->add_option("--dim", arguments->dim, "Numbers in a vector (ials, graph, best)")->type_name("N");
  command->add_option("--epochs", arguments->epochs, "Passes over the interactions (ials, best)")->type_name("N");
  command
      ->add_option(
          "--set", arguments->set,
          "Any other parameter of the kind; a wrong name lists them. Of a ranker: item_model, the kind of model "
          "whose score it weighs, or none; items.NAME, a parameter of that one")
      ->type_name("NAME=VALUE");
  command->add_option("--seed", arguments->seed, "Another seed, another model")
      ->check(from_zero())
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "0: every processor")->capture_default_str();
  command->add_option("--precision", arguments->precision, "How vectors are kept: fp32, fp16, int8 or int4")
      ->check(CLI::IsMember({"fp32", "fp16", "int8", "int4"}))
      ->type_name("NAME")
      ->capture_default_str();
  command->add_option("--teacher", arguments->teacher, "With --kind ials: a model to learn from as well")
      ->type_name("DIR");
  command->add_flag(
      "--resume", arguments->resume,
      "With --kind ials and best: go on from DIR.partial, where an interrupted training left its last epoch");
}

std::string kinds_text() {
  std::string text = "Kinds:\n";
  for (const learning::TrainingKind& kind : learning::training_kinds()) {
    std::string name(kind.name);
    name.resize(12, ' ');
    text += "  " + name + std::string(kind.what) + "\n";
  }
  std::string name(kRankerKind);
  name.resize(12, ' ');
  return text + "  " + name + kRankerWhat + "\n";
}

/// What a kind would pass over in silence is refused: a share that was to be held back and was not spoils a
/// measurement.
void check_options(const CLI::App& command, const TrainArguments& arguments) {
  const auto refuse = [&](std::initializer_list<const char*> options, const std::string& why) {
    for (const char* option : options) {
      if (command.count(option) > 0) throw CLI::ValidationError(option, why);
    }
  };
  if (arguments.kind != kRankerKind) {
    return refuse({"--until", "--objective", "--places", "--data", "--counts-as"}, "goes with --kind ranker only");
  }
  refuse({"--weights", "--precision", "--teacher", "--resume"}, "does not go with --kind ranker");
  if (command.count("--data") > 0 && arguments.ranker.dataset.empty()) {
    throw CLI::ValidationError("--data", "goes with --dataset");
  }
  if (command.count("--until") > 0 && arguments.ranker.until.empty()) {
    throw CLI::ValidationError("--until", "is empty; write a share such as 0.8 or a time");
  }
}

}  // namespace

void add_train_command(CLI::App& app, const GlobalOptions& options) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Learn from interactions what to recommend, into a model directory");
  add_sources(command, arguments.get());
  add_options(command, arguments.get());
  command->footer(
      kinds_text() + "\n" +
      examples("  cairn train --kind best --lightgcn train.txt.gz --lightgcn valid.txt.gz --out model\n"
               "  cairn evaluate --model model --train train.txt.gz --train valid.txt.gz --test test.txt.gz\n"
               "  cairn train --kind ials --dim 256 --epochs 10 --events events.ndjson.gz --out model\n"
               "  cairn train --kind ials --dim 64 --teacher model --precision int8 --events events.ndjson.gz "
               "--out small\n"
               "  cairn train --kind ials --set segments=16 --events events.ndjson.gz --out model\n"
               "  cairn train --kind ranker --events events.ndjson.gz --places places.csv --out ranker\n"
               "  cairn train --kind ranker --dataset foursquare --data ~/check-ins --until 0.8 --out ranker\n"
               "  cairn train --kind ranker --objective new --set item_model=ials --set items.dim=64 "
               "--events events.ndjson.gz --places places.csv --out ranker\n"
               "  cairn train --kind ease --set regularization=100 --sql 'dbname=app user=cairn' --out model"));
  command->callback([command, arguments, &options] {
    check_options(*command, *arguments);
    run(*arguments, options);
  });
}

}  // namespace cairn::cli
