#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cairn/status.h"
#include "gpu/rows.h"

namespace cairn::gpu {

// What is wrong with which rows a query may be answered with, of `rows` there are. Each returns INVALID_ARGUMENT.

/// Ranges are searched by halving or walked through, and their rows are read without another test: they have to ascend
/// and to exist.
[[nodiscard]] Status check_ranges(std::span<const RowRange> ranges, std::size_t rows);
[[nodiscard]] Status check_allowed(std::span<const std::uint64_t> allowed, std::size_t rows);
/// A row may stand there twice; one that does not exist excludes nothing.
[[nodiscard]] Status check_excluded(std::span<const std::uint32_t> excluded);

}  // namespace cairn::gpu
