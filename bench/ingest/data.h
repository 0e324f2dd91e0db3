#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "cairn/place.h"

namespace cairn::bench {

/// How large an invented city is (engine/learning/datasets/city.h): activity of users and popularity of places follow
/// power laws.
struct DataSize {
  std::size_t events = 0;
  std::size_t users = 0;
  std::size_t places = 0;
  std::size_t hot_percent = 0;  ///< so many of the events are of one user at one place
};

/// " events=1000000 users=100000 places=50000", as it stands behind the name of a case.
[[nodiscard]] std::string label(const DataSize& size);

/// What was counted while the events were made, for a sample of users and places, the busiest among them.
struct Known {
  std::string id;
  std::size_t events = 0;
  std::size_t visits = 0;  ///< events of the types visit and rate: who rates a place has been there
};

/// A stream in a file, and what must come of it.
struct Data {
  DataSize size;
  std::string events_path;  ///< NDJSON
  std::string places_path;  ///< id, name, latitude, longitude and category, with tabs between them
  std::string known_path;   ///< "user" or "place", id, events, visits, with tabs between them
  std::uint64_t bytes = 0;  ///< of the events
  std::vector<Known> users;
  std::vector<Known> places;

  [[nodiscard]] std::vector<Place> read_places() const;
};

/// Makes the files of `size` in `folder` unless they are there. Another process does it, so that what the making takes
/// of memory is not in this one.
[[nodiscard]] Data make_data(const std::string& folder, const DataSize& size);

/// The other process's part. `arguments`: folder, events, users, places.
int make_data_files(const std::vector<std::string>& arguments);

/// Adds the places, by the thousand.
void add_places(Engine& engine, const std::vector<Place>& places);

/// Stops the program unless the engine applied every event once and answers the known counts.
void check_answers(const Engine& engine, const Data& data);

}  // namespace cairn::bench
