#pragma once

#include "cairn/recommendation.h"
#include "engine/cache/bytes.h"

namespace cairn::cache {

/// An answer as bytes: all but where it was kept.
void write_answer(const Recommendations& answer, ByteWriter* out);
/// Returns: whether the bytes were those of an answer.
[[nodiscard]] bool read_answer(ByteReader* in, Recommendations* answer);

}  // namespace cairn::cache
