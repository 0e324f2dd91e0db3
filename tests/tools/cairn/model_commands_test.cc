// `cairn train` and `cairn evaluate --model`, as scripts call them.

#include <doctest/doctest.h>

#include <cmath>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/mentions.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/run_cli.h"

using namespace cairn::cli_test;
using cairn::test::mentions;

namespace {

/// Two tastes of ten items each; users 0 to 39 have seven of theirs, and two more later.
struct Tastes {
  cairn::test::TemporaryFolder scratch;
  std::string train = scratch.write("train.txt", lines(0, 7));
  std::string more = scratch.write("valid.txt", lines(7, 8));
  std::string test = scratch.write("test.txt", lines(8, 10));
  std::string out = scratch.path() + "/model";

  static std::string lines(int begin, int end) {
    std::string text;
    for (int user = 0; user < 40; ++user) {
      text += std::to_string(user);
      for (int i = begin; i < end; ++i) text += " " + std::to_string(user % 2 * 10 + (user / 2 + i) % 10);
      text += "\n";
    }
    return text;
  }
  [[nodiscard]] Outcome evaluate(std::vector<std::string> more_arguments = {}) const {
    std::vector<std::string> arguments = {"evaluate", "--model", out,      "--train", train,
                                          "--train",  more,      "--test", test};
    arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
    return run_cli(arguments);
  }
};

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

}  // namespace

TEST_SUITE_BEGIN("model commands");

TEST_CASE_FIXTURE(Tastes, "every kind is trained on two files and measured, in the forms that scripts depend on") {
  for (const char* kind : {"popularity", "item-knn", "graph", "ials", "ease", "best"}) {
    INFO(kind);
    const Outcome trained = run_cli({"train", "--kind", kind, "--lightgcn", train, "--lightgcn", more, "--out", out});
    INFO(trained.err);
    REQUIRE(trained.exit_code == 0);
    CHECK(mentions(trained.out, "320 interactions of 40 users with 20 items"));
    const Outcome measured = evaluate({"-o", "json"});
    INFO(measured.err);
    REQUIRE(measured.exit_code == 0);
    const auto json = nlohmann::json::parse(measured.out);
    CHECK(json["users"] == 40);
    // Twelve items are left to rank among, two to be found: within the first 20 by any model.
    CHECK(json["recall@20"] == 1.0);
    CHECK(json["recall@50"] == 1.0);
    CHECK(json["ndcg@100"] == json["ndcg@20"]);
    // Knowing the taste, both stand first; not knowing it they cannot for everybody.
    if (std::string_view(kind) == "popularity") CHECK(json["ndcg@20"] < 0.9);
    if (std::string_view(kind) != "popularity") CHECK(json["ndcg@20"] > 0.99);
  }
}

TEST_CASE_FIXTURE(Tastes, "a summary in JSON says what was trained, on what, and which files hold it") {
  const Outcome outcome = run_cli({"-o", "json", "train", "--kind", "item-knn", "--lightgcn", train, "--out", out + "/",
                                   "--set", "keep=3", "--set", "shrinkage=0.5", "--precision", "fp16"});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["kind"] == "item-knn");
  CHECK(json["users"] == 40);
  CHECK(json["items"] == 20);
  CHECK(json["interactions"] == 280);
  CHECK(json["seconds"] > 0.0);
  CHECK(json["peak_rss_bytes"] > 1'000'000);
  CHECK(json["parameters"]["keep"] == "3");
  CHECK(json["parameters"]["shrinkage"] == "0.5");
  CHECK(json["files"].size() == files_in(out).size());
  CHECK(json["files"][0]["name"] == "model.toml");
}

TEST_CASE_FIXTURE(Tastes, "a table is shown to people, and users without history are told") {
  REQUIRE(run_cli({"train", "--kind", "popularity", "--lightgcn", train, "--out", out}).exit_code == 0);
  const std::string cold = scratch.write("cold.txt", "999 0\n0 999\n");
  const Outcome outcome = run_cli({"evaluate", "--model", out, "--train", train, "--test", cold});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  CHECK(mentions(outcome.out, "2 users, 1 of them without history; 2 pairs to find among 20 items, 1 of them unknown"));
  CHECK(mentions(outcome.out, "MODEL       RECALL@20  RECALL@50  NDCG@20  NDCG@100\npopularity     0.5000"));
}

