#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::serving {

/// The directory of a model that a caller names: a folder of that name in `folder`, and nowhere else on the disk. The
/// name may also be written as a path, `folder` first. Whoever reaches the API must not make the server read any file:
/// what cannot be read as a model is told of in the answer.
///
/// Returns: INVALID_ARGUMENT for anything but one name, see is_folder_name(); FAILED_PRECONDITION when `folder` is
/// empty. Whether it is there is the engine's to find out.
[[nodiscard]] Result<std::string> model_path(std::string_view folder, std::string_view name);

}  // namespace cairn::serving
