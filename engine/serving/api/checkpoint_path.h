#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn::serving {

/// Whether `text` may name a folder that a caller means: 1 to 128 letters, digits, '.', '_' and '-', the first a letter
/// or digit. Nothing of it leads anywhere else on the disk.
[[nodiscard]] bool is_folder_name(std::string_view text) noexcept;

/// Where a checkpoint goes that a caller names: a new folder of that name in `folder`, and nowhere else on the disk.
/// The name may also be written as a path, `folder` first.
///
/// Returns: INVALID_ARGUMENT for anything but one name of 1 to 128 letters, digits, '.', '_' and '-' that begins with
/// none of the last three; FAILED_PRECONDITION when `folder` is empty. Whether it exists already is the engine's to
/// find out.
[[nodiscard]] Result<std::string> checkpoint_path(std::string_view folder, std::string_view name);

/// Makes the folder when it is absent. Returns: UNAVAILABLE.
[[nodiscard]] Status make_folder(const std::string& folder);

}  // namespace cairn::serving
