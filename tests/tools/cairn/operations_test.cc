// What an operator asks a daemon for: status, waits, checks, kept answers, models, consumers.

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "cairn/mutex.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/cli_fixture.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("cli");

TEST_CASE_FIXTURE(Cli, "status shows counts, lag, rules that do nothing and checks") {
  engine.status_answer.idle_rules = {{"lunch", "no place has an attribute 'lunch_menu'; there are price"}};
  const Outcome outcome = run({"status"});
  CHECK(outcome.exit_code == 0);
  CHECK(mentions(outcome.out, "ready"));
  CHECK(mentions(outcome.out, "1,234 applied, 5 rejected"));
  CHECK(mentions(
      outcome.out,
      "\n                 rule lunch does nothing, or not what it says: no place has an attribute 'lunch_menu'; "
      "there are price\n"));
  CHECK(mentions(outcome.out, "row cache"));
  CHECK(mentions(outcome.out, "75.000 % of reads answered"));
  CHECK(mentions(outcome.out, "features  api             0      90       80       10  reading"));
  CHECK(mentions(outcome.out, "12 rows with changes not written yet"));
  CHECK(mentions(outcome.out, "row_cache 1.9 MiB, pending 2.9 KiB"));
  CHECK(mentions(outcome.out, "postgres  OK     connected"));
}

TEST_CASE_FIXTURE(Cli, "a checkpoint and a wait pass on what the server says") {
  const cairn::test::TemporaryFolder scratch;
  HttpOptions options;
  options.checkpoints_dir = scratch.path();
  start(options);
  CHECK(run({"checkpoint", "x"}).out == "4.0 KiB in " + (scratch / "x") + "\n  api/0 reflected up to offset 42\n");
  const Outcome taken = run({"checkpoint", "exists"});
  CHECK(taken.exit_code == 1);
  CHECK(mentions(taken.err, "ALREADY_EXISTS"));
  CHECK(run({"wait"}).out == "caught up\n");
}

TEST_CASE_FIXTURE(Cli, "a wait that takes too long ends with 5") {
  engine.on_wait = [](const CallContext&) { return deadline_exceeded("still behind"); };
  CHECK(run({"wait", "--timeout", "0.01"}).exit_code == 5);
}

TEST_CASE_FIXTURE(Cli, "doctor reports each check, and fails when one does") {
  const cairn::test::TemporaryFolder scratch;
  const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + scratch.path() + "/state\"\n");
  const Outcome healthy = run({"-o", "json", "doctor", "--config", config});
  INFO(healthy.out, healthy.err);
  const auto report = nlohmann::json::parse(healthy.out);
  std::map<std::string, std::string> health;
  for (const auto& check : report["checks"]) health[check["check"]] = check["health"];
  for (const char* name : {"configuration", "state directory", "free space", "file system", "sync cost", "postgresql",
                           "open files", "clock", "server", "server: state", "server: computes on"}) {
    CHECK_MESSAGE(health.count(name) == 1, name);
  }
  CHECK(health["configuration"] == "OK");
  CHECK(health["state directory"] == "OK");
  CHECK(health["server"] == "OK");
  CHECK((healthy.exit_code == 0) == (report["ok"] == true));
  CHECK(mentions(run({"doctor", "--config", config}).out, "server: computes on  OK      cpu/avx2"));
}

ModelStatus some_model(std::uint64_t strangers) {
  return {.configured = "/m/a",
          .directory = "/m/b",
          .version = "0123456789abcdef-3",
          .kind = "ials",
          .items = 1'000,
          .segments = 12,
          .items_without_place = strangers,
          .places_without_item = 7,
          .memory_bytes = 2048,
          .loaded = event_time_from_ms(1'714'564'800'000),
          .last_failure = {{event_time_from_ms(1'714'564'800'000), "/m/c", "it\x1b is gone"}}};
}

