#pragma once

#include <cstddef>
#include <functional>

#include "cairn/status.h"

namespace cairn::model {

/// Calls work(0) … work(count - 1) like gpu::parallel_for. All of it is done, and of its failures that of the lowest
/// index is returned.
[[nodiscard]] Status parallel_try(std::size_t threads, std::size_t count,
                                  const std::function<Status(std::size_t)>& work);

}  // namespace cairn::model
