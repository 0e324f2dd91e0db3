#include <doctest/doctest.h>

#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

TEST_CASE("an empty file means the defaults") {
  const ConfigReport report = check("");
  CHECK(report.ok());
  CHECK(report.config.engine.state_dir == "/var/lib/cairn");
  CHECK(report.config.engine.state.batch_events_max == StateOptions{}.batch_events_max);
}

TEST_CASE("a ranker that a start would refuse is a problem of the check") {
  Vocabulary words = vocabulary();
  words.check_ranker = [](const std::string& directory) {
    return directory == "/etc/good" ? Status() : invalid_argument(directory + "/model.toml:3: no such key");
  };
  const auto problems_with = [&](std::string_view text) {
    return check_config(text, "c.toml", {}, words).problems_text();
  };
  CHECK(problems_with("[ranking]\nranker = \"/etc/good\"\n") == "");
  CHECK(problems_with("[ranking]\nranker = \"\"\n") == "");
  CHECK(problems_with("[ranking]\nranker = \"/etc/bad\"\n") ==
        "c.toml:2:10: ranking.ranker: /etc/bad/model.toml:3: no such key\n");
}

TEST_CASE("a model whose head a start would refuse is a problem of the check") {
  Vocabulary words = vocabulary();
  words.check_model = [](const std::string& directory) {
    return directory == "/good" ? Status() : not_found(directory + ": is no model directory");
  };
  const auto problems_with = [&](std::string_view text) {
    return check_config(text, "c.toml", {}, words).problems_text();
  };
  CHECK(problems_with("[model]\ndir = \"/good\"\n") == "");
  CHECK(problems_with("[model]\ndir = \"\"\nroot = \"/models\"\n") == "");
  CHECK(problems_with("[model]\ndir = \"/bad\"\n") == "c.toml:2:7: model.dir: /bad: is no model directory\n");
}

TEST_CASE("the folder of models is the one that is named, else that of the model") {
  const auto folder = [](const std::string& text) { return models_folder(check(text).config); };
  CHECK(folder("") == "");
  CHECK(folder("[model]\ndir = \"/srv/models/a\"\n") == "/srv/models");
  CHECK(folder("[model]\ndir = \"/srv/models/a//\"\n") == "/srv/models");
  CHECK(folder("[model]\ndir = \"/srv/x/../models/a\"\n") == "/srv/models");
  CHECK(folder("[model]\ndir = \"models/a\"\n") == "models");
  CHECK(folder("[model]\ndir = \"a\"\n") == ".");
  CHECK(folder("[model]\ndir = \"/srv/models/a\"\nroot = \"/elsewhere\"\n") == "/elsewhere");
  CHECK(folder("[model]\nroot = \"/elsewhere\"\n") == "/elsewhere");
  CHECK(folder("[ranking]\nranker = \"/good/ranker\"\n") == "/good");
  CHECK(folder("[model]\ndir = \"/srv/models/a\"\n[ranking]\nranker = \"/good/ranker\"\n") == "/srv/models");
}