TEST_CASE_FIXTURE(Cli, "model status says which one is in force, for how long, and what went wrong last") {
  engine.status_answer.model = some_model(400);
  const Outcome status = run({"model", "status"});
  CHECK(status.exit_code == 0);
  for (const char* part :
       {"a model is in force: /m/b\n", "0123456789abcdef-3", "ials", "2024-05-01T12:00:00Z",
        "1,000, of these no places of the catalogue: 400", "load /m/a; to keep it, set [model] dir",
        "segments       12 of users\n", "last failure   2024-05-01T12:00:00Z /m/c\n", "it? is gone"}) {
    CHECK_MESSAGE(mentions(status.out, part), status.out);
  }
  CHECK(nlohmann::json::parse(run({"-o", "json", "model", "status"}).out)["items"] == 1'000);
  CHECK(mentions(run({"status"}).out, "0123456789abcdef-3 (ials), 1,000 items"));
}

TEST_CASE_FIXTURE(Cli, "without a model, model status says so, and what is configured") {
  CHECK(run({"model", "status"}).out ==
        "no model is in force\nplaces are scored by the ranker: the one that ships with Cairn\n"
        "  version        0\n  network        none\n");
  engine.status_answer.model.ranker = {.configured = "/r/a", .directory = "/r/b", .version = 7, .network = true};
  CHECK(mentions(run({"model", "status"}).out,
                 "the ranker: /r/b\n  version        7\n  network        corrects the order of the best\n"
                 "  lasts          until a restart or SIGHUP, which load /r/a; to keep it, set [ranking] ranker\n"));
  engine.status_answer.model.configured = "/m/a";
  CHECK(mentions(run({"model", "status"}).out, "configured     /m/a\n"));
  CHECK(mentions(run({"status"}).out, "model          none\n"));
}

TEST_CASE_FIXTURE(Cli, "cache stats says how much is kept and how often it was given again") {
  CHECK(mentions(run({"cache", "stats"}).out, "no answers are kept"));
  engine.status_answer.answers = {.bytes = 2048,
                                  .limit = 1 << 20,
                                  .entries = 12,
                                  .hits = 1'500,
                                  .stale_hits = 1,
                                  .misses = 500,
                                  .waited = 9,
                                  .outdated = 7,
                                  .passed = 3,
                                  .shared = true,
                                  .shared_hits = 4,
                                  .shared_rows = 1'234,
                                  .shared_bytes = 3 << 20,
                                  .shared_trouble = "gone",
                                  .shared_alone = "rules"};
  const Outcome stats = run({"cache", "stats"});
  for (const char* expected :
       {"12 answers, 2.0 KiB of 1.0 MiB", "1,500, and 1 marked as stale",
        "500, 7 as something had happened, 9 of all waited for another",
        "in PostgreSQL  about 1,234 answers, 3.0 MiB, 4 hits", "its trouble    gone", "for itself     rules"}) {
    CHECK_MESSAGE(mentions(stats.out, expected), stats.out);
  }
  CHECK(nlohmann::json::parse(run({"-o", "json", "cache", "stats"}).out)["hits"] == 1'500);
}

TEST_CASE_FIXTURE(Cli, "answers are invalidated by name, and warmed from a file") {
  CHECK(mentions(run({"cache", "invalidate", "--user", "u", "--place", "p", "--place", "q"}).out, "about 3 names"));
  REQUIRE(engine.invalidated().size() == 1);
  CHECK(engine.invalidated()[0].places == std::vector<std::string>{"p", "q"});
  CHECK(mentions(run({"cache", "invalidate", "--all"}).out, "all kept answers are outdated"));
  const Outcome nothing = run({"cache", "invalidate"});
  CHECK(nothing.exit_code == 2);
  CHECK(mentions(nothing.err, "--all"));
  CHECK(mentions(run({"cache", "invalidate", "--user", "u"}).out, "about 1 name are outdated"));
  const cairn::test::TemporaryFolder folder;
  folder.write("requests", "{\"user_id\":\"a\"}\n\n{\"user_id\":\"b\",\"limit\":2}\n");
  CHECK(run({"cache", "warm", folder / "requests"}).out == "2 answers are warm\n");
  CHECK(engine.last_recommend().limit == 2);
  CHECK(run({"cache", "warm", folder.path()}).exit_code == 1);
  folder.write("requests", "{\"user_id\":\"a\"}\nx\n");
  CHECK(mentions(run({"cache", "warm", folder / "requests"}).err, "requests:2: is no JSON object"));
  CHECK(run({"cache", "warm", folder / "absent"}).exit_code == 4);
}

TEST_CASE_FIXTURE(Cli, "a model is activated by its name or path, and what the server refuses is told") {
  engine.on_activate = [](const std::string& directory, ModelChoice) -> Result<ModelStatus> {
    if (directory == "/m/absent") return not_found("/m/absent: is no model directory: there is no model.toml in it");
    return ModelStatus{.directory = directory, .version = "0123456789abcdef-3", .kind = "ials", .items = 5};
  };
  HttpOptions options;
  options.models_dir = "/m";
  start(options);
  const Outcome activated = run({"model", "activate", "b"});
  CHECK(activated.exit_code == 0);
  CHECK(mentions(activated.out, "a model is in force: /m/b\n"));
  CHECK(mentions(activated.out, "until a restart; to keep it, set [model] dir"));
  CHECK(mentions(activated.out, "not counted yet"));
  CHECK(nlohmann::json::parse(run({"-o", "json", "model", "activate", "/m/c"}).out)["directory"] == "/m/c");
  const Outcome absent = run({"model", "activate", "absent"});
  CHECK(absent.exit_code == 4);
  CHECK(mentions(absent.err, "there is no model.toml in it"));
  const Outcome outside = run({"model", "activate", "/etc"});
  CHECK(outside.exit_code == 1);
  CHECK(mentions(outside.err, "model.root"));
  CHECK(run({"model", "activate"}).exit_code == 2);
  CHECK(run({"model"}).exit_code == 2);
}

TEST_CASE_FIXTURE(Cli, "doctor says which model is served, and warns when most of it cannot be recommended") {
  const cairn::test::TemporaryFolder scratch;
  const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + scratch.path() + "/state\"\n");
  const auto finding = [&]() -> nlohmann::json {
    const Outcome outcome = run({"-o", "json", "doctor", "--config", config});
    const auto report = nlohmann::json::parse(outcome.out);
    for (const auto& check : report["checks"]) {
      if (check["check"] == "served model") return check;
    }
    return {};
  };
  CHECK(finding()["detail"] == "none");
  CHECK(finding()["health"] == "OK");
  engine.status_answer.model = some_model(500);
  CHECK(finding()["health"] == "OK");
  CHECK(finding()["detail"] == "0123456789abcdef-3 of /m/b, 1,000 items, of these 500 no places");
  engine.status_answer.model = some_model(501);
  CHECK(finding()["health"] == "WARN");
  CHECK(mentions(finding()["remedy"].get<std::string>(), "cairn places import"));
}

ConsumerHealth blocked_consumer() {
  return {.consumer = "sql",
          .source = "kafka",
          .required = false,
          .gap_records = 1'200,
          .unchecked = {{Partition{2}, Offset{56}, event_time_from_ms(1'714'564'800'000)}},
          .troubles = {{.partition = Partition{3},
                        .blocked = true,
                        .gap = true,
                        .since = event_time_from_ms(1'714'564'800'000),
                        .reason = "42 records\x1b are gone",
                        .remedy = "cairn consumer accept-gap sql:kafka"}}};
}

TEST_CASE_FIXTURE(
    Cli, "a blocked consumer stands in status with its remedy, and doctor fails, also where readiness does not") {
  const cairn::test::TemporaryFolder scratch;
  const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + scratch.path() + "/state\"\n");
  engine.status_answer.health = {blocked_consumer()};
  const Outcome status = run({"status"});
  CHECK(status.exit_code == 0);
  CHECK(mentions(status.out,
                 "sql:kafka partition 3 is BLOCKED since 2024-05-01T12:00:00Z\n  42 records? are gone\n  "
                 "cairn consumer accept-gap sql:kafka"));
  CHECK(mentions(status.out,
                 "sql:kafka partition 2 was read on UNCHECKED at 2024-05-01T12:00:00Z\n  the record at offset 56 "));
  CHECK(mentions(status.out, "sql:kafka passed over 1,200 records that were gone"));
  CHECK(mentions(status.out, "unknown  BLOCKED"));  // its lag
  const Outcome doctor = run({"doctor", "--config", config});
  CHECK(doctor.exit_code == 1);
  CHECK(mentions(doctor.out, "consumer: sql:kafka"));
}

