#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "cairn/status.h"

namespace cairn::state {

/// Whose directory may be used.
enum class Owner : std::uint8_t {
  kOurs,  ///< that of the user this process runs as
  kAny,
};

/// The directory that holds everything an engine must not lose. It alone knows the names in it:
///
///     DIR/state/                the state store (storage/format.md)
///     DIR/event-log/            what the API accepted (streaming/format.md)
///     DIR/erasing               whom to erase, while that is not done (engine/upkeep/erasure_notes.h)
///     DIR/ballast               space for a start on a full disk (engine/upkeep/ballast.h)
///     DIR/dead-letters.ndjson   what could not be used, unless the configuration names another file
///
/// A checkpoint is a directory of the same form, without the dead letters, the ballast and what is being erased.
class StateDirectory {
 public:
  /// Creates the directory, with its parents, when it is absent: open to its owner, readable for his group.
  /// With Owner::kOurs one whose files belong to another user is refused, and so is, to root, one that belongs to
  /// another user itself: what root writes there that user could not open.
  /// Returns: INVALID_ARGUMENT for an empty path, and where a file is in its way; FAILED_PRECONDITION for another
  /// user's; UNAVAILABLE.
  [[nodiscard]] static Result<StateDirectory> open(const std::string& path, Owner owner = Owner::kOurs);

  /// Creates a directory that must not exist, in a parent that does.
  /// Returns: ALREADY_EXISTS, INVALID_ARGUMENT when it cannot be created.
  [[nodiscard]] static Result<StateDirectory> create_new(const std::string& path);

  /// The directory's names, whether or not it is there. Creates nothing.
  [[nodiscard]] static StateDirectory at(const std::string& path) { return StateDirectory(path); }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string store() const { return path_ + "/state"; }
  [[nodiscard]] std::string event_log() const { return path_ + "/event-log"; }
  [[nodiscard]] std::string answers() const { return path_ + "/answers"; }  ///< may be removed at any time
  [[nodiscard]] std::string erasing() const { return path_ + "/erasing"; }
  [[nodiscard]] std::string ballast() const { return path_ + "/ballast"; }
  [[nodiscard]] std::string dead_letters() const { return path_ + "/dead-letters.ndjson"; }

  /// Whether `path`, which need not exist, is the directory or lies in it.
  [[nodiscard]] bool contains(const std::string& path) const;
  /// Puts the names in it, and its own, on the disk. Returns: UNAVAILABLE.
  [[nodiscard]] Status sync() const;
  /// What all files in it take.
  [[nodiscard]] std::uint64_t bytes() const;
  /// Removes it with everything in it.
  void remove() const;

 private:
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace cairn::state
