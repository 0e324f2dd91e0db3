#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/cairn/commands.h"

namespace cairn::cli {

/// `cairn evaluate --model`: how well a trained model ranks what was held back.
struct ModelEvaluationArguments {
  std::string model;
  std::vector<std::string> train;
  std::vector<std::string> test;
  std::size_t threads = 0;
};

/// Adds --model, --train, --test and --threads to the command.
/// Returns: the option --model.
CLI::Option* add_model_options(CLI::App* command, ModelEvaluationArguments* arguments);

/// Measures and prints.
void run_model_evaluation(const ModelEvaluationArguments& arguments, const GlobalOptions& global);

}  // namespace cairn::cli
