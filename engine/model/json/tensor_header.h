#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::model {

/// One entry of a safetensors header, as it is written there.
struct TensorEntry {
  std::string name = {};
  std::string dtype = {};
  std::vector<std::uint64_t> shape = {};
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct TensorHeader {
  std::vector<TensorEntry> tensors = {};
  std::map<std::string, std::string> metadata = {};
};

/// Reads the JSON of a header, strictly: keys stand once, every entry has exactly dtype, shape and data_offsets,
/// `__metadata__` holds strings.
/// Returns: INVALID_ARGUMENT saying what is wrong.
[[nodiscard]] Result<TensorHeader> parse_tensor_header(std::string_view json);

/// The same as JSON on one line.
[[nodiscard]] std::string render_tensor_header(const TensorHeader& header);

}  // namespace cairn::model
