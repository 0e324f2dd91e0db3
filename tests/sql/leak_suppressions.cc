/// libpqxx 6.4 loses the PGresult (some 2 KiB) of a statement under which the connection broke: it throws on the
/// unknown encoding of a dead connection before it owns the result. Read by LeakSanitizer; without it never called.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libpq.so\n"; }
