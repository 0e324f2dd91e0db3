// The built program against a server over a FakeEngine.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "cairn/mutex.h"
#include "tests/engine/serving/server_fixture.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/cairn/run_cli.h"

using namespace cairn;
using namespace cairn::cli_test;
using namespace cairn::serving_test;

namespace {

struct Cli : Serving {
  Outcome run(std::vector<std::string> arguments, const std::string& input = "") {
    if (!server) start();
    arguments.insert(arguments.begin(), {"--url", "http://127.0.0.1:" + std::to_string(port())});
    return run_cli(arguments, input);
  }
};

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

TEST_CASE_FIXTURE(Cli, "recommend shows ranked places with their reasons") {
  const Outcome outcome = run({"recommend", "--user", "u1", "--at", "40.7,-74", "-c", "cafe", "-c", "bar", "--radius",
                               "500", "--limit", "3", "--exclude-seen", "--time", "2024-05-01T12:00:00Z"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out ==
        "#  PLACE           CATEGORY  DISTANCE  SCORE  WHY\n"
        "1  Caffe \"Reggio\"  cafe         322 m  1.250  visited 12 times, last 2 days ago\n"
        "\n"
        "only 1 place within 500 m\n"
        "\n"
        "more with --cursor 0a1b\n"
        "\n"
        "17 candidates, known by the places of this visit, user's row from L1, kept for 1,234 ms in L1 and stale, "
        "model cafe01, newest event "
        "2024-05-01T12:00:00.123Z, the user's newest visit 2024-05-01T11:00:00Z, reflects api:0:42\n");
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.position == GeoPoint{40.7, -74.0});
  CHECK(asked.categories == std::vector<std::string>{"cafe", "bar"});
  CHECK(asked.radius_meters == 500.0);
  CHECK(asked.limit == 3);
  CHECK(asked.exclude_seen);
  CHECK(to_ms(*asked.time) == 1714564800000);
}

TEST_CASE_FIXTURE(Cli, "recommend takes a visitor, tells what speaks against a place, and speaks a language") {
  const Outcome outcome = run({"recommend", "--at", "40.7,-74", "--recent", "p4", "--against", "--language", "de"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out.starts_with(
      "#  PLACE           CATEGORY  DISTANCE  SCORE  WHY                           AGAINST\n"
      "1  Caffe \"Reggio\"  cafe         322 m  1.250  You have been here 12 times.  321 m away\n"));
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.user.str().empty());
  CHECK(asked.against);
  CHECK(asked.language == "de");
}

TEST_CASE_FIXTURE(Cli, "recommend names places to leave out, to order and just seen, the next page and a cap") {
  REQUIRE(run({"recommend", "-u", "u1", "--exclude", "p1", "--exclude", "p2", "--rank", "p3", "--recent", "p4",
               "--recent", "p5", "--cursor", "0a1b", "--max-per-category", "2", "--diversity", "0.25"})
              .exit_code == 0);
  const RecommendRequest asked = engine.last_recommend();
  CHECK(asked.exclude == std::vector{PlaceId("p1"), PlaceId("p2")});
  CHECK(asked.rank == std::vector{PlaceId("p3")});
  CHECK(asked.recent == std::vector{PlaceId("p4"), PlaceId("p5")});
  CHECK(asked.cursor == "0a1b");
  CHECK(asked.max_per_category == 2);
  CHECK(asked.diversity == 0.25);
  CHECK(run({"recommend", "-u", "u1", "--diversity", "2"}).exit_code == 2);
}

TEST_CASE_FIXTURE(Cli, "recommend says how fresh an answer must be, and what to do when it cannot be") {
  REQUIRE(run({"recommend", "-u", "u1", "--min-offset", "a:b:3:42", "--max-staleness", "500", "--on-stale", "degrade"})
              .exit_code == 0);
  const RecommendRequest asked = engine.last_recommend();
  REQUIRE(asked.min_offset);
  CHECK(asked.min_offset->source == "a:b");
  CHECK(asked.min_offset->position.partition == Partition{3});
  CHECK(asked.min_offset->position.offset == Offset{42});
  CHECK(asked.max_staleness == std::chrono::milliseconds(500));
  CHECK(asked.on_stale == OnStale::kDegrade);
  for (const char* wrong : {"api", "api:0", ":0:1", "api:x:1", "api:0:-1", "api:0:1x"}) {
    CHECK(run({"recommend", "-u", "u1", "--min-offset", wrong}).exit_code == 2);
  }
}

TEST_CASE_FIXTURE(Cli, "recommend explores when it is told to, and says so") {
  const Outcome outcome =
      run({"recommend", "-u", "u1", "--explore", "thompson", "--explore-strength", "0.5", "--seed", "7"});
  CHECK(outcome.exit_code == 0);
  CHECK(mentions(outcome.out, "model cafe01, explored by thompson, "));
  const RecommendRequest asked = engine.last_recommend();
  REQUIRE(asked.explore);
  CHECK(asked.explore->method == ExploreMethod::kThompson);
  CHECK(asked.explore->strength == 0.5);
  CHECK(asked.explore->seed == std::uint64_t{7});
  CHECK(run({"recommend", "-u", "u1", "--explore", "blindly"}).exit_code == 2);
  CHECK(run({"recommend", "-u", "u1", "--seed", "7"}).exit_code == 2);
}

TEST_CASE_FIXTURE(Cli, "recommend names a segment, and says which one counted most") {
  const Outcome outcome = run({"recommend", "-u", "u1", "--segment", "3"});
  CHECK(mentions(outcome.out, "model cafe01, segment 3, "));
  CHECK(engine.last_recommend().segment == 3U);
  CHECK(run({"recommend", "-u", "u1", "--segment", "-3"}).exit_code == 2);
}

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

TEST_CASE_FIXTURE(Cli, "places are deleted by id, and one that nobody knows is told") {
  start();
  REQUIRE(engine.upsert_places({}, std::vector<Place>{{PlaceId("x/y"), "", {1, 2}, ""}, {PlaceId("z"), "", {1, 2}, ""}})
              .ok());
  CHECK(run({"places", "delete", "--erase-history", "x/y"}).out == "1 place deleted\n");
  CHECK(engine.last_history() == PlaceHistory::kErase);
  CHECK(engine.get_place({}, PlaceId("x/y")).status().code() == StatusCode::kNotFound);
  const Outcome outcome = run({"places", "delete", "z", "nowhere"});
  CHECK(outcome.exit_code == 4);
  CHECK(mentions(outcome.err, "nowhere"));
  CHECK(engine.last_history() == PlaceHistory::kKeep);
  CHECK(engine.get_place({}, PlaceId("z")).status().code() == StatusCode::kNotFound);
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

TEST_CASE_FIXTURE(Cli, "places are imported from CSV, NDJSON and gzip alike") {
  const cairn::test::TemporaryFolder scratch;
  const std::string csv =
      scratch.write("p.csv", "place_id,name,lat,lon,category\r\nc1,\"A, \"\"B\"\"\nC\",1.5,2.5,bar\r\nc2,,3,4,\r\n");
  CHECK(run({"places", "import", csv}).out == "2 places imported\n");
  CHECK(engine.get_place({}, PlaceId("c1"))->name == "A, \"B\"\nC");
  CHECK(engine.get_place({}, PlaceId("c2"))->position == GeoPoint{3, 4});
  const std::string lines = scratch.write("p.ndjson", "{\"place_id\":\"n1\",\"lat\":1,\"lon\":2}\n");
  CHECK(run({"-q", "places", "import", lines}).out.empty());
  REQUIRE(std::system(("gzip -k " + lines).c_str()) == 0);
  CHECK(run({"-o", "json", "places", "import", lines + ".gz"}).out == "{\"imported\":1}\n");
}

TEST_CASE_FIXTURE(Cli, "an import says how many places there were, and how many lines replaced an earlier one") {
  // Chunks hold a thousand, so that some repeats come in a later request.
  std::string csv = "place_id,lat,lon\n";
  for (int i = 0; i < 1500; ++i) csv += "p" + std::to_string(i % 1200) + ",1," + std::to_string(i / 1200) + "\n";
  const std::string told = "300 lines replace an earlier one with the same place_id; the first is line 1,202\n";
  CHECK(run({"places", "import", "-"}, csv).out == "1,200 places imported\n" + told);
  CHECK(engine.get_place({}, PlaceId("p7"))->position == GeoPoint{1, 1});
  CHECK(engine.get_place({}, PlaceId("p700"))->position == GeoPoint{1, 0});
  CHECK(run({"-o", "json", "places", "import", "-"}, csv).out == "{\"imported\":1200,\"replaced\":300}\n");
  CHECK(mentions(run({"places", "import", "--dry-run", "-"}, csv).out,
                 "1,200 places would be imported; nothing was sent\n" + told));
  CHECK(run({"-o", "json", "places", "import", "--dry-run", "-"}, csv).out ==
        "{\"replaced\":300,\"would_import\":1200}\n");
  // A number and its text are one id.
  const std::string lines = R"({"place_id":7,"lat":1,"lon":2})"
                            "\n"
                            R"({"place_id":"7","lat":3,"lon":4})"
                            "\n";
  CHECK(run({"places", "import", "-"}, lines).out ==
        "1 place imported\n1 line replaces an earlier one with the same place_id; the first is line 2\n");
  CHECK(engine.get_place({}, PlaceId("7"))->position == GeoPoint{3, 4});
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

TEST_CASE_FIXTURE(Cli, "places come as JSON, GeoJSON and with other names, and as text that is named") {
  const std::string array = R"([{"place_id":"a1","lat":1,"lon":2}])";
  CHECK(run({"places", "import", "-"}, array).out == "1 place imported\n");
  CHECK(
      run({"places", "import", "-"}, "\n \n" + std::string(R"( {"place_id":"a2","lat":1,"lon":2})") + "\n").exit_code ==
      0);
  const std::string features =
      R"({"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":3,"name":"n"},)"
      R"("geometry":{"type":"Point","coordinates":[2.5,1.5]}}]})";
  CHECK(run({"places", "import", "--map", "id=place_id", "-"}, features).exit_code == 0);
  CHECK(engine.get_place({}, PlaceId("3"))->position == GeoPoint{1.5, 2.5});
  CHECK(mentions(run({"recommend", "-u", "Caf\xe9"}).err, "is no UTF-8"));
  const std::string latin = "place_id,lat,lon\nCaf\xe9,1,2\nCaf\xe8,3,4\n";
  const Outcome refused = run({"places", "import", "-"}, latin);
  CHECK(refused.exit_code == 1);
  CHECK(mentions(refused.err, "line 2: byte 4 of the line, 0xE9, is no UTF-8"));
  CHECK(mentions(refused.err, "--encoding latin1"));
  CHECK(run({"places", "import", "--encoding", "latin1", "-"}, latin).out == "2 places imported\n");
  CHECK(engine.get_place({}, PlaceId("Caf\u00e9")).ok());
  CHECK(engine.get_place({}, PlaceId("Caf\u00e8")).ok());
  CHECK(run({"places", "import", "--encoding", "latin-7", "-"}, latin).exit_code == 2);
}

TEST_CASE_FIXTURE(
    Cli, "a command that there is not is answered with the one that was meant, and words with the words there are") {
  const Outcome typo = run({"-o", "json", "recomend", "-u", "u"});
  CHECK(typo.exit_code == 2);
  CHECK(mentions(typo.err, "there is no command 'recomend'; did you mean 'recommend'?"));
  CHECK(mentions(run({"places", "imprt", "x"}).err, "did you mean 'import'?"));
  CHECK(mentions(run({"frobnicate"}).err, "there are status, recommend"));
  CHECK(mentions(run({"-o", "yaml", "status"}).err, "'yaml' is none of its words, which are json, table"));
  CHECK(run({"-o", "json", "version"}).out == "{\"version\":\"" + run({"version"}).out.substr(6, 5) + "\"}\n");
}

TEST_CASE_FIXTURE(Cli, "a bad place is reported by its line, and what to do after it") {
  std::string csv = "place_id,lat,lon\n";
  for (int i = 0; i < 1500; ++i) csv += "p" + std::to_string(i) + (i == 1200 ? ",95,2\n" : ",1,2\n");
  const Outcome outcome = run({"places", "import", "-"}, csv);
  CHECK(outcome.exit_code == 1);
  CHECK(mentions(outcome.err, "line 1202: lat must be from -90 to 90"));
  CHECK(mentions(outcome.err, "1,000 places were imported before that; run the same import again"));
  const Outcome number = run({"places", "import", "-"}, "place_id,lat,lon\na,1,2\nb,x,2\n");
  CHECK(mentions(number.err, "line 3: lat 'x' is no number of degrees"));
  CHECK(run({"places", "import", "/nonexistent"}).exit_code == 4);
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

TEST_CASE_FIXTURE(Cli, "categories are listed with their old names, renamed and merged") {
  engine.categories_answer = {{"Café", 12, {"Coffee", "Coffee Shop"}}, {"Tea", 3, {}}};
  const Outcome listed = run({"categories", "list"});
  CHECK(mentions(listed.out, "Café"));
  CHECK(mentions(listed.out, "Coffee, Coffee Shop"));
  CHECK(nlohmann::json::parse(run({"-o", "json", "categories", "list"}).out)["categories"][1]["places"] == 3);
  std::string asked;
  engine.on_rename = [&](const std::string& from, const std::string& to, CategoryTarget target) {
    asked = from + (target == CategoryTarget::kNewName ? " is now " : " goes into ") + to;
    return Result<std::uint64_t>(std::uint64_t{7});
  };
  CHECK(mentions(run({"categories", "rename", "Tea", "Tea Room"}).out, "with 7 places"));
  CHECK(asked == "Tea is now Tea Room");
  CHECK(nlohmann::json::parse(run({"-o", "json", "categories", "merge", "Tea", "Café"}).out)["places"] == 7);
  CHECK(asked == "Tea goes into Café");
  engine.on_rename = [](const std::string&, const std::string&, CategoryTarget) {
    return Result<std::uint64_t>(not_found("no category is called 'X'"));
  };
  CHECK(run({"categories", "rename", "X", "Y"}).exit_code == 4);
}

TEST_CASE_FIXTURE(Cli, "an import of places says which of their categories are called otherwise by now") {
  engine.categories_answer = {{"Café", 12, {"Coffee"}}};
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("places.csv", "place_id,name,lat,lon,category\na,A,1,2,Coffee\nb,B,1,2,Tea\n");
  CHECK(mentions(run({"places", "import", file}).out, "category 'Coffee' is called 'Café' now"));
  const auto answer = nlohmann::json::parse(run({"-o", "json", "places", "import", file}).out);
  CHECK(answer["renamed_categories"] == nlohmann::json({{"Coffee", "Café"}}));
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

TEST_CASE("configuration files are checked, shown and begun") {
  const cairn::test::TemporaryFolder scratch;
  const Outcome sample = run_cli({"config", "sample"});
  CHECK(sample.exit_code == 0);
  const std::string good = scratch.write("good.toml", sample.out);
  CHECK(run_cli({"config", "check", good}).exit_code == 0);
  CHECK(mentions(run_cli({"config", "show", good, "--origin"}).out, "http.port") ==
        mentions(run_cli({"config", "show", good}).out, "http.port"));
  const std::string bad = scratch.write("bad.toml", "[http]\nprot = 1\n[sate]\n");
  const Outcome checked = run_cli({"config", "check", bad});
  CHECK(checked.exit_code == 1);
  CHECK(mentions(checked.err, "bad.toml:2"));
  const Outcome as_json = run_cli({"-o", "json", "config", "check", bad});
  CHECK(nlohmann::json::parse(as_json.out)["problems"].size() >= 2);
  CHECK(run_cli({"config", "show", bad}).exit_code == 1);
}

TEST_CASE("what a type counts as, a ranking feature and a rule that are wrong are told of at once") {
  const cairn::test::TemporaryFolder scratch;
  const std::string bad = scratch.write("bad.toml",
                                        "[types]\ndeclared = [\"purchase\"]\n[types.counts_as]\npurchase = \"vist\"\n"
                                        "[[ranking_feature]]\nname = \"x\"\nview = \"place_ratings\"\nweight = 1\n"
                                        "[[ranking_feature]]\nname = \"y\"\nview = \"place_by_type\"\nkey = "
                                        "\"purchase\"\nweight = 1\nreason = \"{val} x {value\"\n"
                                        "[[rule]]\nname = \"r\"\nwhen = \"price <\"\nadd = 1.0\n"
                                        "[[feature_view]]\nname = \"place_by_type\"\nentity = \"place\"\ndimension = "
                                        "\"type\"\nevents = { visit = 1, purchase = 5 }\n");
  const Outcome checked = run_cli({"-o", "json", "config", "check", bad});
  INFO(checked.out);
  const auto problems = nlohmann::json::parse(checked.out)["problems"];
  REQUIRE(problems.size() == 4);
  CHECK(mentions(problems[0].dump(), "'purchase' must count as view, click, visit"));
  CHECK(mentions(problems[1].dump(), "ranking_feature[0].view: no feature view is named 'place_ratings'"));
  CHECK(
      mentions(problems[2].dump(), "ranking_feature[1].reason: '{val}' stands for nothing there; it may name {value}"));
  CHECK(mentions(problems[3].dump(), "rule[0].when: "));
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

TEST_CASE("the check of a configuration says of a state directory that is a file, or lies under one, what it is") {
  const cairn::test::TemporaryFolder scratch;
  const std::string file = scratch.write("state", "a file");
  for (const std::string& dir : {file, file + "/below/it"}) {
    const std::string config = scratch.write("cairn.toml", "[state]\ndir = \"" + dir + "\"\n");
    const Outcome outcome = run_cli({"config", "check", config});
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err == config + ":2:7: state.dir: '" + file +
                             "' is a file; name a directory, which is created where there is none, or move that out "
                             "of the way\n");
  }
  const std::string to_be = scratch.write("cairn.toml", "[state]\ndir = \"" + (scratch / "not/there/yet") + "\"\n");
  CHECK(run_cli({"config", "check", to_be}).exit_code == 0);
}

TEST_CASE("what libpq and librdkafka would not take is found by the check, and is not repeated") {
  const cairn::test::TemporaryFolder scratch;
  const std::string bad = scratch.write("bad.toml",
                                        "[sql]\ndsn = \"host=localhost password=hunter2 of mine\"\n"
                                        "[kafka]\nbrokers = \"b:9092\"\ntopic = \"t\"\n[kafka.properties]\n"
                                        "\"fetch.wait.max\" = 1\n\"security.protocol\" = \"hunter3\"\n"
                                        "\"sasl.mechanism\" = \"PLAIN\"\n");
  const Outcome checked = run_cli({"config", "check", bad});
  INFO(checked.err);
  CHECK(checked.exit_code == 1);
  CHECK(mentions(checked.err, "bad.toml:2"));
  CHECK(mentions(checked.err, "sql.dsn is neither libpq keywords"));
  CHECK(mentions(checked.err, "bad.toml:7"));
  CHECK(mentions(checked.err, "has no property 'fetch.wait.max'"));
  CHECK(mentions(checked.err, "bad.toml:8"));
  CHECK(mentions(checked.err, "does not take the value of 'security.protocol'"));
  CHECK_FALSE(mentions(checked.err, "bad.toml:9"));
  CHECK_FALSE(mentions(checked.err, "hunter"));
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
