#include "gpu/cpu/codes.h"
#include "gpu/cpu/codes_loops.h"

namespace cairn::gpu {

const CodeKernels kCodesAvx512{encode_loop, decode_loop, normalize_loop};

}  // namespace cairn::gpu
