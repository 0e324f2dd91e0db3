#include "tests/architecture/include_rules.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/support/temporary_folder.h"

namespace fs = std::filesystem;
using namespace cairn::architecture;

namespace {

/// A made-up tree.
class Tree {
 public:
  Tree& with(const std::string& file, const std::string& text) {
    folder_.write(file, text);
    return *this;
  }
  [[nodiscard]] const fs::path& root() const { return root_; }

 private:
  cairn::test::TemporaryFolder folder_;
  fs::path root_{folder_.path()};
};

Rules small_rules() {
  return {
      .rooms = {{.folder = "leaf/include", .may_include = {}, .std_only = true},
                {.folder = "low", .may_include = {}},
                {.folder = "low/annex", .may_include = {"low"}},
                {.folder = "other", .may_include = {}},
                {.folder = "high", .may_include = {"low"}},
                {.folder = "high/front", .may_include = {}},
                {.folder = "proofs", .may_include = {"*"}}},
      .open_rooms = {"leaf/include"},
      .sealed_rooms = {"low"},
      .spellings = {{"words/", "leaf/include"}},
      .libraries = {{"Rocks", {"rocks/"}, {"low/rocks"}}, {"Zip", {"zip.h"}, {"low/zip", "proofs"}}},
      .forbidden_names = {"common", "utils"},
  };
}

Room& room_named(Rules& rules, const std::string& folder) {
  return *std::find_if(rules.rooms.begin(), rules.rooms.end(), [&](const Room& room) { return room.folder == folder; });
}

/// The one violation of a tree that has exactly one.
Violation only_violation(const Tree& tree) {
  const auto violations = check_tree(tree.root(), small_rules());
  INFO(describe(violations));
  REQUIRE(violations.size() == 1);
  return violations[0];
}

}  // namespace

TEST_CASE("includes are found with their line and spelling") {
  const auto includes =
      includes_of("// first\n#include \"a/b.h\"\n  #  include <vector>\nint x;\n#include\t<c.h> // why\n");
  CHECK(includes == std::vector<Include>{{2, "a/b.h", true}, {3, "vector", false}, {5, "c.h", false}});
}

TEST_CASE("an include in a comment is none, and one after a comment's end is one") {
  CHECK(includes_of("// #include <a>\n/* begin\n#include <b>\nend */ int y;\n").empty());
  CHECK(includes_of("/* x */ int y; /* open\n#include <b>\n*/\n#include <c>\n") ==
        std::vector<Include>{{4, "c", false}});
}

TEST_CASE("a conditional include counts, an include of a macro does not") {
  CHECK(includes_of("#if defined(X)\n#include <cuda_runtime.h>\n#endif\n#include HEADER\n") ==
        std::vector<Include>{{2, "cuda_runtime.h", false}});
}

TEST_CASE("a tree that keeps to the rules has no violation") {
  Tree tree;
  tree.with("leaf/include/words/id.h", "#include <string>\n")
      .with("low/store.h", "#include \"words/id.h\"\n#include <unistd.h>\n")
      .with("low/rocks/rocks_store.cc", "#include <rocks/db.h>\n#include \"low/store.h\"\n")
      .with("high/wire.cc", "#include \"low/store.h\"\n#include \"high/part/part.h\"\n")
      .with("high/part/part.h", "")
      .with("proofs/t.cc", "#include \"low/rocks/rocks_store.h\"\n#include \"high/front/f.h\"\n#include <zip.h>\n")
      .with("build/generated/x.h", "#include <anything/at_all.h>\n")
      .with(".cache/y.h", "#include <anything/at_all.h>\n");
  CHECK(describe(check_tree(tree.root(), small_rules())) == "");
}

TEST_CASE("an arrow against the design is named with file, line and both rooms") {
  Tree tree;
  tree.with("low/a.h", "#include <vector>\n\n#include \"other/b.h\"\n");
  const Violation v = only_violation(tree);
  CHECK(v.file == "low/a.h");
  CHECK(v.line == 3);
  CHECK(v.what.find("low may not include other") != std::string::npos);
}

TEST_CASE("an arrow upwards fails") {
  CHECK(only_violation(Tree().with("low/a.cc", "#include \"high/wire.h\"\n")).line == 1);
  CHECK(only_violation(Tree().with("leaf/include/words/a.h", "#include \"low/a.h\"\n")).line == 1);
}

TEST_CASE("a room inside a room has arrows of its own") {
  CHECK(only_violation(Tree().with("high/front/a.cc", "#include \"low/a.h\"\n")).line == 1);
  CHECK(only_violation(Tree().with("high/front/a.cc", "#include \"high/a.h\"\n")).line == 1);
  CHECK(only_violation(Tree().with("high/a.cc", "#include \"high/front/a.h\"\n")).line == 1);
}

TEST_CASE("a sealed room shows only the headers at its top") {
  const Violation v =
      only_violation(Tree().with("high/a.cc", "#include \"low/store.h\"\n#include \"low/rocks/x.h\"\n"));
  CHECK(v.line == 2);
  CHECK(v.what.find("inside low") != std::string::npos);
}