TEST_CASE("every kind of value reaches its field") {
  const ConfigReport report = check(R"([state]
dir = "/srv/cairn"
block_cache = "1GB"
batch_events_max = 7
batch_wait_max = "5ms"
sync = false
[decode]
time_min = 1990-12-31
future_max = "48h"
dedup_ids = 5000
[types]
declared = ["book", "share"]
[ranking]
radius_default = "1.5km"
[ranking.weights]
distance = -2
popularity = 0.5
[http]
listen = "[::1]:80"
[log]
level = "debug"
format = "json"
)");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  const EngineOptions& engine = report.config.engine;
  CHECK(engine.state_dir == "/srv/cairn");
  CHECK(engine.state.block_cache_bytes == 1'000'000'000);
  CHECK(engine.state.batch_events_max == 7);
  CHECK(engine.state.batch_wait_max == std::chrono::milliseconds{5});
  CHECK_FALSE(engine.state.sync);
  CHECK(engine.decode.time_min == std::chrono::sys_days{std::chrono::year{1990} / 12 / 31});
  CHECK(engine.decode.future_max == std::chrono::hours{48});
  CHECK(engine.decode.dedup_ids == 5'000);
  CHECK(engine.decode.declared_types == std::vector<std::string>{"book", "share"});
  CHECK(engine.ranking.radius_meters_default == 1'500.0);
  CHECK(engine.ranking.weights == std::map<std::string, double>{{"distance", -2.0}, {"popularity", 0.5}});
  CHECK(report.config.http.address == "::1");
  CHECK(report.config.http.port == 80);
  CHECK(report.config.server.log_level == LogLevel::kDebug);
  CHECK(report.config.server.log_format == LogFormat::kJson);
}

TEST_CASE("weights that are named stand beside the ranker's, unless defaults say otherwise") {
  CHECK(check("[ranking.weights]\ndistance = 1\n").config.engine.ranking.default_weights);
  const ConfigReport alone = check("[ranking.weights]\ndistance = 1\ndefaults = false\n");
  REQUIRE_MESSAGE(alone.ok(), alone.problems_text());
  CHECK_FALSE(alone.config.engine.ranking.default_weights);
  CHECK(alone.config.engine.ranking.weights == std::map<std::string, double>{{"distance", 1.0}});
  CHECK(problems("[ranking.weights]\ndefaults = 0\n") ==
        "c.toml:2:12: ranking.weights.defaults: must be true, where the other weights stay the ranker's, or false, "
        "where there are no others, not an integer\n");
  const auto of_environment = check_config("", "c.toml", {{"CAIRN_RANKING__WEIGHTS__DEFAULTS", "false"}}, vocabulary());
  REQUIRE_MESSAGE(of_environment.ok(), of_environment.problems_text());
  CHECK_FALSE(of_environment.config.engine.ranking.default_weights);
}

TEST_CASE("who weighs a feature of their own beside the built-in ones is shown where it is weighed") {
  const std::string declared =
      "[[ranking_feature]]\nname = \"quiet\"\nview = \"v\"\nweight = 1\n"
      "[[ranking_feature]]\nname = \"busy\"\nview = \"v\"\nweight = 2\n";
  CHECK(problems("[ranking.weights]\nbusy = 0.5\n" + declared) ==
        "c.toml:2:8: 'busy' is a feature of your own, which is weighed where it is declared; give its "
        "[[ranking_feature]] table (ranking_feature[1]) weight = 0.5, and leave it out here\n");
  CHECK(problems("[ranking.weights]\nbussy = 0.5\n" + declared)
            .starts_with("c.toml:2:9: unknown ranking feature 'bussy'; there are distance"));
}

TEST_CASE("what is in the way of the state directory is a problem at its key") {
  Vocabulary words = vocabulary();
  words.check_state_dir = [](const std::string& directory) {
    return directory == "/a/file" ? invalid_argument("state.dir: '/a/file' is a file") : Status();
  };
  const auto problems_with = [&](const std::string& text) {
    return check_config(text, "c.toml", {}, words).problems_text();
  };
  CHECK(problems_with("[state]\ndir = \"/a/file\"\n") == "c.toml:2:7: state.dir: '/a/file' is a file\n");
  CHECK(problems_with("[state]\ndir = \"/a\"\n") == "");
  CHECK(check("[state]\ndir = \"/a/file\"\n").ok());
}

TEST_CASE("declared types count as built-in ones, once or so often") {
  const ConfigReport report = check(
      "[types]\ndeclared = [\"purchase\", \"wish\"]\n[types.counts_as]\npurchase = { as = \"visit\", weight = 5 }\n"
      "wish = \"save\"\n");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  const auto& counts = report.config.engine.decode.counts_as;
  REQUIRE(counts.size() == 2);
  CHECK(counts.at("purchase").type == "visit");
  CHECK(counts.at("purchase").weight == 5);
  CHECK(counts.at("wish").type == "save");
  CHECK(counts.at("wish").weight == 1);
  const std::string declared = "[types]\ndeclared = [\"purchase\"]\n[types.counts_as]\n";
  CHECK(problems(declared + "purchas = \"visit\"\n") ==
        "c.toml:4:11: types.counts_as: 'purchas' counts as 'visit', and is not declared; did you mean 'purchase'?\n");
  CHECK(problems(declared + "purchase = \"vist\"\n") ==
        "c.toml:4:12: types.counts_as: 'purchase' must count as view, click, visit, rate, save or dismiss, and not as "
        "'vist'; did you mean 'visit'?\n");
  const std::pair<const char*, const char*> wrong[] = {{"1.5", "1.5"}, {"5.0", "5.0"}, {"500", "500"},
                                                       {"0", "0"},     {"-3", "-3"},   {"\"5\"", "a string"}};
  for (const auto& [weight, given] : wrong) {
    CHECK(problems(declared + "purchase = { as = \"visit\", weight = " + weight + " }\n") ==
          std::string("c.toml:4:12: types.counts_as.purchase: weight must be a whole number from 1 to 100, not ") +
              given + "; write it like \"visit\" or { as = \"visit\", weight = 5 }\n");
  }
  CHECK(problems(declared + "purchase = { weight = 2 }\n")
            .starts_with("c.toml:4:12: types.counts_as.purchase: says not what it counts as"));
  CHECK(problems(declared + "purchase = { as = \"visit\", wieght = 2 }\n")
            .starts_with("c.toml:4:12: types.counts_as.purchase: has no key 'wieght'"));
  CHECK(problems(declared + "purchase = 3\n")
            .starts_with("c.toml:4:12: types.counts_as.purchase: must be the type that it counts as, not an integer"));
}

TEST_CASE("a ranking feature that a start would refuse is a problem at the key that is at fault") {
  Vocabulary words = vocabulary();
  words.check_ranking_feature = [](const RankingFeatureSpec& feature, const EngineOptions&) {
    if (feature.view == "user_history") return invalid_argument("view: 'user_history' is a sequence");
    if (!feature.key.empty()) return invalid_argument("key: is for views by type");
    return feature.view == "place_visits" ? Status()
                                          : invalid_argument("view: no feature view is named '" + feature.view + "'");
  };
  words.builtin_views = {"place_visits", "user_history"};
  const auto problems_with = [&](const std::string& keys) {
    return check_config("[[ranking_feature]]\nname = \"x\"\n" + keys, "c.toml", {}, words).problems_text();
  };
  CHECK(problems_with("view = \"place_visits\"\nweight = 1\n") == "");
  CHECK(problems_with("view = \"place_visit\"\nweight = 1\n") ==
        "c.toml:3:8: ranking_feature[0].view: no feature view is named 'place_visit'; did you mean 'place_visits'?\n");
  CHECK(problems_with("view = \"user_history\"\nweight = 1\n")
            .starts_with("c.toml:3:8: ranking_feature[0].view: 'user_history' is a sequence"));
  CHECK(problems_with("view = \"place_visits\"\nkey = \"visit\"\nweight = 1\n")
            .starts_with("c.toml:4:7: ranking_feature[0].key: is for views by type"));
  CHECK(problems_with("view = \"place_visits\"\nweight = 1e7\n")
            .starts_with("c.toml:4:10: ranking_feature[0].weight: is 1e+07; it must be from -1e+06 to 1e+06"));
  CHECK(problems_with("view = \"place_visits\"\n").find("has no 'weight'") != std::string::npos);
  CHECK(problems_with("view = \"place_visits\"\nweight = 1\ntransform = \"log\"\n").find("'log1p'") !=
        std::string::npos);
  CHECK(problems_with("view = \"place_visits\"\nweight = 1\n[[ranking_feature]]\nname = \"x\"\nview = "
                      "\"place_visits\"\nweight = 1\n")
            .find("is the name of ranking_feature[0] already") != std::string::npos);
  const auto good = check_config(
      "[[ranking_feature]]\nname = \"x\"\nview = \"place_visits\"\ntransform = \"sqrt\"\nweight = -0.5\nreason = "
      "\"r\"\n",
      "c.toml", {}, words);
  REQUIRE(good.config.engine.ranking.features.size() == 1);
  CHECK(good.config.engine.ranking.features[0].transform == ValueTransform::kSqrt);
  CHECK(good.config.engine.ranking.features[0].weight == -0.5);
}

TEST_CASE("templates and the clock of sentences are checked where they stand") {
  Vocabulary words = vocabulary();
  words.check_reason_options = [](const RankingOptions& ranking) {
    const ReasonOptions& reasons = ranking.reasons;
    if (reasons.time_zone == "Europa") return invalid_argument("time_zone: 'Europa' is no time zone");
    for (const auto& [language, templates] : reasons.templates) {
      if (templates.contains("visited") && templates.at("visited") == "{coutn}") {
        return invalid_argument("templates." + language + ".visited: '{coutn}' stands for nothing there");
      }
    }
    const bool known = reasons.language == "en" || reasons.templates.contains(reasons.language);
    return known ? Status() : invalid_argument("language: there are no templates for '" + reasons.language + "'");
  };
  const auto problems_with = [&](const std::string& text) {
    return check_config(text, "c.toml", {}, words).problems_text();
  };
  CHECK(problems_with("[reasons]\ntime_zone = \"+02:00\"\nlanguage = \"de\"\n[reasons.templates.de]\nvisited_once = "
                      "\"einmal\"\n") == "");
  CHECK(problems_with("[reasons]\ntime_zone = \"Europa\"\n")
            .starts_with("c.toml:2:13: reasons.time_zone: 'Europa' is no "));
  CHECK(problems_with("[reasons]\nlanguage = \"de\"\n")
            .starts_with("c.toml:2:12: reasons.language: there are no templates"));
  CHECK(problems_with("[reasons.templates.de]\nvisited = \"{coutn}\"\n") ==
        "c.toml:2:11: reasons.templates.de.visited: '{coutn}' stands for nothing there\n");
  CHECK(problems_with("[reasons.templates]\nvisited = \"x\"\n") ==
        "c.toml:2:11: reasons.templates.visited: must name a language and what is said, such as de.visited\n");
  CHECK(problems_with("[reasons.templates.de]\nvisited = 1\n") ==
        "c.toml:2:11: reasons.templates.de.visited: must be a text in quotes, not an integer\n");
}

TEST_CASE("a problem is one line, whatever stands in the value that it names") {
  CHECK(problems("[sql]\ndsn_file = \"/no/such\\nfile\\u001b[0m\"\n") ==
        "c.toml:2:12: sql.dsn_file: /no/such\\x0afile\\x1b[0m: No such file or directory\n");
}

TEST_CASE("all problems are reported at once, from top to bottom, each with its line and column") {
  CHECK(problems(R"([state]
block_cach = "1MiB"
  sync = "yes"
batch_wait_max = "30 dais"
[sql]
pool_size = 101
[htpp]
)") == R"(c.toml:2:1: unknown key 'block_cach' in [state]; did you mean 'block_cache'?
c.toml:3:10: state.sync: must be true or false, not a string
c.toml:4:18: state.batch_wait_max: "30 dais" is not a duration: 'dais' is not a unit; write it like "30s" (units: ms, s, m, h, d)
c.toml:6:13: sql.pool_size: is 101; it must be from 1 to 100
c.toml:7:2: unknown table 'htpp'; did you mean 'http'?
)");
}

TEST_CASE("a key in the wrong table is shown the right one") {
  CHECK(problems("[state]\ndsn = \"host=x\"\n") == "c.toml:2:1: unknown key 'dsn' in [state]; it belongs in [sql]\n");
  CHECK(problems("listen = \"127.0.0.1:1\"\n") ==
        "c.toml:1:1: unknown key 'listen' outside any table; it belongs in [http]\n");
}

TEST_CASE("a key that is near nothing is answered with the keys there are") {
  CHECK(problems("[log]\nzebra = 1\n") == "c.toml:2:1: unknown key 'zebra' in [log]; its keys are level, format\n");
}

TEST_CASE("the window by event time that repeats once had is unknown, and the key that counts ids is named") {
  CHECK(problems("[decode]\ndedup_window = \"1d\"\n") ==
        "c.toml:2:1: unknown key 'dedup_window' in [decode]; did you mean 'dedup_ids'?\n");
  CHECK(problems("[decode]\ndedup_ids = 999\n") ==
        "c.toml:2:13: decode.dedup_ids: is 999; it must be from 1000 to 1000000000\n");
}

TEST_CASE("a table where a list belongs, and the other way round") {
  CHECK(problems("[[state]]\nsync = true\n") == "c.toml:1:3: 'state' is an array; write it as one table, [state]\n");
  CHECK(problems("[file]\nname = \"a\"\n") == "c.toml:1:2: 'file' is a table; write each one as [[file]]\n");
  CHECK(problems("state = 5\n") == "c.toml:1:1: 'state' is an integer; write it as one table, [state]\n");
  CHECK(problems("[ranking]\nweights = 1\n") == "c.toml:2:11: ranking.weights: must be a table, not an integer\n");
}

TEST_CASE("every type of key says what it wants instead of another type") {
  const std::string got = problems(R"([state]
dir = 1
batch_events_max = 1.5
batch_wait_max = 20
block_cache = true
[decode]
time_min = 5
[ranking]
radius_default = 50.0
[types]
declared = "book"
[log]
level = []
)");
  CHECK(got == R"(c.toml:2:7: state.dir: must be a string, not an integer
c.toml:3:20: state.batch_events_max: must be an integer, not a number
c.toml:4:18: state.batch_wait_max: must be a duration such as "30s" (units: ms, s, m, h, d), not an integer
c.toml:5:15: state.block_cache: must be a size such as "64MiB" (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB), not a boolean
c.toml:7:12: decode.time_min: must be a date such as 2000-01-31, not an integer
c.toml:9:18: ranking.radius_default: must be a distance such as "50km" (units: m, km), not a number
c.toml:11:12: types.declared: must be an array of strings, not a string
c.toml:13:9: log.level: must be a string, not an array
)");
}

TEST_CASE("bounds are told in the unit of the key, and both ends are allowed") {
  CHECK(problems("[state]\nmemtable = \"1KiB\"\n") ==
        "c.toml:2:12: state.memtable: is 1KiB; it must be from 1MiB to 4GiB\n");
  CHECK(problems("[http]\nidle_timeout = \"2h\"\n") ==
        "c.toml:2:16: http.idle_timeout: is 2h; it must be from 1s to 1h\n");
  CHECK(problems("[ranking]\nradius_max = \"30000km\"\n") ==
        "c.toml:2:14: ranking.radius_max: is 30000km; it must be from 1m to 20040km\n");
  CHECK(problems("[decode]\ntime_min = 1969-12-31\n") ==
        "c.toml:2:12: decode.time_min: is 1969-12-31; it must be from 1970-01-01 to 2100-01-01\n");
  CHECK(problems("[decode]\nfuture_max = \"90m\"\n") ==
        "c.toml:2:14: decode.future_max: is \"90m\"; it must be a multiple of 1h\n");
  CHECK(check("[state]\nmemtable = \"1MiB\"\n[http]\nidle_timeout = \"1h\"\n").ok());
}

TEST_CASE("a choice is answered with the choices") {
  CHECK(problems("[log]\nlevel = \"warn\"\n") ==
        "c.toml:2:9: log.level: is \"warn\"; it must be one of debug, info, warning, error\n");
  CHECK(problems("[log]\nlevel = \"wraning\"\n") ==
        "c.toml:2:9: log.level: is \"wraning\"; it must be one of debug, info, warning, error; did you mean "
        "'warning'?\n");
  CHECK(problems("[kafka]\non_gap = \"earliest\"\n") ==
        "c.toml:2:10: kafka.on_gap: is \"earliest\"; it must be one of stop, accept\n");
  const ConfigReport accepting =
      check("[kafka]\non_gap = \"accept\"\n[[file]]\nname = \"f\"\npath = \"p\"\non_gap = \"accept\"\n");
  CHECK(accepting.config.engine.kafka.on_gap == OnGap::kAccept);
  CHECK(accepting.config.engine.files.at(0).on_gap == OnGap::kAccept);
}

TEST_CASE("names keep to their alphabets") {
  CHECK(problems("[sql]\nschema = \"Foo-Bar\"\n") ==
        "c.toml:2:10: sql.schema: \"Foo-Bar\" must have 1 to 63 characters, lower-case letters, digits and '_', the "
        "first one no digit\n");
  CHECK(problems("[kafka]\nbrokers = \"a:9092,b\"\ntopic = \"t\"\n") ==
        "c.toml:2:11: kafka.brokers: \"b\" must be \"host:port\"; several are separated by commas\n");
  CHECK(problems("[types]\ndeclared = [\"book\", \"view\"]\n") ==
        "c.toml:2:12: types.declared: interaction type 'view' is declared twice\n");
}

TEST_CASE("a slip in the syntax does not hide the slips after it") {
  const ConfigReport report = check("[state]\ndir = \"abc\nsync = 1\nsync = true\n[log]\nlevle = \"info\"\n");
  REQUIRE(report.problems.size() == 4);
  CHECK(report.problems[0].to_string().starts_with("c.toml:2:11: syntax error in string"));
  CHECK(report.problems[0].message.ends_with("is the closing quote missing?"));
  CHECK(report.problems[1].to_string() == "c.toml:3:8: state.sync: must be true or false, not an integer");
  CHECK(report.problems[2].to_string().starts_with("c.toml:4:8: syntax error"));  // sync stands twice
  CHECK(report.problems[3].to_string() == "c.toml:6:1: unknown key 'levle' in [log]; did you mean 'level'?");
}

TEST_CASE("a broken table header ends the reading: what follows cannot be placed") {
  const ConfigReport report = check("[state\nsync = 1\n");
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems[0].place == "c.toml:1:7");
}

TEST_CASE("keys that contradict each other are reported where one of them stands") {
  CHECK(problems("[ranking]\nradius_default = \"600km\"\n") ==
        "c.toml:2:18: ranking.radius_default (600km) is larger than ranking.radius_max (500km); raise radius_max or "
        "lower radius_default\n");
  CHECK(problems("[kafka]\nbrokers = \"a:1\"\n") ==
        "c.toml:2:11: kafka.brokers is given without kafka.topic; name the topic to read\n");
  CHECK(problems("[kafka]\ntopic = \"t\"\n") ==
        "c.toml:2:9: kafka.topic is given without kafka.brokers; name the brokers to read from\n");
  CHECK(problems("[http]\nlisten = \"0.0.0.0:7077\"\n")
            .starts_with("c.toml:2:10: http.listen: 0.0.0.0:7077 can be reached from other machines"));
  CHECK(check("[http]\nlisten = \"0.0.0.0:7077\"\nallow_remote = true\n").ok());
}

TEST_CASE("a value that is wrong is one problem, not also a contradiction") {
  CHECK(check("[kafka]\nbrokers = \"a\"\ntopic = \"t\"\n").problems.size() == 1);
  CHECK(check("[kafka]\nbrokers = \"a:1\"\ntopic = \"a b\"\n").problems.size() == 1);
}

TEST_CASE("properties that would take offsets or code out of our hands are refused with the reason") {
  CHECK(problems("[kafka.properties]\n\"group.id\" = \"x\"\nenable.auto.commit = true\n\"auto.offset.reset\" = 1\n"
                 "\"plugin.library.paths\" = \"x\"\n") ==
        R"(c.toml:2:14: kafka.properties.group.id: may not be set: set kafka.group instead
c.toml:3:22: kafka.properties.enable.auto.commit: may not be set: offsets are stored with the state, and where to resume is decided there
c.toml:4:23: kafka.properties.auto.offset.reset: may not be set: offsets are stored with the state, and where to resume is decided there
c.toml:5:26: kafka.properties.plugin.library.paths: may not be set: it would run code of others inside the process
)");
}

TEST_CASE("properties are passed on as text, quoted or dotted") {
  const ConfigReport report = check(
      "[kafka.properties]\n\"linger.ms\" = 5\nfetch.wait.max.ms = 10\n\"socket.keepalive.enable\" = true\n\"a.b\" = "
      "\"c\"\n");
  REQUIRE_MESSAGE(report.ok(), report.problems_text());
  CHECK(report.config.engine.kafka.properties ==
        std::map<std::string, std::string>{
            {"linger.ms", "5"}, {"fetch.wait.max.ms", "10"}, {"socket.keepalive.enable", "true"}, {"a.b", "c"}});
}

TEST_CASE("a weight names a ranking feature and is a number within its bounds") {
  CHECK(problems("[ranking.weights]\ndistanse = 1\n") ==
        "c.toml:2:12: unknown ranking feature 'distanse'; did you mean 'distance'?; there are distance, popularity, "
        "user_affinity\n");
  CHECK(problems("[ranking.weights]\ndistance = inf\n") ==
        "c.toml:2:12: ranking.weights.distance: must be a number from -1e6 to 1e6 such as 0.5\n");
  CHECK(problems("[ranking.weights]\ndistance = \"1\"\n") ==
        "c.toml:2:12: ranking.weights.distance: must be a number from -1e6 to 1e6 such as 0.5, not a string\n");
  for (const std::string beyond : {"1e308", "-1e308", "1000000.5", "nan", "-1000001"}) {
    CHECK(problems("[ranking.weights]\ndistance = " + beyond + "\n") ==
          "c.toml:2:12: ranking.weights.distance: must be a number from -1e6 to 1e6 such as 0.5\n");
  }
  CHECK(problems("[ranking.weights]\ndistance = 1e6\npopularity = -1000000\n").empty());
  CHECK(check_config("[ranking.weights]\nany = 1\n", "c.toml", {}, {}).ok());
}

TEST_CASE("a message stays on its line whatever the file holds") {
  for (const Problem& problem : check("[state]\n\"a\\nb\" = 1\n[log]\nlevel = \"a\\u0007\\nb\"\n").problems) {
    CHECK(problem.to_string().find('\n') == std::string::npos);
    CHECK(problem.to_string().find('\a') == std::string::npos);
  }
}

TEST_CASE("names of hosts are names alone") {
  CHECK(problems("[http]\nhosts = [\"cairn.example.com\", \"LOCALHOST\", \"10.0.0.1\", \"[2001:db8::1]\"]\n") == "");
  for (const char* host : {"", "http://x", "x:80", "x/y", "*.example.com", "a b", "[::1", "::1"}) {
    CAPTURE(host);
    const std::string found = problems("[http]\nhosts = [\"" + std::string(host) + "\"]\n");
    CHECK(found.starts_with("c.toml:2:9: http.hosts: "));
    CHECK(found.find("without scheme and port") != std::string::npos);
  }
}

TEST_CASE("memory for clients must be enough for the other limits, as a start would ask") {
  CHECK(problems("[http]\nmemory_max = \"16MiB\"\n") == "");
  // 1088 connections of 8 KiB, and twice 1 MiB and 8 KiB: 10.5 MiB and a little.
  CHECK(problems("[http]\nmemory_max = \"10MiB\"\n") ==
        "c.toml:2:14: http.memory_max must be at least 11MiB for these http.connections_max, body_max and header_max; "
        "raise it or lower them\n");
  CHECK(problems("[http]\nconnections_max = 65536\n").starts_with("c.toml:2:19: http.memory_max must be at least "));
  CHECK(problems("[http]\nbody_max = \"256MiB\"\n").starts_with("c.toml:2:12: http.memory_max must be at least "));
  CHECK(problems("[http]\nconnections_max = 65536\nmemory_max = \"1GiB\"\n") == "");
}

TEST_CASE("memory for answers in which few of them fit is warned of, with what would be of use") {
  const auto warned = [](const char* memory) {
    return check("[cache]\nmemory = \"" + std::string(memory) + "\"\n").warnings_text();
  };
  // A 16th for each shard, and a quarter of that for one answer.
  CHECK(warned("32KiB") ==
        "warning: c.toml:2:10: cache.memory = 32KiB keeps few answers in memory or none: one may take 512B; give 2MiB "
        "or more, or 0B to keep none\n");
  CHECK(warned("2MiB") == "");
  CHECK(warned("0B") == "");
  CHECK(check("").warnings_text() == "");
}

TEST_CASE("checkpoints lie beside the state, not in it") {
  CHECK(checkpoints_folder(check("").config) == "/var/lib/cairn-checkpoints");
  CHECK(checkpoints_folder(check("[state]\ndir = \"/srv/cairn/\"\n").config) == "/srv/cairn-checkpoints");
  CHECK(checkpoints_folder(check("[state]\ncheckpoints = \"/backup\"\n").config) == "/backup");
  for (const char* folder : {"/srv/cairn", "/srv/cairn/", "/srv/cairn/checkpoints", "/srv/x/../cairn/y"}) {
    CAPTURE(folder);
    CHECK(problems("[state]\ndir = \"/srv/cairn\"\ncheckpoints = \"" + std::string(folder) + "\"\n")
              .find("lies inside state.dir; name a folder beside it") != std::string::npos);
  }
  for (const char* folder : {"/srv", "/srv/cairn2", "/srv/cairn-checkpoints", "/backup/srv/cairn"}) {
    CAPTURE(folder);
    CHECK(problems("[state]\ndir = \"/srv/cairn\"\ncheckpoints = \"" + std::string(folder) + "\"\n") == "");
  }
}

}  // namespace
}  // namespace cairn::config::test
