#include "engine/model/parallel.h"

#include <utility>
#include <vector>

#include "gpu/parallel.h"

namespace cairn::model {

Status parallel_try(std::size_t threads, std::size_t count, const std::function<Status(std::size_t)>& work) {
  std::vector<Status> statuses(count);
  gpu::parallel_for(threads, count, [&](std::size_t i) { statuses[i] = work(i); });
  for (Status& status : statuses) {
    if (!status.ok()) return std::move(status);
  }
  return ok_status();
}

}  // namespace cairn::model
