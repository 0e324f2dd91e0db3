#pragma once

#include "cairn/interaction.h"
#include "cairn/mapping.h"
#include "cairn/status.h"

namespace cairn::streaming {

/// Whether a Decoder can be made with this mapping.
/// Returns: INVALID_ARGUMENT for what is mapped to no field or type, a field that two names are mapped to, and a time
/// format or zone that is none. The message begins with the key, as the configuration names it.
[[nodiscard]] Status check_mapping(const MappingOptions& mapping, const InteractionTypes& types);

}  // namespace cairn::streaming