TEST_CASE("a room inside a sealed room sees all of it, and is seen by none that may not include it") {
  CHECK(check_tree(Tree().with("low/annex/a.cc", "#include \"low/rocks/x.h\"\n").root(), small_rules()).empty());
  CHECK(only_violation(Tree().with("low/a.cc", "#include \"low/annex/x.h\"\n")).line == 1);
  CHECK(only_violation(Tree().with("high/a.cc", "#include \"low/annex/x.h\"\n")).line == 1);
}

TEST_CASE("a room of its top alone has no say over folders that nobody named") {
  Rules rules = small_rules();
  room_named(rules, "high").top_only = true;
  CHECK(check_tree(Tree().with("high/a.cc", "#include \"low/store.h\"\n").root(), rules).empty());
  const auto violations = check_tree(Tree().with("high/new/a.cc", "").root(), rules);
  REQUIRE(violations.size() == 1);
  CHECK(violations[0].file == "high/new/a.cc");
  CHECK(violations[0].what.find("no room") != std::string::npos);
}

TEST_CASE("arrows in a circle are named, also round a corner") {
  Rules rules = small_rules();
  CHECK(check_cycles(Tree().root(), rules).empty());
  room_named(rules, "low").may_include = {"other"};
  room_named(rules, "other").may_include = {"high"};  // and high ► low stands in the rules
  const auto violations = check_cycles(Tree().root(), rules);
  REQUIRE(violations.size() == 1);
  CHECK(violations[0].what.find("high ► low ► other ► high") != std::string::npos);
}

TEST_CASE("headers that include each other in a circle are named") {
  Tree tree;
  tree.with("low/a.h", "#include \"low/b.h\"\n").with("low/b.h", "#include \"words/c.h\"\n");
  CHECK(check_cycles(tree.root(), small_rules()).empty());
  tree.with("leaf/include/words/c.h", "#include \"low/a.h\"\n");
  const auto violations = check_cycles(tree.root(), small_rules());
  REQUIRE(violations.size() == 1);
  CHECK(violations[0].what.find("leaf/include/words/c.h") != std::string::npos);
  CHECK(violations[0].what.find("low/a.h ► low/b.h") != std::string::npos);
}

TEST_CASE("a foreign library outside its adapter fails, in quotes as in brackets") {
  CHECK(only_violation(Tree().with("low/store.cc", "#include <rocks/db.h>\n")).what.find("Rocks") == 0);
  CHECK(only_violation(Tree().with("low/store.cc", "#include \"rocks/db.h\"\n")).what.find("Rocks") == 0);
  CHECK(only_violation(Tree().with("proofs/t.cc", "#include <rocks/db.h>\n")).what.find("Rocks") == 0);
}

TEST_CASE("a library nobody decided on fails") {
  CHECK(only_violation(Tree().with("low/a.cc", "#include <fancy/fancy.h>\n")).what.find("do not know") !=
        std::string::npos);
}

TEST_CASE("a folder of the adapter's name elsewhere is not the adapter") {
  CHECK(only_violation(Tree().with("low/rocksolid/a.cc", "#include <rocks/db.h>\n")).line == 1);
}

TEST_CASE("the public words include the standard library only, not even the platform") {
  CHECK(only_violation(Tree().with("leaf/include/words/a.h", "#include <unistd.h>\n")).line == 1);
  CHECK(only_violation(Tree().with("leaf/include/words/a.h", "#include <zip.h>\n")).line == 1);
}

TEST_CASE("our own headers are written from the root, in quotes") {
  CHECK(only_violation(Tree().with("low/a.cc", "#include \"store.h\"\n")).line == 1);
  CHECK(only_violation(Tree().with("low/a.cc", "#include \"../low/store.h\"\n")).line == 1);
  CHECK(only_violation(Tree().with("low/a.cc", "#include <low/store.h>\n")).line == 1);
}

TEST_CASE("a drawer with a name for nothing fails once, as folder or as file") {
  const Violation folder = only_violation(Tree().with("low/utils/a.h", "").with("low/utils/b.h", ""));
  CHECK(folder.file == "low/utils");
  CHECK(folder.line == 0);
  CHECK(only_violation(Tree().with("high/common.h", "")).file == "high/common.h");
}

TEST_CASE("a forbidden word fails as a whole word, in code, outside of where it is allowed") {
  Rules rules = small_rules();
  rules.forbidden_words = {{"std::mutex", "use Mutex", {"low/mutex.h", "proofs/"}}};
  Tree tree;
  tree.with("low/mutex.h", "std::mutex m;\n").with("proofs/t.cc", "std::mutex m;\n");
  tree.with("low/a.h", "// a std::mutex in a comment\nstd::mutexes x; std::mutex_like y;\n");
  CHECK(describe(check_tree(tree.root(), rules)) == "");
  tree.with("low/b.h", "\nconst std::mutex m;\n");
  CHECK(describe(check_tree(tree.root(), rules)) == "low/b.h:2: std::mutex: use Mutex\n");
}

TEST_CASE("a source outside every room fails") {
  CHECK(only_violation(Tree().with("attic/a.cc", "")).what.find("no room") != std::string::npos);
}
