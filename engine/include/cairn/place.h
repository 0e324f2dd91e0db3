#pragma once

#include <string>

#include "cairn/geo.h"
#include "cairn/ids.h"

namespace cairn {

/// A place that can be recommended.
struct Place {
  PlaceId id;
  std::string name;  ///< for people; may be empty
  GeoPoint position;
  std::string category;  ///< free text of the deployment's own, empty when unknown

  friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace cairn
