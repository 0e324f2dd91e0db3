#include "gpu/cpu/elementary.h"
#include "gpu/cpu/elementary_loops.h"

namespace cairn::gpu {

const ElementaryKernels kElementaryScalar{exp_loop, ln_loop};

}  // namespace cairn::gpu
