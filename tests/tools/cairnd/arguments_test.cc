#include "tools/cairnd/arguments.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

namespace cairn::cairnd::test {
namespace {

std::optional<Arguments> parse(std::initializer_list<const char*> words, int* exit_code) {
  std::vector<const char*> argv = {"cairnd"};
  argv.insert(argv.end(), words.begin(), words.end());
  return parse_arguments(static_cast<int>(argv.size()), argv.data(), "1.2.3", exit_code);
}

TEST_CASE("without arguments the daemon runs with the packaged file") {
  int exit_code = -1;
  const auto arguments = parse({}, &exit_code);
  REQUIRE(arguments);
  CHECK(arguments->mode == Arguments::Mode::kRun);
  CHECK(arguments->config_path == "/etc/cairn/cairn.toml");
}

TEST_CASE("every mode has its flag") {
  int exit_code = -1;
  CHECK(parse({"--config", "x", "--check-config"}, &exit_code)->mode == Arguments::Mode::kCheckConfig);
  CHECK_FALSE(parse({"--config", "x"}, &exit_code)->accept_log_loss);
  CHECK(parse({"--config", "x", "--accept-log-loss"}, &exit_code)->accept_log_loss);
  CHECK(parse({"--config", "x", "--show-config"}, &exit_code)->mode == Arguments::Mode::kShowConfig);
  CHECK(parse({"--print-sample-config"}, &exit_code)->mode == Arguments::Mode::kPrintSampleConfig);
  CHECK(parse({"--config", "x"}, &exit_code)->config_path == "x");
}

TEST_CASE("what cannot be understood is exit code 2") {
  for (const auto& words : {std::initializer_list<const char*>{"--cheque-config"},
                            {"x"},
                            {"--config"},
                            {"--check-config", "--show-config"}}) {
    int exit_code = -1;
    CHECK_FALSE(parse(words, &exit_code));
    CHECK(exit_code == 2);
  }
}

}  // namespace
}  // namespace cairn::cairnd::test
