// A configuration file: every text has its problems or its settings, and what is shown of it is read as the same.
#include <string>
#include <string_view>

#include "engine/config/config.h"
#include "tests/fuzz/fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const config::Vocabulary vocabulary{
      .ranking_features = {"distance", "near"}, .builtin_views = {}, .check_ranker = {}};
  const config::ConfigReport report = config::check_config(text, "c.toml", {}, vocabulary);
  for (const config::Problem& problem : report.problems) {
    fuzz::check(!problem.message.empty(), "a problem without a message");
    fuzz::check(problem.to_string().find('\n') == std::string::npos, "a problem of more than one line");
  }
  return 0;
}
