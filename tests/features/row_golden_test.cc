#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "features/row.h"

// The files in golden/ pin the format: rows written once must be read for ever, and what is written must not change
// under the same version. A file has the row's content and its bytes:
//
//     # what the row is about
//     view ID AGGREGATE max_entries N half_life_ms N ttl_ms N
//     entry DIMENSION count N micros N mantissa HEX exponent N newest_ms N
//     bytes HEX
//
// The bytes are split as format.md names their parts, one part a line, with a remark behind "#".

using namespace cairn;
using namespace cairn::features;
namespace fs = std::filesystem;

namespace {

struct Golden {
  Row row;
  std::string bytes;
};

Aggregate aggregate_of(const std::string& name) {
  constexpr std::string_view kNames[] = {"count", "sum", "mean", "min", "max", "last", "decayed_sum", "sequence"};
  const auto* at = std::find(std::begin(kNames), std::end(kNames), name);
  REQUIRE(at != std::end(kNames));
  return static_cast<Aggregate>(at - std::begin(kNames) + 1);
}

void read_hex(std::istream& words, std::string* bytes) {
  std::string word;
  while (words >> word) {
    REQUIRE(word.size() == 2);
    bytes->push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
  }
}

Golden read_golden(const fs::path& path) {
  Golden golden;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string kind;
    std::string skip;
    if (!(words >> kind)) continue;
    if (kind == "view") {
      ViewBlock& block = golden.row.blocks.emplace_back();
      std::string aggregate;
      words >> block.view >> aggregate >> skip >> block.max_entries >> skip >> block.half_life_ms >> skip >>
          block.ttl_ms;
      block.aggregate = aggregate_of(aggregate);
    } else if (kind == "entry") {
      Entry& entry = golden.row.blocks.back().entries.emplace_back();
      std::string mantissa;
      words >> entry.dimension >> skip >> entry.value.count >> skip >> entry.value.micros >> skip >> mantissa >> skip >>
          entry.value.exponent >> skip >> entry.value.newest_ms;
      entry.value.mantissa = std::stod(mantissa);
    } else {
      REQUIRE(kind == "bytes");
      read_hex(words, &golden.bytes);
      continue;
    }
    REQUIRE_MESSAGE(!words.fail(), line);
  }
  return golden;
}

}  // namespace

TEST_CASE("rows have the bytes that the golden files have, and are read from them") {
  int files = 0;
  for (const auto& file : fs::directory_iterator(fs::path(CAIRN_SOURCE_DIR) / "tests/features/golden")) {
    INFO(file.path().string());
    ++files;
    const Golden golden = read_golden(file.path());
    std::string bytes;
    encode_row(golden.row, &bytes);
    CHECK(bytes == golden.bytes);
    Row back;
    const Status status = decode_row(golden.bytes, &back);
    CHECK_MESSAGE(status.ok(), status.to_string());
    CHECK(back == golden.row);
  }
  CHECK(files >= 6);
}
