#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/cairn/commands.h"

namespace cairn::cli {

/// `cairn evaluate --model`: how well a trained model ranks what was held back. Without --model the command replays a
/// data set instead, which measures ranking as a whole.
struct HeldOutArguments {
  std::string model;
  std::vector<std::string> train;
  std::vector<std::string> test;
  std::vector<std::string> events;  ///< instead of the two: parted at a time
  std::string split_at;
  std::size_t threads = 0;
};

/// Adds --model, --train, --test, --events, --split-at and --threads to the command.
/// Returns: the option --model.
CLI::Option* add_held_out_options(CLI::App* command, HeldOutArguments* arguments);

/// Measures and prints.
void run_held_out(const HeldOutArguments& arguments, const GlobalOptions& global);

}  // namespace cairn::cli
