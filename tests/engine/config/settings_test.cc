#include <doctest/doctest.h>

#include <fstream>
#include <set>

#include "engine/config/keys.h"
#include "tests/engine/config/check_text.h"
#include "tests/support/temporary_folder.h"

namespace cairn::config::test {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("every setting says where it comes from") {
  const ConfigReport report = check("[log]\nlevel = \"error\"\n[[file]]\nname = \"a\"\npath = \"/a\"\n",
                                    {{"CAIRN_HTTP__LISTEN", "127.0.0.1:1"}});
  const std::string text = show_settings(report, ShowOrigin::kYes);
  CHECK(has_line(text, "log.level = \"error\"  # c.toml:2:9"));
  CHECK(has_line(text, "http.listen = \"127.0.0.1:1\"  # environment variable CAIRN_HTTP__LISTEN"));
  CHECK(has_line(text, "state.block_cache = \"256MiB\"  # default"));
  CHECK(has_line(text, "file[0].name = \"a\"  # c.toml:4:8"));
  CHECK(has_line(text, "file[0].follow = true  # default"));
  CHECK(has_line(show_settings(report, ShowOrigin::kNo), "log.level = \"error\""));
}

TEST_CASE("every key of the table has a setting, a name of its own, and a default within its bounds") {
  const ConfigReport report = check("");
  std::set<std::string> names;
  for (const Setting& setting : report.settings) CHECK_MESSAGE(names.insert(setting.key).second, setting.key);
  std::size_t keys = 0;
  for (const Section& section : sections()) {
    for (const Key<Config>& key : section.keys) {
      ++keys;
      const std::string full = std::string(section.name) + "." + std::string(key.name);
      CHECK_MESSAGE(names.contains(full), full);
      // What is shown can be written into a file again.
      const std::string line =
          "[" + std::string(section.name) + "]\n" + std::string(key.name) + " = " + shown(report, full);
      CHECK_MESSAGE(problems(line + "\n").empty(), line);
    }
  }
  CHECK(names.size() == keys);
}

TEST_CASE("a program that embeds the engine loads a file or learns every problem") {
  const cairn::test::TemporaryFolder folder;
  const std::string path = folder.path() + "/c.toml";
  std::ofstream(path) << "[state]\nrow_cache = \"2MiB\"\n";
  const Result<Config> good = load_config(path, {}, vocabulary());
  REQUIRE(good.ok());
  CHECK(good->engine.state.row_cache_bytes == 2u << 20);
  std::ofstream(path) << "[state]\nrow_cache = 1\nsync = 1\n";
  const Result<Config> bad = load_config(path, {}, vocabulary());
  CHECK(bad.status().code() == StatusCode::kInvalidArgument);
  CHECK(bad.status().message().find(path + ":2:13: ") == 0);
  CHECK(bad.status().message().find("\n" + path + ":3:8: ") != std::string::npos);
}

TEST_CASE("a file that cannot be read is a problem with a remedy") {
  const cairn::test::TemporaryFolder folder;
  const std::string path = folder.path() + "/absent.toml";
  CHECK(check_config_file(path, {}, {}).problems_text() ==
        path + ":1:1: cannot be read: No such file or directory; write one with: cairnd --print-sample-config > " +
            path + "\n");
  CHECK(check_config_file(folder.path(), {}, {}).problems_text() ==
        folder.path() + ":1:1: cannot be read: Is a directory\n");
  const std::string huge = folder.path() + "/huge.toml";
  std::ofstream(huge) << std::string((1 << 20) + 1, '#');
  CHECK(check_config_file(huge, {}, {}).problems_text() ==
        huge + ":1:1: is longer than 1MiB; is it a configuration file?\n");
}

}  // namespace
}  // namespace cairn::config::test
