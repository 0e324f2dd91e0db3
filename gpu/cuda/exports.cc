#include <algorithm>
#include <cstring>

#include "gpu/cuda/abi.h"
#include "gpu/cuda/cuda_backend.h"

// The functions that libcairn_cuda.so exports; abi.h names them.

#define CAIRN_EXPORT extern "C" __attribute__((visibility("default")))

namespace cuda = cairn::gpu::cuda;

CAIRN_EXPORT cuda::BuildIdFunction cairn_cuda_build_id;
CAIRN_EXPORT cuda::OpenFunction cairn_cuda_open;

const char* cairn_cuda_build_id() { return cuda::kBuildId; }

cairn::gpu::Backend* cairn_cuda_open(int device, std::size_t memory_max_bytes, cuda::OpenError* error) {
  auto backend = cuda::make_cuda_backend(device, memory_max_bytes);
  if (backend.ok()) return std::move(backend).value().release();
  // An error crosses the border as plain bytes in the caller's memory; a text that is too long is cut.
  const std::string& message = backend.status().message();
  error->code = static_cast<std::uint8_t>(backend.status().code());
  const std::size_t length = std::min(message.size(), sizeof(error->text) - 1);
  std::memcpy(error->text, message.data(), length);
  error->text[length] = '\0';
  return nullptr;
}
