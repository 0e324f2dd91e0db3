#pragma once

#include <cstddef>

#include "gpu/fold_in.h"

namespace cairn::gpu {

/// λ of a row with so many interactions, against so many items.
[[nodiscard]] float penalty(const FoldInOptions& objective, std::size_t items, std::size_t interactions) noexcept;

/// What the score of an interaction of this weight is pulled to.
[[nodiscard]] float target(const FoldInOptions& objective, float weight) noexcept;

}  // namespace cairn::gpu