TEST_CASE_FIXTURE(Tastes, "events can be trained on") {
  std::string lines;
  for (const char* place : {"a", "b"}) {
    lines += std::string(R"({"user_id":"u","type":"visit","ts":1714564800000,"place_id":")") + place + "\"}\n";
  }
  const std::string file = scratch.write("events.ndjson", lines);
  const Outcome outcome =
      run_cli({"train", "--kind", "popularity", "--events", file, "--weights", "visit=2", "--out", out, "-o", "json"});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  CHECK(nlohmann::json::parse(outcome.out)["interactions"] == 2);
}

TEST_CASE_FIXTURE(Tastes, "a training that fails leaves the model that was there, and nothing where there was none") {
  const Outcome fails = run_cli({"train", "--kind", "ials", "--lightgcn", train, "--out", out, "--set", "dims=3"});
  CHECK(fails.exit_code == 1);
  CHECK(mentions(fails.err, "there is no parameter 'dims' here; there are: "));
  CHECK(!std::filesystem::exists(out));
  REQUIRE(run_cli({"train", "--kind", "popularity", "--lightgcn", train, "--out", out}).exit_code == 0);
  const auto files = files_in(out);
  CHECK(run_cli({"train", "--kind", "ials", "--lightgcn", train, "--out", out, "--dim", "x"}).exit_code == 1);
  CHECK(files_in(out) == files);
  CHECK(evaluate().exit_code == 0);
}

TEST_CASE_FIXTURE(Tastes, "an epoch that was kept is gone when the model is written") {
  const Outcome outcome = run_cli({"train", "--kind", "ials", "--dim", "4", "--epochs", "2", "--resume", "--lightgcn",
                                   train, "--out", out, "--threads", "1", "--seed", "7"});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  CHECK(mentions(outcome.err, "nothing to resume"));
  CHECK(!std::filesystem::exists(out + ".partial"));
  const Outcome quiet = run_cli({"-q", "train", "--kind", "ials", "--dim", "2", "--teacher", out, "--lightgcn", train,
                                 "--precision", "int8", "--out", scratch.path() + "/small"});
  REQUIRE_MESSAGE(quiet.exit_code == 0, quiet.err);
  CHECK(quiet.err.empty());
}

TEST_CASE_FIXTURE(Tastes, "bad files are named with their line, absent ones end with 4") {
  const std::string bad = scratch.write("bad.txt", "1 2\n1 \xff\n");
  const Outcome outcome = run_cli({"train", "--kind", "popularity", "--lightgcn", bad, "--out", out});
  CHECK(outcome.exit_code == 1);
  CHECK(mentions(outcome.err, bad + ":2: item '"));
  CHECK(run_cli({"train", "--kind", "popularity", "--lightgcn", out + "x", "--out", out}).exit_code == 4);
  CHECK(evaluate().exit_code == 4);
  const std::string empty = scratch.write("empty.txt", "");
  CHECK(run_cli({"train", "--kind", "popularity", "--lightgcn", empty, "--out", out}).exit_code == 1);
  CHECK(run_cli({"train", "--kind", "popularity", "--lightgcn", train, "--out", train}).exit_code == 1);
}

TEST_CASE_FIXTURE(Tastes, "command lines that make no sense end with 2") {
  CHECK(run_cli({"train"}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ease", "--out", out}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "magic", "--lightgcn", train, "--out", out}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ease", "--lightgcn", train}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ease", "--lightgcn", train, "--events", train, "--out", out}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ease", "--lightgcn", train, "--out", out, "--set", "x"}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ease", "--lightgcn", train, "--out", out, "--precision", "fp8"}).exit_code == 2);
  CHECK(run_cli({"evaluate", "--model", out, "--train", train}).exit_code == 2);
  CHECK(run_cli({"evaluate", "--train", train, "--test", test}).exit_code == 2);
  CHECK(run_cli({"evaluate", "--dataset", "city", "--model", out, "--train", train, "--test", test}).exit_code == 2);
}

