// Events sent, corrected and taken back on the command line.

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/cli_fixture.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

namespace {

/// Takes every connection and closes it without a word.
class Deaf {
 public:
  Deaf() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_, 8) == 0);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int one = 0; (one = ::accept(socket_, nullptr, nullptr)) >= 0;) ::close(one);
    });
  }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;
  ~Deaf() {
    ::shutdown(socket_, SHUT_RDWR);  // ends accept()
    thread_.join();
    ::close(socket_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  const int socket_;
  int port_ = 0;
  std::thread thread_;
};

std::string events(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += R"({"user_id":"u","type":"view","n":)" + std::to_string(i) + "}\n";
  return lines;
}

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE_FIXTURE(Cli, "ingest sends every line, in order, and reports rejects by line") {
  const Outcome outcome = run({"ingest", "-"}, events(2500) + "\n{\"bad\":1}\n" + events(1));
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out == "2,501 events taken, 1 rejected; they are in the server's dead letters\n");
  CHECK(mentions(outcome.err, "line 2,502: type is required"));
  const auto sent = engine.ingested();
  REQUIRE(sent.size() == 2502);
  CHECK(sent[1777] == R"({"user_id":"u","type":"view","n":1777})");
}

TEST_CASE_FIXTURE(Cli, "ingest of nothing but rejects fails, of some only when strict") {
  CHECK(run({"ingest", "-"}, "{}\n").exit_code == 1);
  CHECK(run({"ingest", "--strict", "-"}, "{}\n" + events(1)).exit_code == 1);
  CHECK(run({"ingest", "-"}, "{}\n" + events(1)).exit_code == 0);
}

TEST_CASE_FIXTURE(Cli, "ingest is patient with a server that is busy, or too busy to begin in time") {
  std::atomic<int> refusals{2};
  engine.on_ingest = [&refusals] {
    const int left = refusals.fetch_sub(1);
    if (left == 2) return resource_exhausted("busy; try again");
    return left == 1 ? deadline_exceeded("waited too long for a thread") : Status();
  };
  const Outcome outcome = run({"ingest", "-"}, events(3));
  CHECK(outcome.exit_code == 0);
  CHECK(engine.ingested().size() == 3);
}

TEST_CASE_FIXTURE(Cli, "ingest that breaks off says where to go on") {
  std::atomic<int> calls{0};
  engine.on_ingest = [&calls] { return calls.fetch_add(1) == 1 ? internal_error("disk broke") : Status(); };
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("e.ndjson", events(1500));
  const Outcome broken = run({"ingest", file});
  CHECK(broken.exit_code == 1);
  CHECK(mentions(broken.err, "1,000 events were taken; go on with: cairn ingest --from-line 1001 " + file));
  CHECK(run({"ingest", "--from-line", "1001", file}).exit_code == 0);
  CHECK(engine.ingested().size() == 1500);
  CHECK(engine.ingested().back() == R"({"user_id":"u","type":"view","n":1499})");
}

TEST_CASE_FIXTURE(Cli, "ingest of a file again is told to the server by the parts' keys, of standard input it is not") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("events.ndjson", events(1500));
  CHECK(run({"ingest", file}).exit_code == 0);
  const Outcome again = run({"ingest", file});
  CHECK(mentions(again.out, "1,500 of them had been taken from this file before"));
  // The part that begins where the first run would have been told to go on.
  CHECK(mentions(run({"ingest", "--from-line", "1001", file}).out, "500 of them had been taken"));
  CHECK_FALSE(mentions(run({"ingest", "--again", file}).out, "before"));
  std::filesystem::rename(file, file + ".1");
  CHECK(mentions(run({"-o", "json", "ingest", file + ".1"}).out, "\"repeated\":1500"));
  // The same bytes in another file are other events.
  const std::string copy = scratch.write("copy.ndjson", events(1500));
  CHECK_FALSE(mentions(run({"ingest", copy}).out, "before"));
  for (int i = 0; i < 2; ++i) CHECK_FALSE(mentions(run({"ingest", "-"}, events(3)).out, "before"));
}

TEST_CASE_FIXTURE(Cli,
                  "parts begin at the same lines wherever a run begins, so only its first one is new to the server") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("events.ndjson", events(700) + "\n" + events(3300));
  CHECK(run({"ingest", file}).exit_code == 0);
  // Of lines 501 to 4001, those from 1001 on were sent in the same parts before.
  CHECK(mentions(run({"ingest", "--from-line", "501", file}).out, "3,001 of them had been taken"));
}

