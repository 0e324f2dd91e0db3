#include "storage/merger.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "storage/rocksdb/merge_operator.h"
#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

std::vector<std::string> parked_values(Quarantine& quarantine) {
  std::vector<std::string> values;
  for (Quarantine::Row& row : quarantine.take()) values.push_back(row.value);
  return values;
}

TEST_CASE("merging parks exactly the operands that make no sense") {
  Quarantine quarantine;
  const Merger merger(add_counters, &quarantine);
  const std::string one = counter(1);
  const std::string_view operands[] = {one, "bad", one, "worse", one};
  std::string merged;
  merger.merge("key", one, operands, &merged);
  CHECK(merged == counter(4));
  CHECK(parked_values(quarantine) == std::vector<std::string>{"bad", "worse"});
  CHECK(quarantine.count() == 2);
}

TEST_CASE("when the count does not say which, all operands of the merge are parked") {
  Quarantine quarantine;
  // Refuses whenever there is more than one operand, and never a single one.
  const Merger merger([](auto, std::span<const std::string_view> operands,
                         std::string*) -> std::size_t { return operands.size() > 1 ? 1 : 0; },
                      &quarantine);
  const std::string_view operands[] = {"a", "b"};
  std::string merged;
  merger.merge("key", std::nullopt, operands, &merged);
  CHECK(parked_values(quarantine) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("combining operands declines rather than losing one, and parks nothing") {
  Quarantine quarantine;
  const Merger merger(add_counters, &quarantine);
  const std::string one = counter(1);
  const std::string_view sound[] = {one, one};
  const std::string_view unsound[] = {one, "bad"};
  std::string combined;
  CHECK(merger.combine(sound, &combined));
  CHECK(combined == counter(2));
  CHECK(!merger.combine(unsound, &combined));
  CHECK(quarantine.count() == 0);
}

TEST_CASE("RocksDB's full merge succeeds whatever it is given, its partial merge leaves no trace when it declines") {
  Quarantine quarantine;
  const Merger merger(add_counters, &quarantine);
  const MergerOperator op(&merger);
  const rocksdb::Slice key("key");
  const rocksdb::Slice base("bad base");
  std::string value;
  rocksdb::Slice existing;
  rocksdb::MergeOperator::MergeOperationOutput out(value, existing);
  const std::vector<rocksdb::Slice> bad = {"bad"};
  const rocksdb::MergeOperator::MergeOperationInput in(key, &base, bad, nullptr);
  CHECK(op.FullMergeV2(in, &out));
  CHECK(value == "bad base");

  value = "left over from the row before";
  const rocksdb::MergeOperator::MergeOperationInput nothing(key, nullptr, bad, nullptr);
  CHECK(op.FullMergeV2(nothing, &out));
  CHECK(value.empty());
  CHECK(quarantine.count() == 1);

  std::string combined;
  const std::string one = counter(1);
  CHECK(!op.PartialMergeMulti(key, {one, "bad"}, &combined, nullptr));
  CHECK(combined.empty());
  CHECK(op.PartialMergeMulti(key, {one, one}, &combined, nullptr));
  CHECK(combined == counter(2));
}

TEST_CASE("quarantine counts an operand of an entity once, and keeps it until it is written") {
  Quarantine quarantine;
  for (int i = 0; i < 3; ++i) quarantine.park("user", "bad");
  quarantine.park("other", "bad");
  CHECK(quarantine.count() == 2);
  CHECK(quarantine.has_pending());
  auto rows = quarantine.take();
  REQUIRE(rows.size() == 2);
  CHECK(!quarantine.has_pending());
  quarantine.park("third", "bad");
  quarantine.give_back(std::move(rows));
  rows = quarantine.take();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].key == quarantine_key("user", "bad"));
  CHECK(rows[2].key == quarantine_key("third", "bad"));
}

TEST_CASE("quarantine is bounded in number and size and counts what it does not keep") {
  Quarantine quarantine;
  quarantine.park("big", std::string(Quarantine::kOperandBytesMax + 1, 'x'));
  CHECK(!quarantine.has_pending());
  constexpr std::size_t kMany = Quarantine::kPendingMax + 10;
  for (std::size_t i = 0; i < kMany; ++i) quarantine.park("user", std::to_string(i));
  CHECK(quarantine.count() == kMany + 1);
  auto rows = quarantine.take();
  CHECK(rows.size() == Quarantine::kPendingMax);
  quarantine.park("user", "one more");
  quarantine.give_back(std::move(rows));
  CHECK(quarantine.take().size() == Quarantine::kPendingMax);
}

}  // namespace
}  // namespace cairn::storage