TEST_CASE("evaluate writes a line a question, from which its own figures can be computed again") {
  const cairn::test::TemporaryFolder folder;
  const std::string answers = folder / "answers.csv";
  const Outcome outcome = run_cli({"evaluate", "-o", "json", "--ask-every", "50", "--answers", answers});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  const auto report = nlohmann::json::parse(outcome.out);
  std::istringstream lines(folder.read("answers.csv"));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "user_id,time,expected_rank,score");
  std::size_t questions = 0;
  std::size_t first = 0;
  double reciprocal = 0.0;
  while (std::getline(lines, line)) {
    const std::size_t behind_time = line.find(',', line.find(',') + 1);
    const double rank = std::stod(line.substr(behind_time + 1));
    CHECK(std::isfinite(std::stod(line.substr(line.rfind(',') + 1))));  // the score
    CHECK(line.substr(line.find(',') + 1, 3) == "202");                 // a year
    ++questions;
    first += rank == 1.0;
    reciprocal += 1.0 / rank;
  }
  CHECK(questions == report["questions"]);
  CHECK(report["cairn"]["acc@1"].get<double>() == doctest::Approx(static_cast<double>(first) / questions));
  CHECK(report["cairn"]["mrr"].get<double>() == doctest::Approx(reciprocal / questions));
}

