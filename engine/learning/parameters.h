#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::learning {

/// The parameters given to a training, taken one by one by name, so that what is left over can be refused. One thread.
class Parameters {
 public:
  explicit Parameters(std::map<std::string, std::string> given) : given_(std::move(given)) {}

  /// Each leaves `*value` as it is when the parameter was not given, and notes what is used either way. The first fault
  /// is kept for check().
  void take(const std::string& name, float* value);
  void take(const std::string& name, std::size_t* value);
  void take(const std::string& name, bool* value);
  void take(const std::string& name, std::string* value);

  /// Returns: INVALID_ARGUMENT for a value of another kind, or for names that were not taken, listing those that were.
  [[nodiscard]] Status check() const;
  /// All that were taken, with the values used.
  [[nodiscard]] const std::map<std::string, std::string>& used() const noexcept { return used_; }

 private:
  /// Returns: null when it was not given.
  const std::string* find(const std::string& name);
  void refuse(const std::string& name, const char* expected);

  std::map<std::string, std::string> given_;
  std::map<std::string, std::string> used_;
  Status fault_;
};

}  // namespace cairn::learning
