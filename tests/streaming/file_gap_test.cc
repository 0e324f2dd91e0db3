// Files that are emptied, shortened or replaced in place: what is read anew, and what is a gap.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/streaming/file_reader.h"

namespace cairn::streaming {
namespace {

namespace fs = std::filesystem;

TEST_CASE("a file emptied in place is begun anew, its bytes counting on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 0);
  reader.drain();
  append_file(scratch / "f", "three\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
}

TEST_CASE("a file emptied and grown past where it was between two polls is noticed by its beginning") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 0);
  append_file(scratch / "f", "a longer line\nand one more\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "a longer line"}, {18, "and one more"}});
}

TEST_CASE("a followed file that is shortened in place is a gap, held until it is accepted") {
  const test::TemporaryFolder scratch;
  const Partition partition{3};
  // Longer than what a file is known by, and shorter.
  for (const std::string& head : {std::string(1'200, 'x') + "\n", std::string("one\n")}) {
    INFO("left: ", head.size(), " bytes");
    write_file(scratch / "f", head + "two\nthree\n");
    Reader reader(scratch / "f");
    reader.start().drain();
    REQUIRE(reader.got.size() == 3);
    const Offset end = reader.position.offset;
    fs::resize_file(scratch / "f", head.size());
    reader.poll();
    reader.poll();
    CHECK(reader.got.size() == 3);
    CHECK_FALSE(reader.batch.at_end);
    REQUIRE(reader.source->obstacles().size() == 1);
    CHECK(reader.source->obstacles()[0].gap);
    CHECK(reader.source->obstacles()[0].reason.find("shortened") != std::string::npos);
    CHECK(reader.position.offset == end);

    Reader refused(scratch / "f");  // a restart finds the same
    CHECK(test::begin(*refused.source, std::span(&reader.position, 1)).code() == StatusCode::kOutOfRange);
    Reader after(scratch / "f");
    after.source->accept_gaps(std::span(&partition, 1));
    after.start(reader.position).drain();
    CHECK(after.got.empty());
    append_file(scratch / "f", "new\n");
    after.drain();
    CHECK(after.got == std::vector<Got>{{end.value, "new"}});

    append_file(scratch / "f", "and as much as was there before\n");
    reader.poll();  // still held: these bytes are not those that followed
    CHECK(reader.got.size() == 3);
    CHECK(reader.source->obstacles().size() == 1);
  }
}

TEST_CASE("a followed file that is shortened in place is gone on with at its end where gaps are accepted unasked") {
  const test::TemporaryFolder scratch;
  for (const std::string& head : {std::string(1'200, 'x') + "\n", std::string("one\n")}) {
    INFO("left: ", head.size(), " bytes");
    write_file(scratch / "f", head + "two\nthree\nunfinished");
    Reader reader({.name = "file", .path = scratch / "f", .on_gap = OnGap::kAccept});
    reader.start().drain();
    REQUIRE(reader.got.size() == 3);
    const std::int64_t end = reader.position.offset.value;
    fs::resize_file(scratch / "f", head.size());
    reader.drain();
    CHECK(reader.got.size() == 3);
    append_file(scratch / "f", "new\n");
    reader.drain();
    CHECK(reader.source->obstacles().empty());
    REQUIRE(reader.got.size() == 4);
    CHECK(reader.got.back() == Got{end, "new"});
    append_file(scratch / "f", "newer\n");
    Reader again(scratch / "f");
    again.start(reader.position).drain();
    CHECK(again.got == std::vector<Got>{{end + 4, "newer"}});
  }
}

TEST_CASE("a followed file that is emptied and then filled with a part of what it held is a gap, too") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nthree\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 0);
  reader.drain();
  CHECK(reader.source->end_positions().value()[0].offset == Offset{14});
  append_file(scratch / "f", "one\n");
  reader.poll();
  CHECK(reader.got.size() == 3);
  REQUIRE(reader.source->obstacles().size() == 1);
  CHECK(reader.source->obstacles()[0].gap);
}

TEST_CASE("a followed file that loses its unfinished last line only is read on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nunfini");
  Reader reader(scratch / "f");
  reader.start().drain();
  fs::resize_file(scratch / "f", 8);
  reader.drain();
  append_file(scratch / "f", "3\n");
  reader.drain();
  CHECK(reader.source->obstacles().empty());
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "3"}});
}

TEST_CASE("a followed file that is replaced by a shorter copy of itself is a gap, and by a longer one is read on") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  write_file(scratch / "copy", "one\ntwo\nthree\n");
  fs::rename(scratch / "copy", scratch / "f");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}});
  const std::string head = std::string(1'200, 'x') + "\n";
  write_file(scratch / "g", head + "two\n");
  Reader shortened(scratch / "g");
  shortened.start().drain();
  write_file(scratch / "copy", head);
  fs::rename(scratch / "copy", scratch / "g");
  shortened.poll();
  CHECK(shortened.got.size() == 2);
  REQUIRE(shortened.source->obstacles().size() == 1);
  CHECK(shortened.source->obstacles()[0].gap);
}