TEST_CASE("a ranker is trained from a stream and measured beside its linear stage") {
  const cairn::test::TemporaryFolder folder;
  const std::string out = folder / "ranker";
  const Outcome trained =
      run_cli({"train", "--kind", "ranker", "--dataset", "city", "--until", "0.04", "--out", out, "--set", "epochs=2",
               "--set", "members=1", "--set", "hidden=8", "--set", "questions_max=1500", "-o", "json"});
  REQUIRE_MESSAGE(trained.exit_code == 0, trained.err);
  const auto report = nlohmann::json::parse(trained.out);
  CHECK(report["kind"] == "ranker");
  CHECK(report["questions"].get<int>() > 100);
  CHECK(report["measured"].get<int>() > 100);
  CHECK(report["network"]["loss"].get<double>() <= report["linear"]["loss"].get<double>());
  const Outcome measured = run_cli({"evaluate", "--ask-every", "200", "--ranker", out, "-o", "json"});
  REQUIRE_MESSAGE(measured.exit_code == 0, measured.err);
  const auto figures = nlohmann::json::parse(measured.out);
  const double mrr = figures["cairn"]["mrr"].get<double>();
  CHECK(mrr > 0.1);
  CHECK(figures["cairn"]["mrr_interval"][0].get<double>() < mrr);
  CHECK(figures["cairn"]["mrr_interval"][1].get<double>() > mrr);

  const Outcome broken = run_cli({"evaluate", "--ranker", folder / "none"});
  CHECK(broken.exit_code == 4);
  const Outcome placeless = run_cli({"train", "--kind", "ranker", "--events", folder / "e", "--out", out});
  CHECK(placeless.exit_code != 0);
  CHECK(placeless.err.find("--places") != std::string::npos);
  const Outcome timeless = run_cli({"train", "--kind", "ranker", "--lightgcn", folder / "e", "--out", out});
  CHECK(timeless.exit_code == 2);
  // What a kind has no use for is refused, so that nobody believes it did something.
  CHECK(run_cli({"train", "--kind", "popularity", "--events", "e", "--until", "0.8", "--out", out}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ranker", "--dataset", "city", "--resume", "--out", out}).exit_code == 2);
  CHECK(run_cli({"train", "--kind", "ranker", "--dataset", "city", "--until", "", "--out", out}).exit_code == 2);
  CHECK(run_cli({"evaluate", "--ranker", ""}).exit_code == 2);
  const Outcome misspelt =
      run_cli({"train", "--kind", "ranker", "--dataset", "city", "--out", out, "--set", "member=1"});
  CHECK(misspelt.exit_code != 0);
  CHECK(misspelt.err.find("members") != std::string::npos);
}

TEST_CASE("a ranker for new places is trained with a model of items, and measured with it") {
  const cairn::test::TemporaryFolder folder;
  const std::string out = folder / "ranker";
  const std::vector<std::string> train = {"train",
                                          "--kind",
                                          "ranker",
                                          "--dataset",
                                          "city",
                                          "--until",
                                          "0.04",
                                          "--objective",
                                          "new",
                                          "--out",
                                          out,
                                          "--set",
                                          "epochs=1",
                                          "--set",
                                          "members=1",
                                          "--set",
                                          "hidden=8",
                                          "--set",
                                          "questions_max=1000"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = train;
    all.insert(all.end(), more.begin(), more.end());
    return run_cli(all);
  };
  const Outcome trained = with({"-o", "json"});
  REQUIRE_MESSAGE(trained.exit_code == 0, trained.err);
  const auto items = nlohmann::json::parse(trained.out)["items"];
  CHECK(items["kind"] == "ease");
  CHECK(items["directory"] == out + "/items");
  CHECK(items["items"].get<int>() > 100);
  const Outcome measured =
      run_cli({"evaluate", "--objective", "new", "--ask-every", "200", "--ranker", out, "-o", "json"});
  REQUIRE_MESSAGE(measured.exit_code == 0, measured.err);
  const auto figures = nlohmann::json::parse(measured.out);
  CHECK(figures["objective"] == "new");
  CHECK(figures["cairn"]["mrr"].get<double>() > 0.0);
  CHECK(figures["item_model"]["mrr"].get<double>() > 0.0);
  CHECK_FALSE(figures.contains("own_history"));

  const Outcome said = with({"--set", "item_model=ials", "--set", "items.dim=8", "--set", "items.epochs=1"});
  REQUIRE_MESSAGE(said.exit_code == 0, said.err);
  CHECK(said.out.find("ranker = \"" + out + "\" under [ranking] and dir = \"" + out + "/items\" under [model]") !=
        std::string::npos);
  std::ifstream model(out + "/items/model.toml");
  const std::string text((std::istreambuf_iterator<char>(model)), {});
  CHECK(mentions(text, "kind = \"ials\""));
  CHECK(mentions(text, "\"dim\" = \"8\""));
  const Outcome none = with({"--set", "item_model=none"});
  REQUIRE_MESSAGE(none.exit_code == 0, none.err);
  CHECK(none.out.find("items") == std::string::npos);
  // The directory of the training before is there still, and no longer what the ranker was trained with.
  const Outcome alone =
      run_cli({"evaluate", "--objective", "new", "--ask-every", "200", "--ranker", out, "-o", "json"});
  CHECK_FALSE(nlohmann::json::parse(alone.out).contains("item_model"));

  const Outcome unknown = with({"--set", "item_model=eaze"});
  CHECK(unknown.exit_code != 0);
  CHECK(unknown.err.find("none, popularity") != std::string::npos);
  const Outcome misspelt = with({"--set", "items.regularisation=1"});
  CHECK(misspelt.exit_code != 0);
  CHECK(misspelt.err.find("regularization") != std::string::npos);
}

TEST_CASE("answers that cannot be written are an error that names the file") {
  const Outcome outcome = run_cli({"evaluate", "--ask-every", "50", "--answers", "/nowhere/answers.csv"});
  CHECK(outcome.exit_code != 0);
  CHECK(outcome.err.find("/nowhere/answers.csv: cannot be written") != std::string::npos);
}

TEST_CASE("help of train lists the kinds and shows examples") {
  const Outcome outcome = run_cli({"train", "--help"});
  CHECK(outcome.exit_code == 0);
  CHECK(mentions(outcome.out, "item-knn    neighbours"));
  CHECK(mentions(outcome.out, "cairn train --kind best --lightgcn"));
}

TEST_SUITE_END();