TEST_CASE_FIXTURE(Cli, "consumers are helped by name") {
  Mutex mutex;
  std::vector<std::string> asked;
  engine.on_consumer = [&](const std::string& what, const std::string& name) {
    const MutexLock lock(mutex);
    asked.push_back(what + " " + name);
    return name == "a/b" ? not_found("there is no consumer 'a/b'") : Status();
  };
  CHECK(run({"consumer", "retry", "features:kafka"}).exit_code == 0);
  CHECK(run({"consumer", "accept-gap", "kafka"}).exit_code == 0);
  CHECK(run({"consumer", "retry", "a/b"}).exit_code == 4);
  const MutexLock lock(mutex);
  CHECK(asked == std::vector<std::string>{"retry features:kafka", "accept-gap kafka", "retry a/b"});
}

TEST_CASE_FIXTURE(Cli, "wait says what it waits for") {
  engine.status_answer.health = {blocked_consumer()};
  engine.on_wait = [](const CallContext& context) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2'500));  // the words come after 2 s
    return context.check();
  };
  const Outcome outcome = run({"wait"});
  CHECK(outcome.exit_code == 0);
  CHECK(mentions(outcome.err, "cairn: waiting: sql:kafka: 42 records? are gone"));
  CHECK(outcome.out == "caught up\n");
}

