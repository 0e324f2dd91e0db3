#include "streaming/mapping.h"

#include <algorithm>
#include <set>

#include "streaming/event_times.h"
#include "streaming/simdjson/event_fields.h"

namespace cairn::streaming {
namespace {

Status check_fields(const MappingOptions& mapping) {
  std::set<std::string> taken;
  for (const auto& [name, field] : mapping.fields) {
    const std::string key = "mapping.fields." + name;
    if (std::find(kFieldNames.begin(), kFieldNames.end(), field) == kFieldNames.end()) {
      std::string known;
      for (const std::string_view one : kFieldNames) known += (known.empty() ? "" : ", ") + std::string(one);
      return invalid_argument(key + ": '" + field + "' is no field of an event; there are " + known);
    }
    if (name.empty()) return invalid_argument(key + ": the name that is mapped to '" + field + "' is empty");
    if (!taken.insert(field).second) return invalid_argument(key + ": '" + field + "' has another name already");
  }
  return ok_status();
}

Status check_types(const MappingOptions& mapping, const InteractionTypes& types) {
  for (const auto& [name, type] : mapping.types) {
    if (types.find(type)) continue;
    return invalid_argument("mapping.types." + name + ": '" + type + "' is no type; declare it in [types]");
  }
  if (mapping.type.empty() || types.find(mapping.type)) return ok_status();
  return invalid_argument("mapping.type: '" + mapping.type + "' is no type; declare it in [types]");
}

}  // namespace

Status check_mapping(const MappingOptions& mapping, const InteractionTypes& types) {
  CAIRN_RETURN_IF_ERROR(check_fields(mapping));
  CAIRN_RETURN_IF_ERROR(check_types(mapping, types));
  const auto format = EventTimes::make(mapping.time_format, mapping.time_zone.empty() ? "" : "UTC");
  if (!format.ok()) return Status(format.status()).with_context("mapping.time_format");
  const auto zone = EventTimes::make("", mapping.time_zone);
  if (!zone.ok()) return Status(zone.status()).with_context("mapping.time_zone");
  return ok_status();
}

}  // namespace cairn::streaming
