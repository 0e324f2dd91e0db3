#include <string>
#include <utility>
#include <vector>

#include "engine/config/sections/sections.h"

namespace cairn::config {

Section log_section() {
  return {
      "log",
      "Log records go to standard error.",
      {
          make_choice<Config>(CAIRN_AT(server.log_level),
                              std::vector<std::pair<std::string, LogLevel>>{{"debug", LogLevel::kDebug},
                                                                            {"info", LogLevel::kInfo},
                                                                            {"warning", LogLevel::kWarning},
                                                                            {"error", LogLevel::kError}},
                              {.name = "level", .doc = "The least important records written.", .live = true}),
          make_choice<Config>(
              CAIRN_AT(server.log_format),
              std::vector<std::pair<std::string, LogFormat>>{{"text", LogFormat::kText}, {"json", LogFormat::kJson}},
              {.name = "format", .doc = "Lines for people (with journald's priority under systemd), or JSON lines."}),
      }};
}

}  // namespace cairn::config
