// A file of tensors that somebody brings: it is read, with views that lie inside of it, or refused.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "engine/model/safetensors.h"
#include "tests/fuzz/fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  const int fd = ::memfd_create("model.safetensors", MFD_CLOEXEC);
  fuzz::check(fd >= 0 && ::write(fd, data, size) == static_cast<ssize_t>(size), "no memory file");
  const auto file = model::TensorFile::read("/proc/self/fd/" + std::to_string(fd));
  ::close(fd);
  if (!file.ok()) {
    fuzz::check(!file.status().message().empty(), "a refusal without a reason");
    return 0;
  }
  // Every byte is read, so that a view that leaves the file is seen.
  volatile unsigned sum = 0;
  for (const auto& tensor : file->tensors()) {
    fuzz::check(file->find(tensor.name) == &tensor, "a tensor that is not found by its name");
    for (const std::byte byte : tensor.bytes) sum = sum + static_cast<unsigned>(byte);
  }
  return 0;
}
