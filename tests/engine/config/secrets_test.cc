#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/engine/config/check_text.h"
#include "tests/support/temporary_folder.h"

namespace cairn::config::test {
namespace {

using cairn::test::TemporaryFolder;

std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text, mode_t mode) {
  const std::string path = folder.path() + "/" + name;
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
  return path;
}

TEST_CASE("a connection string can stand in a file of its own") {
  const TemporaryFolder folder;
  const std::string path = write(folder, "dsn", "host=db password=geheim\n", 0600);
  const ConfigReport report = check("[sql]\ndsn_file = \"" + path + "\"\n");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  CHECK(report.config.engine.sql.dsn == "host=db password=geheim");
  CHECK(shown(report, "sql.dsn") == "\"host=db password=***\"");
}

TEST_CASE("a password of Kafka can stand in a file of its own") {
  const TemporaryFolder folder;
  const std::string path = write(folder, "p", "geheim", 0400);
  const ConfigReport file = check("[kafka.properties]\n\"sasl.password_file\" = \"" + path + "\"\n");
  REQUIRE_MESSAGE(file.ok(), file.problems_text());
  CHECK(file.config.engine.kafka.properties.at("sasl.password") == "geheim");
  const ConfigReport variable = check("", {{"CAIRN_KAFKA__PROPERTIES__SASL_PASSWORD_FILE", path}});
  REQUIRE_MESSAGE(variable.ok(), variable.problems_text());
  CHECK(variable.config.engine.kafka.properties.at("sasl.password") == "geheim");
}

TEST_CASE("a secret's file that every user can read, or that is none, is refused") {
  const TemporaryFolder folder;
  const std::string open = write(folder, "open", "host=db", 0644);
  CHECK(problems("[sql]\ndsn_file = \"" + open + "\"\n") ==
        "c.toml:2:12: sql.dsn_file: " + open + ": can be read by every user of this machine; run: chmod o= FILE\n");
  CHECK(problems("[sql]\ndsn_file = \"" + folder.path() + "/absent\"\n") ==
        "c.toml:2:12: sql.dsn_file: " + folder.path() + "/absent: No such file or directory\n");
  CHECK(problems("[sql]\ndsn_file = \"" + folder.path() + "\"\n") ==
        "c.toml:2:12: sql.dsn_file: " + folder.path() + ": is not a regular file\n");
  const std::string empty = write(folder, "empty", "\n", 0600);
  CHECK(problems("[sql]\ndsn_file = \"" + empty + "\"\n") == "c.toml:2:12: sql.dsn_file: " + empty + ": is empty\n");
  const std::string huge = write(folder, "huge", std::string(70'000, 'x'), 0600);
  CHECK(problems("[sql]\ndsn_file = \"" + huge + "\"\n") ==
        "c.toml:2:12: sql.dsn_file: " + huge + ": is longer than 64KiB\n");
  CHECK(problems("[sql]\ndsn_file = 5\n") ==
        "c.toml:2:12: sql.dsn_file: must be the path of a file that holds sql.dsn\n");
}

TEST_CASE("a secret and its file in one place contradict each other; from two places the environment wins") {
  const TemporaryFolder folder;
  const std::string path = write(folder, "dsn", "host=from_file", 0600);
  CHECK(problems("[sql]\ndsn = \"host=x\"\ndsn_file = \"" + path + "\"\n") ==
        "c.toml:3:12: sql.dsn_file: sql.dsn is given too, at c.toml:2:7; keep one of them\n");
  const ConfigReport direct = check("[sql]\ndsn_file = \"" + path + "\"\n", {{"CAIRN_SQL__DSN", "host=from_variable"}});
  REQUIRE_MESSAGE(direct.ok(), direct.problems_text());
  CHECK(direct.config.engine.sql.dsn == "host=from_variable");
  const ConfigReport twin = check("[sql]\ndsn = \"host=x\"\n", {{"CAIRN_SQL__DSN_FILE", path}});
  REQUIRE_MESSAGE(twin.ok(), twin.problems_text());
  CHECK(twin.config.engine.sql.dsn == "host=from_file");
  CHECK_FALSE(check("", {{"CAIRN_SQL__DSN", "host=x"}, {"CAIRN_SQL__DSN_FILE", path}}).ok());
}

TEST_CASE("no message and no setting repeats a secret") {
  const ConfigReport report = check(R"([sql]
dsn = "host=db password=geheim"
dsn_file = "/nowhere"
[kafka.properties]
"sasl.password" = "geheim"
"ssl.key.pem" = "geheim"
"sasl.oauthbearer.config" = "geheim"
"sasl.username" = "sichtbar"
"ssl.ca.location" = "/etc/ca.pem"
)");
  const std::string all = report.problems_text() + show_settings(report, ShowOrigin::kYes);
  CHECK(all.find("geheim") == std::string::npos);
  CHECK(shown(report, "kafka.properties.sasl.username") == "\"sichtbar\"");
  CHECK(shown(report, "kafka.properties.ssl.ca.location") == "\"/etc/ca.pem\"");
}

TEST_CASE("a secret whose name is misspelt is not shown either") {
  const ConfigReport report = check(R"([sql]
dns = "host=db password=geheim"
[kafka.properties]
"sasl.pasword" = "geheim"
"sasl.passphrase" = "geheim"
"ssl.key.pass" = "geheim"
"api.key" = "geheim"
"sasl_password" = "geheim"
"fetch.wait.max.ms" = 100
)",
                                    {{"CAIRN_KAFKA__PROPERTIES__SASL_PASWD", "geheim"},
                                     {"CAIRN_SQL__DNS", "password=geheim"},
                                     {"CAIRN_SQL__PASSWORD", "geheim"}});
  const std::string all = report.problems_text() + show_settings(report, ShowOrigin::kYes);
  CHECK(all.find("geheim") == std::string::npos);
  CHECK(shown(report, "kafka.properties.sasl.pasword") == "\"***\"");
  CHECK(shown(report, "kafka.properties.fetch.wait.max.ms") == "\"100\"");
}

TEST_CASE("a secret of the wrong type or with a syntax error is not repeated either") {
  const std::string all = problems("[sql]\ndsn = [\"geheim\"]\n") + problems("[sql]\ndsn = \"geheim\n") +
                          problems("[sql]\ndsn = geheim\n") + problems("[sql]\ndsn = \"geh\\u0000eim\"\n");
  CHECK(all.find("geheim") == std::string::npos);
}

}  // namespace
}  // namespace cairn::config::test
