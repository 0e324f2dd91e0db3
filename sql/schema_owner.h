#pragma once

#include <string>

namespace cairn::sql {

/// The state directory on whose behalf a database is opened.
struct SchemaOwner {
  std::string id;       ///< survives checkpoint and restore; empty: nobody's, and then nobody is asked
  std::string place;    ///< for people: host and directory
  bool shared = false;  ///< SqlOptions::shared
};

}  // namespace cairn::sql
