#include "tests/support/host_names.h"

#include <dlfcn.h>
#include <netdb.h>

#include <map>
#include <mutex>
#include <string_view>

namespace cairn::test {
namespace {

struct Meaning {
  std::vector<std::string> addresses;
  int error = EAI_NONAME;  // without addresses
  int lookups = 0;
};

std::mutex mutex;

std::map<std::string, Meaning>& meanings() {
  static std::map<std::string, Meaning> all;
  return all;
}

using LookUp = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

LookUp system_look_up() {
  static const auto look_up = reinterpret_cast<LookUp>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return look_up;
}

Meaning meaning_of(const std::string& name) {
  const std::lock_guard lock(mutex);
  Meaning& meaning = meanings()[name];
  ++meaning.lookups;
  return meaning;
}

int look_up(const Meaning& meaning, const char* service, const addrinfo* hints, addrinfo** found) {
  *found = nullptr;
  addrinfo** end = found;
  int error = meaning.error;
  for (const std::string& address : meaning.addresses) {
    addrinfo numeric = hints == nullptr ? addrinfo{} : *hints;
    numeric.ai_flags = AI_NUMERICHOST;
    error = system_look_up()(address.c_str(), service, &numeric, end);
    while (*end != nullptr) end = &(*end)->ai_next;  // glibc frees a list entry by entry
  }
  return *found != nullptr ? 0 : error;
}

}  // namespace

void HostNames::set(const std::string& name, const std::vector<std::string>& addresses) {
  const std::lock_guard lock(mutex);
  meanings()[name].addresses = addresses;
}

void HostNames::fail(const std::string& name, int error) {
  const std::lock_guard lock(mutex);
  meanings()[name].addresses.clear();
  meanings()[name].error = error;
}

int HostNames::lookups(const std::string& name) {
  const std::lock_guard lock(mutex);
  return meanings()[name].lookups;
}

}  // namespace cairn::test

// Visible, so that shared libraries take it for the one of the C library.
extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* name, const char* service,
                                                                  const addrinfo* hints, addrinfo** found) {
  using namespace cairn::test;
  if (name == nullptr || !std::string_view(name).ends_with(".cairn.test")) {
    return system_look_up()(name, service, hints, found);
  }
  return look_up(meaning_of(name), service, hints, found);
}
