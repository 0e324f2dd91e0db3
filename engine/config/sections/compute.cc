#include <string>
#include <utility>
#include <vector>

#include "engine/config/sections/bounds.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

std::vector<std::pair<std::string, ComputeDevice>> device_words() {
  return {{"auto", ComputeDevice::kAuto}, {"cpu", ComputeDevice::kCpu}, {"cuda", ComputeDevice::kCuda}};
}

}  // namespace

Section compute_section() {
  return {"compute",
          "What places are scanned with.",
          {
              make_choice<Config>(CAIRN_AT(engine.compute.device), device_words(),
                                  {.name = "device",
                                   .doc = "\"auto\": a CUDA device where there is one, else the processors. \"cpu\": "
                                          "the processors. \"cuda\": no start without a device. Chosen once, at the "
                                          "start; cairn doctor says which and why."}),
              make_key<Config>(CAIRN_AT(engine.compute.cuda_library),
                               {.name = "cuda_library",
                                .type = KeyType::kText,
                                .doc = "Path of libcairn_cuda.so, of the same build. Empty: beside the program, then "
                                       "where the loader looks.",
                                .example = "\"/usr/lib/cairn/libcairn_cuda.so\""}),
              make_key<Config>(CAIRN_AT(engine.compute.cuda_device), {.name = "cuda_device",
                                                                      .type = KeyType::kInteger,
                                                                      .doc = "Which device, by CUDA's numbers.",
                                                                      .min = 0,
                                                                      .max = 64}),
              make_key<Config>(CAIRN_AT(engine.compute.cuda_memory_bytes),
                               {.name = "cuda_memory",
                                .type = KeyType::kSize,
                                .doc = "Most of the device's memory that is used. 0B: no bound.",
                                .min = 0,
                                .max = 4 * kTiB}),
              make_key<Config>(CAIRN_AT(engine.compute.time_max),
                               {.name = "time_max",
                                .type = KeyType::kDuration,
                                .doc = "A scan that the device has not answered by then is answered by the processors, "
                                       "the answer says so, and the device is left alone.",
                                .min = 1,
                                .max = 60 * kSecond}),
              make_key<Config>(CAIRN_AT(engine.compute.retry),
                               {.name = "retry",
                                .type = KeyType::kDuration,
                                .doc = "How long a device that failed is left alone before it is tried again, with a "
                                       "scan that nobody waits for; longer after each trial that fails, up to 30s.",
                                .min = 1,
                                .max = 600 * kSecond}),
          }};
}

}  // namespace cairn::config
