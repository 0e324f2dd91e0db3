#include "gpu/cuda/device.h"

#include <cuda_runtime_api.h>

namespace cairn::gpu::cuda {
namespace {

Status status_of(cudaError_t error, const std::string& doing) {
  if (error == cudaSuccess) return ok_status();
  (void)cudaGetLastError();  // else the runtime would report this error again to its next caller
  const std::string text = doing + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")";
  switch (error) {
    case cudaErrorMemoryAllocation:
      return resource_exhausted(text);
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary:
    case cudaErrorInitializationError:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorDeviceUninitialized:
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorECCUncorrectable:
      return unavailable(text);
    default:
      return internal_error(text);
  }
}

cudaStream_t stream_of(void* handle) { return static_cast<cudaStream_t>(handle); }

/// Whether there is a driver that this build can use, in words clearer than the runtime's own.
Status check_driver() {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    return unavailable("there is no NVIDIA driver on this machine");
  }
  // Drivers run code of every minor version of their major one (CUDA's "minor version compatibility").
  if (driver / 1000 < CUDART_VERSION / 1000) {
    return unavailable("the NVIDIA driver is for CUDA " + std::to_string(driver / 1000) + "." +
                       std::to_string(driver % 1000 / 10) + "; this build needs " +
                       std::to_string(CUDART_VERSION / 1000) + " or later");
  }
  return ok_status();
}

constexpr int kCapabilityMin = 8;  // the tensor core and copy instructions that scans are made of

}  // namespace

Result<DeviceTraits> probe_device(int device) {
  CAIRN_RETURN_IF_ERROR(check_driver());
  int count = 0;
  CAIRN_RETURN_IF_ERROR(status_of(cudaGetDeviceCount(&count), "looking for CUDA devices"));
  if (device < 0 || device >= count) {
    return unavailable("there is no CUDA device " + std::to_string(device) + "; devices: " + std::to_string(count));
  }
  CAIRN_RETURN_IF_ERROR(use_device(device));
  struct Wanted {
    cudaDeviceAttr attribute;
    int value = 0;
  } wanted[] = {{cudaDevAttrComputeCapabilityMajor},
                {cudaDevAttrComputeCapabilityMinor},
                {cudaDevAttrMultiProcessorCount},
                {cudaDevAttrMaxSharedMemoryPerBlockOptin}};
  for (Wanted& one : wanted) {
    CAIRN_RETURN_IF_ERROR(
        status_of(cudaDeviceGetAttribute(&one.value, one.attribute, device), "reading what the CUDA device is"));
  }
  const std::string capability = std::to_string(wanted[0].value) + std::to_string(wanted[1].value);
  if (wanted[0].value < kCapabilityMin) {
    return unavailable("CUDA device " + std::to_string(device) + " is sm_" + capability +
                       "; this build has code for sm_80 and later");
  }
  // Creates the context, so that a device that cannot be used is found now.
  CAIRN_RETURN_IF_ERROR(status_of(cudaFree(nullptr), "starting CUDA device " + std::to_string(device)));
  return DeviceTraits{.name = "cuda/sm_" + capability,
                      .multiprocessors = static_cast<std::uint32_t>(wanted[2].value),
                      .shared_bytes_max = static_cast<std::size_t>(wanted[3].value)};
}

Status use_device(int device) { return status_of(cudaSetDevice(device), "choosing a CUDA device"); }

Result<void*> allocate_device(std::size_t bytes) {
  void* memory = nullptr;
  CAIRN_RETURN_IF_ERROR(
      status_of(cudaMalloc(&memory, bytes), "allocating " + std::to_string(bytes) + " bytes of device memory"));
  return memory;
}

Result<void*> allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  CAIRN_RETURN_IF_ERROR(status_of(cudaMallocHost(&memory, bytes),
                                  "allocating " + std::to_string(bytes) + " bytes of page-locked memory"));
  return memory;
}

void free_device(void* memory) noexcept { (void)cudaFree(memory); }
void free_pinned(void* memory) noexcept { (void)cudaFreeHost(memory); }

Status copy_to_device(void* device, const void* host, std::size_t bytes) {
  return status_of(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "copying to the device");
}

Status copy_from_device(void* host, const void* device, std::size_t bytes) {
  return status_of(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "copying from the device");
}

bool has_graphs() noexcept { return true; }

Graph::~Graph() {
  if (executable_ != nullptr) (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(executable_));
}

Result<Stream> Stream::make() {
  cudaStream_t stream = nullptr;
  CAIRN_RETURN_IF_ERROR(status_of(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a CUDA stream"));
  return Stream(stream);
}

Stream::~Stream() {
  if (handle_ != nullptr) (void)cudaStreamDestroy(stream_of(handle_));
}

void Stream::note(Status status) {
  busy_ = true;
  // The first error is the cause; those after it mostly follow from it.
  if (status_.ok()) status_ = std::move(status);
}

void Stream::copy_to_device(void* device, const void* host, std::size_t bytes) {
  note(status_of(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_of(handle_)),
                 "copying to the device"));
}

void Stream::copy_from_device(void* host, const void* device, std::size_t bytes) {
  note(status_of(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_of(handle_)),
                 "copying from the device"));
}

void Stream::zero(void* device, std::size_t bytes) {
  note(status_of(cudaMemsetAsync(device, 0, bytes, stream_of(handle_)), "clearing device memory"));
}

void Stream::check_launch() { note(status_of(cudaGetLastError(), "launching a kernel")); }

void Stream::begin_capture() {
  note(status_of(cudaStreamBeginCapture(stream_of(handle_), cudaStreamCaptureModeThreadLocal), "recording a graph"));
}

Result<Graph> Stream::end_capture() {
  cudaGraph_t graph = nullptr;
  CAIRN_RETURN_IF_ERROR(status_of(cudaStreamEndCapture(stream_of(handle_), &graph), "recording a graph"));
  cudaGraphExec_t executable = nullptr;
  // The executable graph does not need the recorded one, which is freed whether it could be made or not.
  const Status made = status_of(cudaGraphInstantiate(&executable, graph, 0), "making a graph");
  (void)cudaGraphDestroy(graph);
  CAIRN_RETURN_IF_ERROR(made);
  return Graph(executable);
}

void Stream::replay(const Graph& graph) {
  note(status_of(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph.executable()), stream_of(handle_)),
                 "launching a graph"));
}

Status Stream::wait() {
  note(status_of(cudaStreamSynchronize(stream_of(handle_)), "waiting for the device"));
  busy_ = false;
  return std::exchange(status_, ok_status());
}

}  // namespace cairn::gpu::cuda
