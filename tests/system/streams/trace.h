#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cairn/place.h"

namespace cairn::test {

/// One check-in as its file has it.
struct CheckIn {
  std::string user;
  std::string place;
  std::string time;          ///< RFC 3339 to the second, UTC
  std::int64_t seconds = 0;  ///< the same since the epoch
};

/// A published trace, read and aggregated by nothing but this folder's own code: gzip by its program, fields by commas
/// and tabs, dates by timegm.
struct Trace {
  std::string name;
  std::vector<Place> places;
  std::vector<CheckIn> check_ins;  ///< in time order; equal times as in the file
};

/// The folder of real data: CAIRN_DATA, else beside the checkout. Empty when there is none, which the test says loudly.
[[nodiscard]] std::string data_folder();

[[nodiscard]] Trace read_foursquare(const std::string& folder);
[[nodiscard]] Trace read_gowalla(const std::string& folder);

/// 60,000 check-ins of 900 users at 3,000 places, up to a minute apart, where there is no real data or none is wanted.
[[nodiscard]] Trace made_up_trace(std::mt19937& random);

/// Seconds since the epoch as RFC 3339.
[[nodiscard]] std::string time_text(std::int64_t seconds);

/// The check-in as an interaction of type visit.
[[nodiscard]] std::string to_json(const CheckIn& check_in);

/// What a plain aggregation says the features and tables must hold.
struct Totals {
  std::int64_t events = 0;
  std::map<std::string, std::int64_t> by_place;
  std::map<std::string, std::int64_t> by_user;
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> by_place_and_hour;  ///< hours since the epoch
  std::map<std::pair<std::string, int>, std::int64_t> by_place_and_hour_of_week;   ///< 0 = Monday 00:00 UTC
};
[[nodiscard]] Totals aggregate(const Trace& trace);

}  // namespace cairn::test
