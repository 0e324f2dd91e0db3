#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/engine/serving/server_fixture.h"
#include "tests/tools/cairn/run_cli.h"

namespace cairn::cli_test {

/// The built program against a server over a FakeEngine.
struct Cli : serving_test::Serving {
  Outcome run(std::vector<std::string> arguments, const std::string& input = "") {
    if (!server) start();
    arguments.insert(arguments.begin(), {"--url", "http://127.0.0.1:" + std::to_string(port())});
    return run_cli(arguments, input);
  }
};

}  // namespace cairn::cli_test
