// What all commands have in common: help, exit codes, output, the server's address, arguments that make no sense.

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/cli_fixture.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("cli");

TEST_CASE_FIXTURE(Cli, "json output is the server's answer, before or after the command's name") {
  const Outcome before = run({"-o", "json", "recommend", "-u", "u1"});
  CHECK(nlohmann::json::parse(before.out)["candidates"] == 17);
  const Outcome after = run({"recommend", "-u", "u1", "-o", "json"});
  CHECK(after.out == before.out);
}

TEST_CASE_FIXTURE(Cli, "a command line that makes no sense ends with 2") {
  CHECK(run({"recommend", "-u", "u", "--at", "here"}).exit_code == 2);
  CHECK(run({"recomend"}).exit_code == 2);
  CHECK(run({}).exit_code == 2);
  CHECK(run({"-o", "xml", "status"}).exit_code == 2);
  CHECK(run_cli({"--url", "nonsense", "status"}).exit_code == 2);
}

TEST_CASE("no server ends with 3 and says what to do") {
  const Outcome outcome = run_cli({"--url", "http://127.0.0.1:1", "status"});
  CHECK(outcome.exit_code == 3);
  CHECK(mentions(outcome.err, "cannot reach http://127.0.0.1:1"));
  CHECK(mentions(outcome.err, "cairn doctor"));
  CHECK(outcome.out.empty());
}

TEST_CASE_FIXTURE(Cli, "the server's address may come from the environment") {
  start();
  const std::string url = "http://127.0.0.1:" + std::to_string(port());
  CHECK(run_cli({"status"}, "", {{"CAIRN_URL", url}}).exit_code == 0);
}

TEST_CASE_FIXTURE(Cli, "the server's refusal is shown and ends with 1") {
  const Outcome outcome = run({"recommend", "-u", "u", "--radius", "-5"});
  CHECK(outcome.exit_code == 1);
  CHECK(mentions(outcome.err, "INVALID_ARGUMENT: radius_meters must be greater than 0"));
}

TEST_CASE_FIXTURE(Cli, "what does not exist ends with 4") {
  const Outcome place = run({"places", "get", "nowhere"});
  CHECK(place.exit_code == 4);
  CHECK(mentions(place.err, "NOT_FOUND"));
  CHECK(run({"features", "get", "user", "nobody"}).exit_code == 4);
}

TEST_CASE_FIXTURE(Cli, "places and features of odd ids are found") {
  CHECK(mentions(run({"places", "get", "a/b ü"}).out, "odd id"));
  const Outcome features = run({"features", "get", "user", "u/1", "--view", "user_place", "--view", "user_total"});
  CHECK(features.exit_code == 0);
  CHECK(mentions(features.out, "user_place  p 2/ü"));
  CHECK(mentions(features.out, "user_total"));
  CHECK(!mentions(features.out, "user_recent"));
  CHECK(mentions(run({"features", "views"}).out, "user_recent  user    place      sequence"));
}

TEST_CASE_FIXTURE(Cli, "what is no UTF-8 on the command line is told of before anything is sent, by every command") {
  const std::string cafe = "Caf\xe9";
  const std::vector<std::vector<std::string>> commands = {
      {"recommend", "-u", cafe},
      {"cache", "invalidate", "--user", cafe},
      {"cache", "invalidate", "--place", "moma", "--place", cafe},
      {"cache", "invalidate", "--category", cafe},
      {"cache", "invalidate", "--cell", cafe},
      {"categories", "rename", cafe, "cafe"},
      {"categories", "merge", "cafe", cafe},
      {"model", "activate", cafe},
      {"checkpoint", cafe},
  };
  for (const auto& command : commands) {
    const Outcome outcome = run(command);
    CAPTURE(command[0]);
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err == "cairn: INVALID_ARGUMENT: \"Caf\ufffd\" is no UTF-8; is the terminal's encoding UTF-8?\n");
    CHECK(outcome.out.empty());
  }
  CHECK(engine.invalidated().empty());
}

TEST_CASE_FIXTURE(Cli, "a folder whose name is no UTF-8 is written to, and told of with other characters") {
  const test::TemporaryFolder folder;
  const std::string out = folder / "a\xff";
  const Outcome outcome =
      run({"-o", "json", "dataset", "generate", "--users", "5", "--places", "5", "--events", "20", "--out", out});
  CHECK(outcome.exit_code == 0);
  CHECK(mentions(outcome.out, "a\ufffd/places.ndjson"));
  CHECK(std::filesystem::exists(out + "/places.ndjson"));
}

TEST_CASE_FIXTURE(Cli, "what is no number is refused wherever one is asked for") {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"load", "--rate", "nan"},
                                                  {"load", "--duration", "nan"},
                                                  {"load", "--ramp", "1..2", "--step", "nan"},
                                                  {"capacity", "x", "--target-rate", "nan"},
                                                  {"recommend", "-u", "u", "--diversity", "nan"},
                                                  {"wait", "--timeout", "nan"}}) {
    const Outcome refused = run(command);
    CHECK_MESSAGE(refused.exit_code == 2, command[0], " ", command[1], " ", refused.err);
    CHECK(mentions(refused.err, "nan"));
  }
  const cairn::test::TemporaryFolder folder;
  const Outcome directory = run({"capacity", folder.path(), "--target-rate", "10"});
  CHECK(directory.exit_code == 1);
  CHECK(mentions(directory.err, "is no regular file"));
}

TEST_CASE_FIXTURE(Cli, "a seed that is no whole number from 0 on is refused as such") {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"dataset", "generate", "--out", "x"},
                                                  {"evaluate"},
                                                  {"load"},
                                                  {"train", "--kind", "ials", "--out", "x"},
                                                  {"recommend", "-u", "u", "--explore", "thompson"}}) {
    for (const char* seed : {"-1", "1.5", "x"}) {
      std::vector<std::string> arguments = command;
      arguments.emplace_back(std::string("--seed=") + seed);
      const Outcome refused = run(arguments);
      INFO(command[0], " ", seed, " ", refused.err);
      CHECK(refused.exit_code == 2);
      CHECK(mentions(refused.err, "is no whole number from 0 on"));
    }
  }
}

TEST_CASE("help teaches with examples and documents the exit codes") {
  const Outcome help = run_cli({"--help"});
  CHECK(help.exit_code == 0);
  for (const char* part : {"Exit codes:", "CAIRN_URL", "NO_COLOR", "cairn doctor"}) CHECK(mentions(help.out, part));
  const std::vector<std::vector<std::string>> commands = {
      {"status"},           {"recommend"},         {"features", "get"}, {"features", "views"},
      {"places", "import"}, {"places", "get"},     {"ingest"},          {"wait"},
      {"model", "status"},  {"model", "activate"}, {"checkpoint"},      {"doctor"},
      {"config", "check"},  {"config", "show"},    {"config", "sample"}};
  for (std::vector<std::string> command : commands) {
    command.emplace_back("--help");
    const Outcome outcome = run_cli(command);
    CAPTURE(command[0]);
    CHECK(outcome.exit_code == 0);
    CHECK(mentions(outcome.out, "Examples:\n  "));
  }
  CHECK(mentions(run_cli({"version"}).out, "cairn "));
}

TEST_SUITE_END();
