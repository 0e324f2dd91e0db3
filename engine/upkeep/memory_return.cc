#include "engine/upkeep/memory_return.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace cairn::upkeep {

void MemoryReturn::round(std::uint64_t events) {
  const bool idle = events == events_;
  events_ = events;
  if (idle && worked_) {
#if defined(__GLIBC__)
    ::malloc_trim(0);
#endif
  }
  worked_ = !idle;
}

}  // namespace cairn::upkeep
