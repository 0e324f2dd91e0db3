#pragma once

namespace cairn::serving {

/// Gives memory that the process has freed back to the system, where the C library can be asked to. Takes milliseconds.
void free_unused_memory() noexcept;

}  // namespace cairn::serving
