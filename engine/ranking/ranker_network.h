#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::ranking {

/// A small feed-forward network and the scaling of what it reads: each input x becomes (x - mean) * scale, at least
/// -kInputMax and at most kInputMax. Layers but the last end in max(0, x).
struct NetworkNumbers {
  static constexpr float kInputMax = 5.0F;

  struct Layer {
    std::size_t inputs = 0;
    std::size_t outputs = 0;
    std::vector<float> weights = {};  ///< outputs × inputs
    std::vector<float> biases = {};   ///< outputs
  };
  std::vector<float> mean = {};
  std::vector<float> scale = {};
  std::vector<Layer> layers = {};  ///< at least one

  [[nodiscard]] std::size_t inputs() const noexcept { return mean.size(); }
  [[nodiscard]] std::size_t outputs() const noexcept { return layers.back().outputs; }
};

/// Says how much better or worse a candidate is than its linear score (format.md). Each member has two networks. The
/// first reads each visit of the user's history to a candidate and gives it a number for each of a few heads. What a
/// place gets of a head is ln(1 + the sum of exp(number) over its visits). The second reads the candidate, and that.
/// What the members say is averaged.
struct RankerNetwork {
  static constexpr std::size_t kMembersMax = 16;

  struct Member {
    NetworkNumbers visits = {};  ///< visit_input_names() ► heads
    NetworkNumbers places = {};  ///< place_input_names(), then heads ► 1

    [[nodiscard]] std::size_t heads() const noexcept { return visits.outputs(); }
  };
  std::vector<Member> members = {};  ///< at least one
  std::uint64_t digest = 0;          ///< of the bytes that it was read from
};

inline constexpr const char* kNetworkFile = "network.safetensors";

/// Reads the file of a network. `name` is what messages call it.
/// Returns: INVALID_ARGUMENT naming file and tensor for a shape that does not fit, a number that is not finite, and
/// inputs that are not those of this version of Cairn.
[[nodiscard]] Result<RankerNetwork> parse_network(const std::string& name, std::span<const std::byte> bytes);
/// Returns: NOT_FOUND, UNAVAILABLE; as parse_network().
[[nodiscard]] Result<RankerNetwork> read_network(const std::string& path);

/// Writes the file, whole and on disk when it returns OK. Returns: UNAVAILABLE.
[[nodiscard]] Status write_network(const std::string& path, const RankerNetwork& network);

}  // namespace cairn::ranking
