#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace cairn {

/// A vector whose copies share their elements until one of them is edited: what is handed to many costs each of them
/// one count. Threads: as std::vector; copies in different threads are apart, as if they shared nothing.
template <class T>
class SharedList {
 public:
  SharedList() = default;
  SharedList(std::vector<T> elements) : elements_(std::make_shared<std::vector<T>>(std::move(elements))) {}
  SharedList(std::initializer_list<T> elements) : SharedList(std::vector<T>(elements)) {}

  [[nodiscard]] std::size_t size() const noexcept { return elements_ ? elements_->size() : 0; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] const T* begin() const noexcept { return elements_ ? elements_->data() : nullptr; }
  [[nodiscard]] const T* end() const noexcept { return begin() + size(); }
  [[nodiscard]] const T& operator[](std::size_t i) const { return (*elements_)[i]; }
  [[nodiscard]] const T& at(std::size_t i) const { return elements_ ? elements_->at(i) : std::vector<T>().at(i); }
  [[nodiscard]] const T& front() const { return elements_->front(); }
  [[nodiscard]] const T& back() const { return elements_->back(); }

  friend bool operator==(const SharedList& a, const SharedList& b) {
    return a.elements_ == b.elements_ || std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

  /// The elements of this copy alone.
  [[nodiscard]] std::vector<T>& edit() {
    if (!elements_) {
      elements_ = std::make_shared<std::vector<T>>();
    } else if (elements_.use_count() > 1) {
      elements_ = std::make_shared<std::vector<T>>(*elements_);
    }
    return *elements_;
  }

 private:
  std::shared_ptr<std::vector<T>> elements_;
};

}  // namespace cairn
