#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "gpu/backend.h"
#include "gpu/cuda/abi.h"

namespace cairn::gpu {
namespace {

constexpr const char* kLibrary = "libcairn_cuda.so";

std::string beside_the_program() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string() : (program.parent_path() / kLibrary).string();
}

std::string text_of_dlerror() {
  const char* text = dlerror();
  return text != nullptr ? text : "no reason given";
}

/// The library is never unloaded (RTLD_NODELETE), because backends made by it may live as long as the program.
void* load(const std::string& path) { return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); }

Result<void*> load_named(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return not_found("there is no CUDA library " + path);
  if (void* library = load(path)) return library;
  return failed_precondition("CUDA library " + path + " cannot be loaded: " + text_of_dlerror());
}

Result<void*> find_library(const std::string& path) {
  // A library that was asked for by name is the only candidate. Otherwise the one beside the program comes first,
  // because it is of the same build.
  if (!path.empty()) return load_named(path);
  const std::string beside = beside_the_program();
  std::error_code error;
  if (!beside.empty() && std::filesystem::exists(beside, error)) return load_named(beside);
  if (void* library = load(kLibrary)) return library;
  return not_found("there is no CUDA library: neither " + beside + " nor where the loader looks (" + text_of_dlerror() +
                   ")");
}

/// The address of a function of the library, or null. dlsym gives a pointer to data, which C++ does not convert to a
/// pointer to a function; an integer stands between.
template <class Function>
Function* symbol(void* library, const char* name) {
  return reinterpret_cast<Function*>(reinterpret_cast<std::uintptr_t>(dlsym(library, name)));
}

std::string path_of(void* library, const std::string& asked) {
  char origin[4096] = {};
  if (!asked.empty() || dlinfo(library, RTLD_DI_ORIGIN, origin) != 0) return asked.empty() ? kLibrary : asked;
  return std::string(origin) + "/" + kLibrary;
}

Status check_build(void* library, const std::string& path) {
  auto* build_id = symbol<cuda::BuildIdFunction>(library, cuda::kBuildIdSymbol);
  if (build_id == nullptr || symbol<cuda::OpenFunction>(library, cuda::kOpenSymbol) == nullptr) {
    return failed_precondition(path + " is not a CUDA library of Cairn");
  }
  if (std::strcmp(build_id(), cuda::kBuildId) != 0) {
    return failed_precondition("CUDA library " + path + " is of build " + build_id() + ", this program of " +
                               cuda::kBuildId + ": they have to be built together");
  }
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Backend>> open_cuda_backend(const CudaOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(void* library, find_library(options.library));
  const std::string path = path_of(library, options.library);
  CAIRN_RETURN_IF_ERROR(check_build(library, path));
  cuda::OpenError error;
  auto* open = symbol<cuda::OpenFunction>(library, cuda::kOpenSymbol);
  std::unique_ptr<Backend> backend(open(options.device, options.memory_max_bytes, &error));
  if (backend != nullptr) return backend;
  return Status(static_cast<StatusCode>(error.code), error.text);
}

}  // namespace cairn::gpu
