#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/learning/ranker/train_ranker.h"
#include "tools/cairn/commands.h"

namespace cairn::cli {

/// `cairn train --kind ranker`: from a stream in time order to the numbers that places are scored with.
struct RankerArguments {
  std::string dataset;
  std::string data;
  std::vector<std::string> events;
  std::string places;
  std::vector<std::string> counts_as;
  std::string sql;
  std::string schema;
  std::string until;
  std::string objective = "next";
  std::map<std::string, std::string> parameters;
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::string out;
};

/// Trains, writes the directory and prints.
void run_train_ranker(const RankerArguments& arguments, const GlobalOptions& global);

/// Reads "next" and "new".
[[nodiscard]] learning::Objective objective_of(const std::string& text);

/// Trains a ranker on a stream, with progress and remarks on standard error. Where that is refused, the folder `out`
/// goes if it is empty.
[[nodiscard]] learning::TrainedRanker train_ranker_on(const learning::Stream& stream,
                                                      learning::RankerTrainOptions options,
                                                      const GlobalOptions& global, const std::string& out = "");

/// Makes sure before hours of work that there is where to put its result, a model or a ranker.
void prepare_folder(const std::string& folder);

/// What the table of kinds says of it.
inline constexpr const char* kRankerKind = "ranker";
inline constexpr const char* kRankerWhat =
    "how places are scored: the weights of the ranking features and a network that corrects them";

}  // namespace cairn::cli