TEST_CASE_FIXTURE(Cli, "what was appended to a file is added from the line that the run before told") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("events.ndjson", events(1500));
  const Outcome first = run({"ingest", file});
  CHECK(mentions(first.err, "add what is appended later with: cairn ingest --from-line 1501 " + file));
  CHECK(first.out == "1,500 events taken, 0 rejected\n");
  CHECK(run({"-q", "ingest", "--again", file}).err.empty());
  scratch.write("events.ndjson", events(1520));
  const Outcome second = run({"-o", "json", "ingest", "--from-line", "1501", file});
  CHECK(nlohmann::json::parse(second.out)["accepted"] == 20);
  CHECK(nlohmann::json::parse(second.out)["repeated"] == 0);
  CHECK(nlohmann::json::parse(second.out)["next_line"] == 1521);
  CHECK_FALSE(mentions(run({"-o", "json", "ingest", "-"}, events(3)).out, "next_line"));
}

TEST_CASE_FIXTURE(Cli, "ingest from a line that is none is refused, and from one behind the last is remarked") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("events.ndjson", events(8));
  for (const char* line : {"0", "-1", "x", "1.5"}) {
    const Outcome none = run({"ingest", "--from-line", line, file});
    CHECK(none.exit_code == 2);
    CHECK(mentions(none.err, "is no whole number from 1 on"));
  }
  CHECK(mentions(run({"ingest", "--help"}).out, "1 to N"));
  const Outcome behind = run({"ingest", "--from-line", "999999", file});
  CHECK(behind.exit_code == 0);
  CHECK(mentions(behind.err, "nothing was sent: " + file + " has no event from line 999999 on; its last line is 8"));
}

TEST_CASE_FIXTURE(Cli, "events are ingested from CSV, JSON arrays and other words alike") {
  const cairn::test::TemporaryFolder scratch;
  const std::string csv = scratch.write("e.csv",
                                        "when;who;place_id;type;shop\r\n1714564800;\"u;1\";p1;checkin;x\r\n"
                                        "1714564801;u2;p2;save;y\r\n");
  const std::vector<std::string> words = {"ingest",  "--map",      "who=user_id,when=ts", "--time-format",
                                          "seconds", "--type-map", "checkin=visit",       csv};
  const Outcome extra = run(words);
  CHECK(extra.exit_code == 1);
  CHECK(mentions(extra.err, "line 1: the column 'shop' is no field of an event"));
  CHECK(mentions(extra.err, "--ignore-extra"));
  CHECK(engine.ingested().empty());
  std::vector<std::string> ignoring = words;
  ignoring.insert(ignoring.begin() + 1, "--ignore-extra");
  CHECK(run(ignoring).out == "2 events taken, 0 rejected\n");
  CHECK(engine.ingested().at(0) == R"({"ts":"2024-05-01T12:00:00Z","user_id":"u;1","place_id":"p1","type":"visit"})");
  CHECK(run({"ingest", "-"}, "[\n" + std::string(R"({"type":"view","n":1},)") + "\n{\"type\":\n\"view\"}]").out ==
        "2 events taken, 0 rejected\n");
  CHECK(engine.ingested().back() == "{\"type\": \"view\"}");
}

TEST_CASE_FIXTURE(Cli, "a row that is no event does not keep the rows after it from being taken") {
  const Outcome outcome = run({"ingest", "-"}, "user_id,place_id,type,ts\nu,p,view,1714564800000\nu,p\nu,p,view,x\n");
  CHECK(outcome.out == "2 events taken, 1 rejected; they are in the server's dead letters\n");
  CHECK(mentions(outcome.err, "line 3: there are 2 fields for 4 columns"));
}

