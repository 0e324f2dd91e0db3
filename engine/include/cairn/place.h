#pragma once

#include <cstdint>
#include <string>

#include "cairn/attributes.h"
#include "cairn/geo.h"
#include "cairn/ids.h"

namespace cairn {

/// A place that can be recommended.
struct Place {
  PlaceId id;
  std::string name;  ///< for people; may be empty
  GeoPoint position;
  std::string category;  ///< free text of the deployment's own, empty when unknown
  Attributes attributes = {};  ///< whatever else the deployment knows of it

  friend bool operator==(const Place&, const Place&) = default;
};

/// What becomes of what was counted for a place that is deleted.
enum class PlaceHistory : std::uint8_t {
  kKeep,   ///< it is there when the place is imported again
  kErase,  ///< its features and its hourly aggregates go; a place of the same id begins anew
};

}  // namespace cairn