TEST_CASE("a followed file that is emptied in place and written anew with fewer bytes is read from its beginning") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", std::string(2'000, 'x') + "\ntwo\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  write_file(scratch / "f", "three\n");
  reader.drain();
  CHECK(reader.source->obstacles().empty());
  REQUIRE(reader.got.size() == 3);
  CHECK(reader.got.back() == Got{2'005, "three"});
  write_file(scratch / "f", "th");  // as "three" began, until more of it is there
  reader.poll();
  append_file(scratch / "f", "en\n");
  reader.drain();
  CHECK(reader.source->obstacles().empty());
  REQUIRE(reader.got.size() == 4);
  CHECK(reader.got.back() == Got{2'011, "then"});
}

TEST_CASE("what copytruncate copied away is read from the copy") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\n");
  Reader reader(scratch / "f");
  reader.start().drain();
  append_file(scratch / "f", "two\nthree\n");
  fs::copy_file(scratch / "f", scratch / "f.1");
  fs::resize_file(scratch / "f", 0);
  append_file(scratch / "f", "four\n");
  reader.drain();
  CHECK(reader.got == std::vector<Got>{{0, "one"}, {4, "two"}, {8, "three"}, {14, "four"}});
}

TEST_CASE("a position that the file does not hold any more is OUT_OF_RANGE, or a gap that is told and passed") {
  const test::TemporaryFolder scratch;
  write_file(scratch / "f", "one\ntwo\nthree\n");
  Reader before(scratch / "f");
  before.start().drain();

  SUBCASE("the same file, shortened") {
    write_file(scratch / "f", std::string(2000, 'x') + "\ntwo\n");
    Reader whole(scratch / "f");
    whole.start().drain();
    fs::resize_file(scratch / "f", 1500);
    const auto status = test::begin(*Reader(scratch / "f").source, std::span(&whole.position, 1));
    CHECK(status.code() == StatusCode::kOutOfRange);
    CHECK(status.message().find("2005") != std::string::npos);
  }
  SUBCASE("another file, read once") {
    write_file(scratch / "f", "something else, and longer than before\n");
    CHECK(test::begin(*Reader(scratch / "f", false).source, std::span(&before.position, 1)).code() ==
          StatusCode::kOutOfRange);
  }
  SUBCASE("another file, followed") {
    fs::remove(scratch / "f");
    write_file(scratch / "f", "four\n");
    std::vector<std::string> events;
    auto source = make_file_source({.name = "file", .path = scratch / "f"}, Partition{3}, kEventBytesMax,
                                   Logger([&](LogLevel, std::string_view event, std::string_view,
                                              std::initializer_list<LogField>) { events.emplace_back(event); }));
    REQUIRE(test::begin(*source, std::span(&before.position, 1)).ok());
    RecordBatch batch;
    REQUIRE(source->poll(10, kNoWait, &batch).ok());
    REQUIRE(batch.records.size() == 1);
    CHECK(batch.records[0].offset == Offset{14});
    CHECK(batch.records[0].payload == "four");
    CHECK(events == Strings{"source.gap"});
  }
  SUBCASE("no position of ours") {
    before.position.cursor = "nonsense";
    CHECK(test::begin(*Reader(scratch / "f").source, std::span(&before.position, 1)).code() ==
          StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a gap that is accepted is gone on behind: at a shortened file's end, or with the file that stands there") {
  const test::TemporaryFolder scratch;
  const Partition partition{3};
  const std::string head = std::string(1'200, 'x') + "\n";  // more than a file is known by
  write_file(scratch / "f", head + "two\nthree\n");
  Reader before(scratch / "f");
  before.start().drain();
  write_file(scratch / "f", head);
  Reader shortened(scratch / "f");
  CHECK(test::begin(*shortened.source, std::span(&before.position, 1)).code() == StatusCode::kOutOfRange);
  const FileSourceOptions by_itself{.name = "by itself", .path = scratch / "f", .on_gap = OnGap::kAccept};
  CHECK(test::begin(*make_file_source(by_itself, partition, 1'000, {}), std::span(&before.position, 1)).ok());
  Reader after(scratch / "f");
  CHECK(after.source->can_pass_gaps());
  after.source->accept_gaps(std::span(&partition, 1));
  after.start(before.position).drain();
  CHECK(after.got.empty());
  append_file(scratch / "f", "new\n");
  after.drain();
  CHECK(after.got == std::vector<Got>{{before.position.offset.value, "new"}});
  Reader again(scratch / "f");  // what is stored since is a position like any other
  again.start(after.position).drain();
  CHECK(again.got.empty());
  write_file(scratch / "g", "a\nb\n");
  Reader once(scratch / "g", /*follow=*/false);
  once.start().drain();
  write_file(scratch / "g", "other\n");
  Reader refused(scratch / "g", /*follow=*/false);
  CHECK(test::begin(*refused.source, std::span(&once.position, 1)).code() == StatusCode::kOutOfRange);
  const FileSourceOptions never{.name = "n", .path = scratch / "g", .follow = false, .on_gap = OnGap::kAccept};
  CHECK(test::begin(*make_file_source(never, partition, 1'000, {}), std::span(&once.position, 1)).code() ==
        StatusCode::kOutOfRange);  // another file may hold the same events
  Reader accepted(scratch / "g", /*follow=*/false);
  accepted.source->accept_gaps(std::span(&partition, 1));
  accepted.start(once.position).drain();
  CHECK(accepted.payloads() == Strings{"other"});
}

}  // namespace
}  // namespace cairn::streaming
