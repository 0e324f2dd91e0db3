// The daemon's memory comes from jemalloc, as RocksDB's authors advise. The C library's own allocator keeps what was
// freed in pieces between what lives on: a daemon whose live memory stood at 37 MB went on growing by 2 MB a minute
// after caches were full, and with jemalloc stood still from the first minute on.
extern "C" {
/// jemalloc reads this when the program starts. One heap a processor and few bytes kept by each thread, because there
/// are more threads than run at once; what is not used for 5 s goes back to the system, by a thread that does that
/// alone. MALLOC_CONF in the environment goes before it. Visible, or the library would not find it.
extern __attribute__((visibility("default"))) const char* const malloc_conf;
const char* const malloc_conf =  // NOLINT(readability-identifier-naming): jemalloc's name
    "percpu_arena:percpu,background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0,lg_tcache_max:12";
}