TEST_CASE_FIXTURE(Cli, "doctor reads every byte of the state when it is told to, and names what is damaged") {
  const cairn::test::TemporaryFolder scratch;
  const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + scratch.path() + "/state\"\n");
  CHECK(mentions(run({"doctor", "--deep", "--config", config}).out, "none yet"));
  scratch.write("state/event-log/identity", "not what it was");
  scratch.write("state/state/000007.sst", "not a table");
  const Outcome outcome = run({"doctor", "--deep", "--config", config});
  CHECK(outcome.exit_code == 1);
  for (const char* file : {"/state/event-log/identity", "/state/state/000007.sst", "/state/state/CURRENT"}) {
    CHECK_MESSAGE(mentions(outcome.out, scratch.path() + file), std::string(file));
  }
  CHECK_FALSE(mentions(run({"doctor", "--config", config}).out, "000007.sst"));
}

TEST_CASE("doctor names a bad configuration and an absent server, each with its remedy") {
  const cairn::test::TemporaryFolder scratch;
  const std::string config = scratch.write("cairn.toml", "[state]\ndirr = \"x\"\n");
  const Outcome outcome = run_cli({"--url", "http://127.0.0.1:1", "doctor", "--config", config});
  CHECK(outcome.exit_code == 1);
  CHECK(mentions(outcome.out, "configuration    FAIL"));
  CHECK(mentions(outcome.out, "cairn.toml:2"));
  CHECK(mentions(outcome.out, "server: start it: systemctl start cairnd"));
  CHECK(run_cli({"doctor", "--config", scratch.path() + "/absent.toml"}).exit_code == 1);
}

TEST_CASE_FIXTURE(Cli, "doctor says of a state directory that is a file what it is and what to do") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("state", "a file");
  for (const std::string& dir : {file, file + "/below/it"}) {
    const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + dir + "\"\n");
    const Outcome outcome = run({"doctor", "--config", config, "--deep"});
    INFO(outcome.out, outcome.err);
    CHECK(outcome.exit_code == 1);
    CHECK(mentions(outcome.out, file + " is a file\n"));
    CHECK(mentions(outcome.out, "state directory: set state.dir to a directory, which is created where there is none"));
    CHECK_FALSE(mentions(outcome.out, "sync cost"));
  }
}

TEST_SUITE_END();
