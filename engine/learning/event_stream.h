#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/place.h"
#include "cairn/status.h"
#include "engine/learning/datasets/dataset.h"

namespace cairn::learning {

/// Reads NDJSON interactions (DESIGN's contract) of the given types from plain or gzip files and gives each to `take`,
/// in the order of the files. A repeat of an event id is passed over, and so is an event that
/// was retracted. Reads the files twice. Returns: INVALID_ARGUMENT with file and line for
/// what a source would reject; NOT_FOUND and what open_line_reader() returns for files that cannot be read.
[[nodiscard]] Status for_each_event(std::span<const std::string> files, const InteractionTypes& types,
                                    const std::function<void(const Interaction&)>& take);

/// The interactions of files, of these types, in the order of time: what a ranker learns from. Returns: as
/// for_each_event().
[[nodiscard]] Result<std::vector<Interaction>> read_event_stream(std::span<const std::string> files,
                                                                 const InteractionTypes& types = {});

/// The same of what `cairnd` wrote to PostgreSQL, with the places there. Interactions of other types are left out.
/// Returns: what sql::for_each_interaction() returns.
[[nodiscard]] Result<datasets::Dataset> read_sql_stream(const std::string& dsn, const std::string& schema,
                                                        const InteractionTypes& types = {});

/// Types that count as built-in ones, from "purchase=visit:5" or, with weight 1, "wish=save".
/// Returns: INVALID_ARGUMENT, saying what was expected.
[[nodiscard]] Result<InteractionTypes> parse_counts_as(std::span<const std::string> texts);

}  // namespace cairn::learning
