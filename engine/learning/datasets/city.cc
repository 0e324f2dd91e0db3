#include "engine/learning/datasets/city.h"

#include <string>

#include "engine/learning/datasets/city_model.h"

namespace cairn::datasets {
namespace {

Status check_size(const char* what, std::size_t value, std::size_t max) {
  if (value >= 1 && value <= max) return ok_status();
  return invalid_argument(std::string("a city's ") + what + " must be 1 to " + std::to_string(max) + ", not " +
                          std::to_string(value));
}

Status check_options(const CityOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_size("users", options.users, 10'000'000));
  CAIRN_RETURN_IF_ERROR(check_size("places", options.places, 10'000'000));
  CAIRN_RETURN_IF_ERROR(check_size("days", options.days, 3'650));
  CAIRN_RETURN_IF_ERROR(check_size("events", options.events, 1'000'000'000));
  if (options.end < std::chrono::sys_days{std::chrono::year{1980} / 1 / 1}) {
    return invalid_argument("a city's end must be 1980-01-01 or later, so that no event is before 1970");
  }
  return ok_status();
}

}  // namespace

Result<Dataset> generate_city(const CityOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  city::CityPlan plan = city::plan_city(options);
  Dataset dataset{.name = "city", .places = {}, .interactions = city::live_city(options, plan)};
  dataset.places = std::move(plan.catalogue);
  return dataset;
}

}  // namespace cairn::datasets
