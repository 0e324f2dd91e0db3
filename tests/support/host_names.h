#pragma once

#include <string>
#include <vector>

namespace cairn::test {

/// Names under ".cairn.test" that mean what a test says, for every library of this program that looks names up: it
/// brings its own getaddrinfo(), which asks the system about all other names.
///
/// Threads: any.
class HostNames {
 public:
  /// From now on the name has these addresses, in this order.
  static void set(const std::string& name, const std::vector<std::string>& addresses);
  /// From now on a look-up of the name ends with an error of getaddrinfo(): EAI_NONAME, EAI_AGAIN. Names that nothing
  /// was said of end with EAI_NONAME.
  static void fail(const std::string& name, int error);
  /// How often the name was looked up.
  [[nodiscard]] static int lookups(const std::string& name);
};

}  // namespace cairn::test