TEST_CASE_FIXTURE(Cli, "a dry run says what would be and takes nothing") {
  const cairn::test::TemporaryFolder scratch;
  const Outcome ingest = run({"ingest", "--dry-run", "-"}, events(3) + "{}\n");
  CHECK(ingest.exit_code == 0);
  CHECK(ingest.out == "3 events would be taken, 1 rejected; nothing was taken\n");
  CHECK(mentions(ingest.err, "line 4: type is required"));
  CHECK(engine.ingested().empty());
  const std::string csv = scratch.write("p.csv", "place_id,lat,lon\nx1,1,2\nx2,3,4\n");
  const Outcome places = run({"places", "import", "--dry-run", csv});
  CHECK(places.out ==
        "the first one: {\"place_id\":\"x1\",\"lat\":1.0,\"lon\":2.0}\n2 places would be imported; nothing was sent\n");
  CHECK(run({"places", "get", "x1"}).exit_code == 4);
  const Outcome wrong = run({"places", "import", "--dry-run", "-"}, "place_id,lat,lon\nx1,1,2\nx2,93,4\n");
  CHECK(wrong.exit_code == 1);
  CHECK(mentions(wrong.err, "line 3: lat must be from -90 to 90 and lon from -180 to 180; are lat and lon exchanged?"));
  const std::string nowhere = "place_id,lat,lon\nx1,93,181\n";
  CHECK_FALSE(mentions(run({"places", "import", "--dry-run", "-"}, nowhere).err, "exchanged"));
  for (const bool exchanged : {true, false}) {
    const std::string at = exchanged ? "-122.4,37.8" : "95,200";
    const Outcome asked = run({"recommend", "--at", at});
    CHECK(mentions(asked.err, "lat must be from -90 to 90 and lon from -180 to 180"));
    CHECK(mentions(asked.err, "; are lat and lon exchanged?") == exchanged);
  }
}

TEST_CASE_FIXTURE(Cli, "ingest of what is no NDJSON sends nothing and says what to do") {
  const cairn::test::TemporaryFolder scratch;
  const auto refused = [&](const std::string& text, const std::string& hint) {
    const std::string file = scratch.write("e.txt", text);
    const Outcome outcome = run({"ingest", file});
    CHECK(outcome.exit_code == 1);
    CHECK_MESSAGE(mentions(outcome.err, hint), outcome.err);
    CHECK(mentions(outcome.err, "nothing was sent"));
  };
  refused("user_id,place_id,ts\nu,p,1\n", "line 1: there is no column 'type'");
  refused("{\n  \"user_id\": \"u\"\n}\n", "line 1: type is required; the only event would be refused");
  refused("hello world\n", "line 1: the first line of a CSV has to name its columns");
  refused("{}\n{}\n{}\n", "the first 3 events would be refused for this");
  refused(std::string("\xFF\xFE{\0}\0\n\0", 8), "iconv -f UTF-16");
  refused(std::string("{\0}\0\n\0", 6), "iconv -f UTF-16");
  refused("PK\x03\x04 xl/workbook.xml\n",
          "it is a ZIP archive, as spreadsheets are (.xlsx, .ods): save the sheet as CSV");
  refused("BZh91AY&SY\n", "it is compressed by bzip2: bzip2 -dc FILE | cairn ... -");
  refused(
      "\xFD"
      "7zXZ\n",
      "it is compressed by xz: xz -dc FILE | cairn ... -");
  refused("\x28\xB5\x2F\xFD \n", "it is compressed by zstd: zstd -dc FILE | cairn ... -");
  refused("PAR1\x15\n", "it is Parquet: make it CSV or NDJSON first");
  CHECK(engine.ingested().empty());
  // A bad line among others is the server's to refuse.
  CHECK(run({"ingest", "-"}, " " + events(1) + "u,p,1\n").exit_code == 0);
}

TEST_CASE_FIXTURE(Cli, "an ingest that nobody answers warns of what may have been taken only when something was sent") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("events.ndjson", events(3));
  const Outcome nobody = run_cli({"--url", "http://127.0.0.1:1", "ingest", file});
  CHECK(nobody.exit_code == 3);
  CHECK(mentions(nobody.err, "go on with: cairn ingest --from-line 1 "));
  CHECK_FALSE(mentions(nobody.err, "without an answer"));

  const Deaf deaf;
  const Outcome deaf_end = run_cli({"--url", deaf.url(), "ingest", file});
  CHECK(deaf_end.exit_code == 3);
  CHECK(mentions(deaf_end.err, "if the last part was taken without an answer, the server will know it by its key"));
  const Outcome anew = run_cli({"--url", deaf.url(), "ingest", "--again", file});
  CHECK(mentions(anew.err, "go on with: cairn ingest --from-line 1 --again " + file));
  CHECK(mentions(anew.err, "sent again it would count twice"));
}

