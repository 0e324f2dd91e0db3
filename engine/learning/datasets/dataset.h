#pragma once

#include <span>
#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "cairn/place.h"
#include "cairn/status.h"

namespace cairn::datasets {

/// Places and what users did with them. Types of interactions are indexes into `types`.
struct Dataset {
  std::string name;
  std::vector<Place> places;
  std::vector<Interaction> interactions;  ///< in time order; equal times in the order of the origin
  InteractionTypes types = {};            ///< the built-in ones, unless others were read
};

/// Orders by time; equal times stay as they are.
void sort_by_time(std::vector<Interaction>* interactions);

/// Writes one JSON object a line: `place_id`, `name`, `lat`, `lon`, `category`; empty texts are left out.
///
/// The file appears under its name only when it is whole, so that a source which follows it never reads half a line.
/// Returns: UNAVAILABLE naming the path when it cannot be written.
[[nodiscard]] Status write_places_ndjson(const std::string& path, std::span<const Place> places);

/// Writes one JSON object a line, as DESIGN's contract of an interaction has it; `ts` is RFC 3339 in UTC, with
/// milliseconds where there are any. Whole or not at all, like the places.
/// Returns: UNAVAILABLE naming the path when it cannot be written.
[[nodiscard]] Status write_interactions_ndjson(const std::string& path, std::span<const Interaction> interactions);

}  // namespace cairn::datasets
