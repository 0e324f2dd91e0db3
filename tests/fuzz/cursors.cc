// Cursors, as they are stored with positions: each is what was written, or refused.
#include <string>

#include "streaming/file/cursor.h"
#include "streaming/kafka/cursor.h"
#include "tests/fuzz/fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto cursor = streaming::decode_cursor(text); cursor.ok()) {
    fuzz::check(streaming::encode(*cursor) == text, "a file's cursor has two spellings");
  }
  const auto partitions = streaming::kafka::decode_cursor(text, "");
  if (partitions.ok() && !text.empty()) {
    fuzz::check(streaming::kafka::encode_cursor(*partitions) == text, "a topic's cursor has two spellings");
  }
  return 0;
}
