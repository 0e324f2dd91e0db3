#pragma once

#include <string_view>

#include "cairn/interaction.h"
#include "cairn/options.h"
#include "streaming/reject.h"

namespace cairn::streaming {

/// What the contract makes of a payload, worked out with another JSON library and without regard to speed: kNone and
/// the interaction, or why not.
[[nodiscard]] Reject oracle_decode(std::string_view payload, const InteractionTypes& types,
                                   const DecodeOptions& options, EventTime now, Interaction* interaction);

}  // namespace cairn::streaming
