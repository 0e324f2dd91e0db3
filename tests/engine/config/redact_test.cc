#include "engine/config/redact.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "tests/engine/config/check_text.h"

namespace cairn::config {
namespace {

TEST_CASE("a connection string shows where it leads and not how one gets in") {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"host=db port=5432 dbname=cairn user=u password=geheim", "host=db port=5432 dbname=cairn user=u password=***"},
      {"password = 'ge heim' host=db", "password=*** host=db"},
      {"password='it\\'s' host=db", "password=*** host=db"},
      {"password=a\\ b host=db", "password=*** host=db"},
      {"host=db sslpassword=geheim passfile=/x", "host=db sslpassword=*** passfile=***"},
      {"dbname='postgresql://u:geheim@h/d'", "dbname=***"},
      {"dbname='host=h password=geheim'", "dbname=***"},
      {"postgresql://u:geheim@db:5432/cairn", "postgresql://u:***@db:5432/cairn"},
      {"postgres://u@db/cairn?sslmode=require", "postgres://u@db/cairn?sslmode=require"},
      {"postgresql://db/cairn?user=u&password=geheim&connect_timeout=5",
       "postgresql://db/cairn?user=u&password=***&connect_timeout=5"},
      {"postgresql://db/cairn?p%61ssword=geheim", "postgresql://db/cairn?***=***"},
      {"postgresql://u:ge@h:eim@db/cairn", "postgresql://u:***@db/cairn"},
      {"postgresql://:geheim@/cairn", "postgresql://:***@/cairn"},
  };
  for (const auto& [dsn, redacted] : cases) {
    CAPTURE(dsn);
    CHECK(redact_dsn(dsn) == redacted);
  }
}

TEST_CASE("what cannot be understood is not shown at all") {
  for (const char* dsn : {"geheim", "password='geheim", "host=db geheim", "=geheim", "host = a geheim = 'x",
                          "password=geheim\\", "mysql://u:geheim@h", "postgres//u:geheim@h/d?sslmode=require",
                          "password=ge heim geheim=1 host=db", "postgresql://db/cairn?geheim", "pasword=geheim",
                          "postgresql://db/cairn?password=x@geheim", "postgresql://u:1/geheim@db"}) {
    CAPTURE(dsn);
    CHECK(redact_dsn(dsn).find("geheim") == std::string::npos);
  }
}

TEST_CASE("a password that stands where none belongs is not repeated") {
  for (const char* text :
       {"sql.dsn_file: host=x password=geheim: No such file", "'host=x password=geheim'", "passwd='geheim'",
        "postgres://u:geheim@h/d", "listen: postgres://u:ge:he@im@h/d is no address"}) {
    CAPTURE(text);
    CHECK(without_passwords(text).find("geheim") == std::string::npos);
    CHECK(without_passwords(text).find("im@") == std::string::npos);
  }
  for (const char* text : {"http://localhost:8080/console", "a@b", "state.dir: /var/lib/cairn", "password= is empty"}) {
    CHECK(without_passwords(text) == text);
  }
  CHECK(without_passwords("host=x password=geheim: gone") == "host=x password=*** gone");
}

TEST_CASE("a connection string in the place of its file is not repeated in the problem") {
  const ConfigReport report = test::check("[sql]\ndsn_file = \"host=x password=geheim\"\n");
  CHECK(report.problems_text().find("geheim") == std::string::npos);
  CHECK(report.problems_text().find("sql.dsn_file") != std::string::npos);
}

}  // namespace
}  // namespace cairn::config
