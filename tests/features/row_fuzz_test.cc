#include <doctest/doctest.h>

#include <string>

#include "features/checksum.h"
#include "features/row.h"
#include "features/schema.h"
#include "tests/features/random_rows.h"

using namespace cairn;
using namespace cairn::features;
using cairn::features::testing::some_row;

namespace {

constexpr std::uint64_t kSeed = 4242;

std::string encoded(const Row& row) {
  std::string bytes;
  encode_row(row, &bytes);
  return bytes;
}

// Makes the checksum right, so that what is behind it is tried.
void seal(std::string* bytes) {
  if (bytes->size() < 4) bytes->resize(4);
  const std::uint32_t crc = crc32c(std::string_view(*bytes).substr(0, bytes->size() - 4));
  for (std::size_t i = 0; i < 4; ++i) (*bytes)[bytes->size() - 4 + i] = static_cast<char>(crc >> (8 * i) & 0xFF);
}

// Refused, or a row whose only spelling these bytes are, and whose memory the bytes pay for.
bool refused_or_canonical(const std::string& bytes) {
  Row row;
  if (!decode_row(bytes, &row).ok()) return true;
  return encoded(row) == bytes && row.memory_bytes() <= sizeof(Row) + 64 * bytes.size();
}

std::string mutated(std::string bytes, std::mt19937_64& random) {
  for (std::uint64_t edits = random() % 4 + 1; edits > 0 && !bytes.empty(); --edits) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] ^= static_cast<char>(1 << random() % 8);
        break;
      case 2:
        bytes.erase(at, random() % 4 + 1);
        break;
      default:
        bytes.insert(at, random() % 3 + 1, static_cast<char>(random() % 2 == 0 ? 0xFF : random()));
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("every truncation of a row is refused") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 50; ++i) {
    const std::string bytes = encoded(some_row(random));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      Row row;
      REQUIRE_FALSE(decode_row(std::string_view(bytes).substr(0, length), &row).ok());
    }
  }
}

TEST_CASE("every flipped bit of a row is refused") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20; ++i) {
    std::string bytes = encoded(some_row(random));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
      Row row;
      REQUIRE_FALSE(decode_row(bytes, &row).ok());
      bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
  }
}

TEST_CASE("a changed row with a right checksum is refused or is another row's only encoding") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = mutated(encoded(some_row(random)), random);
    seal(&bytes);
    REQUIRE(refused_or_canonical(bytes));
    Row row;
    accepted += decode_row(bytes, &row).ok() ? 1 : 0;
  }
  CHECK(accepted > 1'000);  // else the changes try nothing but the first check
  CHECK(accepted < 19'000);
}

TEST_CASE("random bytes are refused or canonical, with and without a right checksum") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 64, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 10);
    REQUIRE(refused_or_canonical(bytes));
    if (!bytes.empty()) bytes[0] = 2;
    seal(&bytes);
    REQUIRE(refused_or_canonical(bytes));
  }
}

TEST_CASE("merging damaged rows keeps what is whole") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 2'000; ++i) {
    const std::string a = mutated(encoded(some_row(random)), random);
    const std::string b = encoded(some_row(random));
    std::string sealed = mutated(encoded(some_row(random)), random);
    seal(&sealed);
    const std::vector<std::string_view> operands = {a, b, sealed};
    std::string merged;
    const std::size_t left_out = merge_encoded_rows(std::nullopt, operands, &merged);
    REQUIRE(left_out <= 2);
    Row row;
    REQUIRE(decode_row(merged, &row).ok());
  }
}

TEST_CASE("encoded rows merge to the bytes of the rows merged") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 4'000; ++i) {
    Row row = some_row(random);
    const std::string base = encoded(row);
    Row sum;
    std::vector<std::string> bytes;
    for (std::uint64_t operands = random() % 4; operands > 0; --operands) {
      const Row operand = some_row(random);
      bytes.push_back(encoded(operand));
      merge_row(&sum, operand);
    }
    const std::vector<std::string_view> operands(bytes.begin(), bytes.end());
    std::string merged;
    REQUIRE(merge_encoded_rows(std::nullopt, operands, &merged) == 0);
    REQUIRE(merged == encoded(sum));
    merge_row(&row, sum);
    REQUIRE(merge_encoded_rows(base, operands, &merged) == 0);
    REQUIRE(merged == encoded(row));
  }
}

std::size_t entries_in(const Row& row) {
  std::size_t entries = 0;
  for (const ViewBlock& block : row.blocks) entries += block.entries.size();
  return entries;
}

TEST_CASE("dropping what has faded from damaged rows leaves a row or nothing") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  int some = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes = mutated(encoded(some_row(random)), random);
    seal(&bytes);
    std::string kept = "untouched";
    if (drop_faded(bytes, static_cast<std::int64_t>(random() >> (20 + random() % 8)), &kept) == Faded::kSome) {
      ++some;
      Row before;
      Row row;
      REQUIRE(decode_row(bytes, &before).ok());
      REQUIRE(decode_row(kept, &row).ok());
      REQUIRE(entries_in(row) < entries_in(before));
    } else {
      REQUIRE(kept == "untouched");
    }
  }
  CHECK(some > 20);
}

TEST_CASE("a damaged view registry is refused or canonical") {
  INFO("seed ", kSeed);
  std::mt19937_64 random(kSeed);
  ViewRegistry registry;
  for (const char* name : {"a", "bb", "ccc"}) registry.id_of({.name = name});
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes = mutated(registry.encode(), random);
    seal(&bytes);
    const Result<ViewRegistry> decoded = ViewRegistry::decode(bytes);
    REQUIRE((!decoded.ok() || decoded->encode() == bytes));
  }
}
