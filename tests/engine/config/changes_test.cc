#include <doctest/doctest.h>

#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

using Keys = std::vector<std::string>;

TEST_CASE("what did not change is no change, however it is written") {
  const ConfigChanges changes = changes_between(check(""), check("[state]\nblock_cache = \"262144KiB\"\n"));
  CHECK(changes.live.empty());
  CHECK(changes.restart.empty());
}

TEST_CASE("the log level and the model take effect at once, everything else at a restart") {
  const ConfigChanges changes =
      changes_between(check("[[file]]\nname = \"a\"\npath = \"p\"\n"),
                      check("[model]\ndir = \"m\"\nroot = \"r\"\n[log]\nlevel = \"debug\"\nformat = "
                            "\"json\"\n[ranking.weights]\ndistance = 1\n"));
  CHECK(changes.live == Keys{"log.level", "model.dir"});
  CHECK(changes.restart == Keys{"file[0].follow", "file[0].name", "file[0].on_gap", "file[0].path", "file[0].required",
                                "log.format", "model.root", "ranking.weights.distance"});
}

TEST_CASE("a changed password is a change, though both are shown alike") {
  const ConfigReport before = check("[sql]\ndsn = \"host=h password=a\"\n");
  const ConfigReport after = check("[sql]\ndsn = \"host=h password=b\"\n");
  CHECK(shown(before, "sql.dsn") == shown(after, "sql.dsn"));
  CHECK(changes_between(before, after).restart == Keys{"sql.dsn"});
}

}  // namespace
}  // namespace cairn::config::test
