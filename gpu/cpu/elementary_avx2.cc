#include "gpu/cpu/elementary.h"
#include "gpu/cpu/elementary_loops.h"

namespace cairn::gpu {

const ElementaryKernels kElementaryAvx2{exp_loop, ln_loop};

}  // namespace cairn::gpu
