#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "gpu/matrix.h"
#include "gpu/progress.h"

namespace cairn::gpu {

/// A wide factor model: the score of (user, item) is the dot product of their rows.
struct Teacher {
  MatrixView users = {};
  MatrixView items = {};
};

struct DistilOptions {
  std::size_t dim = 32;  ///< of the student, at most the teacher's
  /// Alternating least squares after the projection, on the teacher's scores of all pairs and, with
  /// `interaction_weight`, on a target of 1 for each interaction.
  std::size_t epochs = 0;
  float interaction_weight = 0.0F;
  float regularization = 0.0F;  ///< λ ‖·‖² of each student vector, in those epochs
  std::size_t threads = 0;      ///< 0: all processors
};

/// A narrow factor model that scores like its teacher.
struct Student {
  std::size_t dim = 0;
  std::vector<float> users = {};  ///< users × dim
  std::vector<float> items = {};  ///< items × dim
  /// teacher dim × dim: a user vector of the teacher, times this, is one that fits `items` (least squares over all
  /// items), so that users who were not there can be folded in by either.
  std::vector<float> user_map = {};
};

/// Starts from the best approximation of the teacher's score matrix of rank `dim` (its truncated singular value
/// decomposition, computed from the factors' Gram matrices), then refines it.
/// `interactions` is users × items and only used with an interaction_weight.
/// Returns: INVALID_ARGUMENT for options or shapes that make no sense; FAILED_PRECONDITION when a system is not
/// positive definite; CANCELLED.
[[nodiscard]] Result<Student> distil(const Teacher& teacher, const SparseView& interactions,
                                     const DistilOptions& options, const Progress& progress = {});

}  // namespace cairn::gpu
