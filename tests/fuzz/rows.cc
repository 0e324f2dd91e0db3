// The bytes of a row of features: they decode to the row that encodes to them, or are refused; merging cannot fail.
#include <string>
#include <string_view>
#include <vector>

#include "features/bytes.h"
#include "features/row.h"
#include "tests/fuzz/fuzzer.h"

namespace cairn::fuzz {
namespace {

using features::Row;

void check_bytes(std::string_view bytes) {
  Row row;
  if (!features::decode_row(bytes, &row).ok()) return;
  std::string again;
  features::encode_row(row, &again);
  check(again == bytes, "a row has two encodings");
  std::string kept;
  for (const std::int64_t now : {std::int64_t{0}, std::int64_t{1'700'000'000'000}}) {
    if (features::drop_faded(bytes, now, &kept) == features::Faded::kSome) {
      check(features::decode_row(kept, &row).ok(), "what is kept of a row is none");
    }
  }
}

}  // namespace
}  // namespace cairn::fuzz

/// The first byte says where the input is cut into a base and an operand, in 256ths.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  if (size == 0) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = all.size() * data[0] / 256;
  // With the right checksum behind, so that what is read lies behind the first check.
  const auto sealed = [](std::string_view bytes) {
    std::string row(bytes);
    features::put_trailer(&row);
    return row;
  };
  const std::string base = sealed(all.substr(0, cut));
  const std::string operand = sealed(all.substr(cut));
  fuzz::check_bytes(all);
  fuzz::check_bytes(base);
  fuzz::check_bytes(operand);
  const std::string_view operands[] = {operand, base, operand};
  std::string merged;
  static_cast<void>(features::merge_encoded_rows(base, operands, &merged));
  features::Row row;
  // A right checksum is taken as proof for views that no operand has, so a base that is none may not be noticed.
  if (features::decode_row(base, &row).ok()) {
    fuzz::check(features::decode_row(merged, &row).ok(), "a merge broke a row");
  }
  const std::string damaged = base.substr(0, base.size() - 1) + static_cast<char>(base.back() ^ 1);
  static_cast<void>(features::merge_encoded_rows(damaged, operands, &merged));
  fuzz::check(merged == damaged, "a base that is none was changed");
  static_cast<void>(features::merge_encoded_rows(std::nullopt, operands, &merged));
  fuzz::check(features::decode_row(merged, &row).ok(), "a merge without a base is no row");
  return 0;
}
