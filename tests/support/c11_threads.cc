// librdkafka makes its threads, locks and conditions with <threads.h>. ThreadSanitizer (of GCC 12 and of clang 14) does
// not intercept these functions: it knows nothing of such a thread, crashes in the first one that allocates, and sees
// no order in what two threads pass each other under such a lock. Here they go by way of pthreads, which it intercepts.
// A program that has them in it uses them in place of the C library's, and so do its shared libraries.
//
// What sets up and destroys them is left to the C library, so that it counts as no access: librdkafka orders it by atomics,
// which are not seen.
//
// Linked only into what is built with ThreadSanitizer (tools/cmake/CairnTargets.cmake).
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <new>

#pragma GCC visibility push(default)
extern "C" {

// ThreadSanitizer's own. Called by their usual names from librdkafka, they would be passed over (tests/tsan.supp); the
// caller that they see here is this file.
int __interceptor_pthread_rwlock_rdlock(pthread_rwlock_t* lock);
int __interceptor_pthread_rwlock_wrlock(pthread_rwlock_t* lock);
int __interceptor_pthread_rwlock_unlock(pthread_rwlock_t* lock);

}  // extern "C"

namespace {

// In glibc the types of both kinds are the same inside, and so one that the C library set up is a pthread's.
static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t));
static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t));
static_assert(sizeof(once_flag) == sizeof(pthread_once_t));

pthread_mutex_t* as_pthread(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* as_pthread(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

int result(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case EBUSY:
      return thrd_busy;
    case ETIMEDOUT:
      return thrd_timedout;
    case ENOMEM:
      return thrd_nomem;
    default:
      return thrd_error;
  }
}

struct Start {
  thrd_start_t function;
  void* argument;
};

void* run(void* passed) {
  const Start start = *static_cast<Start*>(passed);
  delete static_cast<Start*>(passed);
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(start.function(start.argument)));
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto* start = new (std::nothrow) Start{function, argument};
  if (start == nullptr) return thrd_nomem;
  const int error = pthread_create(thread, nullptr, run, start);
  if (error != 0) delete start;
  return result(error == EAGAIN ? ENOMEM : error);
}

int thrd_join(thrd_t thread, int* exit_code) {
  void* value = nullptr;
  const int error = pthread_join(thread, &value);
  if (exit_code != nullptr) *exit_code = static_cast<int>(reinterpret_cast<std::intptr_t>(value));
  return result(error);
}

int thrd_detach(thrd_t thread) { return result(pthread_detach(thread)); }

int mtx_lock(mtx_t* mutex) { return result(pthread_mutex_lock(as_pthread(mutex))); }
int mtx_trylock(mtx_t* mutex) { return result(pthread_mutex_trylock(as_pthread(mutex))); }
int mtx_timedlock(mtx_t* mutex, const timespec* until) {
  return result(pthread_mutex_timedlock(as_pthread(mutex), until));
}
int mtx_unlock(mtx_t* mutex) { return result(pthread_mutex_unlock(as_pthread(mutex))); }

int cnd_signal(cnd_t* condition) { return result(pthread_cond_signal(as_pthread(condition))); }
int cnd_broadcast(cnd_t* condition) { return result(pthread_cond_broadcast(as_pthread(condition))); }
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return result(pthread_cond_wait(as_pthread(condition), as_pthread(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return result(pthread_cond_timedwait(as_pthread(condition), as_pthread(mutex), until));
}

void call_once(once_flag* flag, void (*function)()) { pthread_once(reinterpret_cast<pthread_once_t*>(flag), function); }

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) { return __interceptor_pthread_rwlock_rdlock(lock); }
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) { return __interceptor_pthread_rwlock_wrlock(lock); }
int pthread_rwlock_unlock(pthread_rwlock_t* lock) { return __interceptor_pthread_rwlock_unlock(lock); }

}  // extern "C"
#pragma GCC visibility pop