TEST_CASE_FIXTURE(Cli, "ingest fits its chunks to a server with a lower limit") {
  start({.body_bytes_max = 2000});
  const Outcome outcome =
      run({"ingest", "-"}, events(300) + R"({"type":"view","pad":")" + std::string(3000, 'x') + "\"}\n");
  CHECK(outcome.exit_code == 0);
  CHECK(engine.ingested().size() == 300);
  CHECK(mentions(outcome.err, "line 301: longer than the server takes"));
}

TEST_CASE_FIXTURE(Cli, "an event is retracted and replaced by its id") {
  start();
  std::string original;
  std::string replacement;
  engine.on_correct = [&](const EventCorrection& correction) {
    original = correction.original;
    replacement = correction.replacement;
    return Result<CorrectionAck>(CorrectionAck{.reflected_at = {"api", {Partition{0}, Offset{9}, {}}},
                                               .found_in = "caller",
                                               .replaced_by = replacement.empty() ? "" : "e~1"});
  };
  CHECK(run({"events", "retract", "x/y"}).out == "event x/y counts no more\n");
  CHECK(original.empty());
  CHECK(run({"events", "retract", "e", "--original", R"({"a":1})"}).exit_code == 0);
  CHECK(original == R"({"a":1})");
  CHECK(run({"events", "replace", "e", "--with", R"({"b":1})"}).out == "event e counts no more; instead counts e~1\n");
  CHECK(original.empty());
  CHECK(replacement == R"({"b":1})");
  const Outcome both =
      run({"-o", "json", "events", "replace", "e", "--original", R"({"a":1})", "--with", R"({"b":1})"});
  CHECK(nlohmann::json::parse(both.out)["replaced_by"] == "e~1");
  CHECK(original == R"({"a":1})");
  engine.on_correct = [](const EventCorrection&) { return Result<CorrectionAck>(not_found("no event 'e'")); };
  CHECK(run({"events", "retract", "e"}).exit_code == 4);
}

TEST_CASE_FIXTURE(Cli, "a user is told and erased by id, and one of whom a part waits is exit code 5") {
  start();
  CHECK(nlohmann::json::parse(run({"users", "export", "x/y"}).out)["user_id"] == "x/y");
  const Outcome erased = run({"users", "erase", "x/y"});
  CHECK(erased.exit_code == 0);
  CHECK(mentions(erased.out, "features"));
  CHECK(mentions(erased.out, "done"));
  CHECK(mentions(erased.out, "2024-05-01T12:00:00Z are refused"));
  CHECK(nlohmann::json::parse(run({"-o", "json", "users", "erase", "u1"}).out)["complete"] == true);
  engine.on_erase = [](const UserId& user) {
    return Result<ErasureReceipt>(ErasureReceipt{user, {}, {}, {{"postgres", "rows", 0, false, "it is down"}}});
  };
  const Outcome waits = run({"users", "erase", "u1"});
  CHECK(waits.exit_code == 5);
  CHECK(mentions(waits.out, "waits: it is down"));
  CHECK(mentions(waits.err, "tries again"));
}

TEST_CASE_FIXTURE(Cli, "a torn gzip file says which line to go on with") {
  const cairn::test::TemporaryFolder scratch;
  std::string lines;
  for (int i = 0; i < 20'000; ++i) {
    lines += R"({"user_id":"u)" + std::to_string(i * 7919 % 100'003) + R"(","type":"view"})" + "\n";
  }
  const std::string file = scratch.write("e.ndjson", lines);
  REQUIRE(std::system(("gzip -c " + file + " | head -c 40000 > " + file + ".gz").c_str()) == 0);
  const Outcome torn = run({"ingest", file + ".gz"});
  CHECK(torn.exit_code == 1);
  const std::string next = std::to_string(engine.ingested().size() + 1);
  CHECK(mentions(torn.err, "go on with: cairn ingest --from-line " + next + " "));
  CHECK(run({"ingest", "--from-line", next, file}).exit_code == 0);  // fetched again
  std::string got;
  for (const std::string& one : engine.ingested()) got += one + "\n";
  CHECK(got == lines);
}

TEST_SUITE_END();
