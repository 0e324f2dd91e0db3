#include <cstdio>
#include <string>
#include <utility>

#include "cairn/engine.h"
#include "cairn/state_dir.h"
#include "engine/config/config.h"
#include "tools/cairnd/arguments.h"
#include "tools/cairnd/daemon.h"
#include "tools/cairnd/exit_code.h"
#include "tools/cairnd/notify.h"
#include "tools/cairnd/signals.h"

namespace cairn::cairnd {
namespace {

config::Vocabulary engine_vocabulary() {
  config::Vocabulary vocabulary;
  for (const RankingFeatureInfo& feature : ranking_features()) vocabulary.ranking_features.push_back(feature.name);
  for (const FeatureViewSpec& view : builtin_feature_views()) vocabulary.builtin_views.push_back(view.name);
  vocabulary.check_state_dir = check_state_dir;
  vocabulary.check_ranker = check_ranker;
  vocabulary.check_model = check_model_directory;
  vocabulary.check_postgres_options = check_postgres_options;
  vocabulary.check_mapping_options = check_mapping_options;
  vocabulary.check_ranking_feature = check_ranking_feature;
  vocabulary.check_reason_options = check_reason_options;
  vocabulary.check_kafka_property = check_kafka_property;
  vocabulary.check_place_options = check_place_options;
  return vocabulary;
}

void print(std::FILE* to, const std::string& text) { std::fwrite(text.data(), 1, text.size(), to); }

/// Every problem, and how many there are.
int refuse(const config::ConfigReport& report) {
  const std::size_t count = report.problems.size();
  print(stderr, report.problems_text());
  print(stderr, "cairnd: the configuration has " + std::to_string(count) + (count == 1 ? " problem\n" : " problems\n"));
  return kExitConfiguration;
}

int run(const Arguments& arguments) {
  if (arguments.mode == Arguments::Mode::kPrintSampleConfig) {
    print(stdout, config::sample_config());
    return kExitOk;
  }
  const ConfigSource source{arguments.config_path, config::process_environment(), engine_vocabulary()};
  config::ConfigReport report = config::check_config_file(source.path, source.environment, source.vocabulary);
  print(stderr, report.warnings_text());
  if (!report.ok()) return refuse(report);
  if (arguments.mode == Arguments::Mode::kCheckConfig) {
    print(stdout, source.path + ": no problems\n");
    return kExitOk;
  }
  if (arguments.mode == Arguments::Mode::kShowConfig) {
    print(stdout, config::show_settings(report, config::ShowOrigin::kYes));
    return kExitOk;
  }
  report.config.engine.accept_log_loss = arguments.accept_log_loss;
  Signals::block();
  const Notifier notifier = Notifier::from_environment();
  Signals signals;
  return run_daemon(std::move(report), source, signals, notifier);
}

}  // namespace
}  // namespace cairn::cairnd

int main(int argc, char** argv) {
  int exit_code = cairn::cairnd::kExitOk;
  const auto arguments = cairn::cairnd::parse_arguments(argc, argv, cairn::version(), &exit_code);
  return arguments ? cairn::cairnd::run(*arguments) : exit_code;
}
