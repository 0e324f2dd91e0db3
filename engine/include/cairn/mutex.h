#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

/// Mutexes whose use the compiler checks. A field that says `CAIRN_GUARDED_BY(mutex_)` may be touched only while
/// `mutex_` is held, and a method that says `CAIRN_REQUIRES(mutex_)` may be called only then. Clang's thread safety
/// analysis (`tools/dev thread-safety`, and CI) refuses what breaks such a promise; other compilers see plain classes.
/// See "Thread Safety Analysis" in Clang's documentation for what each attribute means.
#if defined(__clang__)
#define CAIRN_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define CAIRN_THREAD_ATTRIBUTE(x)
#endif

#define CAIRN_CAPABILITY(name) CAIRN_THREAD_ATTRIBUTE(capability(name))
#define CAIRN_SCOPED_CAPABILITY CAIRN_THREAD_ATTRIBUTE(scoped_lockable)
/// The field may be read and written only while the mutex is held (a shared hold is enough to read).
#define CAIRN_GUARDED_BY(...) CAIRN_THREAD_ATTRIBUTE(guarded_by(__VA_ARGS__))
/// The caller holds the mutex.
#define CAIRN_REQUIRES(...) CAIRN_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define CAIRN_REQUIRES_SHARED(...) CAIRN_THREAD_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
/// The caller does not hold the mutex, which the function takes itself.
#define CAIRN_EXCLUDES(...) CAIRN_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define CAIRN_ACQUIRE(...) CAIRN_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define CAIRN_ACQUIRE_SHARED(...) CAIRN_THREAD_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define CAIRN_TRY_ACQUIRE(...) CAIRN_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define CAIRN_RELEASE(...) CAIRN_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define CAIRN_RELEASE_SHARED(...) CAIRN_THREAD_ATTRIBUTE(release_shared_capability(__VA_ARGS__))
#define CAIRN_RELEASE_GENERIC(...) CAIRN_THREAD_ATTRIBUTE(release_generic_capability(__VA_ARGS__))
#define CAIRN_RETURN_CAPABILITY(x) CAIRN_THREAD_ATTRIBUTE(lock_returned(x))

namespace cairn {

class CondVar;

/// std::mutex with the attributes that the analysis needs.
class CAIRN_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() CAIRN_ACQUIRE() { mutex_.lock(); }
  void unlock() CAIRN_RELEASE() { mutex_.unlock(); }
  [[nodiscard]] bool try_lock() CAIRN_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Holds a Mutex from its construction to its destruction. It can be released early and taken again, which is what
/// std::condition_variable_any asks of a lock.
class CAIRN_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CAIRN_ACQUIRE(mutex) : mutex_(mutex), held_(true) { mutex_.lock(); }
  ~MutexLock() CAIRN_RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() CAIRN_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }
  void unlock() CAIRN_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }

 private:
  Mutex& mutex_;
  bool held_;
};

/// std::shared_mutex with the attributes that the analysis needs.
class CAIRN_CAPABILITY("shared_mutex") SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() CAIRN_ACQUIRE() { mutex_.lock(); }
  void unlock() CAIRN_RELEASE() { mutex_.unlock(); }
  void lock_shared() CAIRN_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() CAIRN_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

/// Holds a SharedMutex alone, to write what it guards.
class CAIRN_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) CAIRN_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~WriterLock() CAIRN_RELEASE() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

/// Holds a SharedMutex together with other readers, to read what it guards.
class CAIRN_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) CAIRN_ACQUIRE_SHARED(mutex) : mutex_(mutex) { mutex_.lock_shared(); }
  ~ReaderLock() CAIRN_RELEASE_GENERIC() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

/// A mutex of one byte for what takes well under a microsecond, such as the copy of one row: one stands in each of very
/// many objects, so two threads hardly ever meet. Whoever finds it held gives up the processor soon, in case the holder
/// waits for it.
class CAIRN_CAPABILITY("mutex") SpinMutex {
 public:
  SpinMutex() = default;
  SpinMutex(const SpinMutex&) = delete;
  SpinMutex& operator=(const SpinMutex&) = delete;

  void lock() CAIRN_ACQUIRE() {
    for (int tries = 0; held_.test_and_set(std::memory_order_acquire); ++tries) {
      if (tries >= kTriesMax) std::this_thread::yield();
    }
  }
  void unlock() CAIRN_RELEASE() { held_.clear(std::memory_order_release); }

 private:
  static constexpr int kTriesMax = 64;
  std::atomic_flag held_;
};

/// Holds a SpinMutex.
class CAIRN_SCOPED_CAPABILITY SpinLock {
 public:
  explicit SpinLock(SpinMutex& mutex) CAIRN_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~SpinLock() CAIRN_RELEASE() { mutex_.unlock(); }
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

 private:
  SpinMutex& mutex_;
};

/// A condition variable for a Mutex. There is no form with a predicate: the analysis does not look into a lambda with
/// the locks of the function around it. Write a loop instead:
///
///     const MutexLock lock(mutex_);
///     while (!ready_) changed_.wait(mutex_);
///
/// For a wait that a std::stop_token ends, use std::condition_variable_any with a MutexLock, and give its predicate
/// `CAIRN_REQUIRES(mutex_)`.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  /// Releases `mutex`, waits to be notified (or for no reason at all), and takes it again.
  void wait(Mutex& mutex) CAIRN_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();  // the caller holds it on
  }

  /// The same, until `deadline` at the latest. Returns: std::cv_status::timeout when it has passed.
  template <class Clock, class Duration>
  std::cv_status wait_until(Mutex& mutex, std::chrono::time_point<Clock, Duration> deadline) CAIRN_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, deadline);
    lock.release();
    return status;
  }

  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace cairn
