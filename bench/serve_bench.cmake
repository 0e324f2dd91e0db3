file(GLOB serve_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/serve/*.cc)
target_sources(bench_serve PRIVATE ${serve_sources})
# What a compiler makes of a plain loop, given all it may use.
set_source_files_properties(serve/plain_loop.cc PROPERTIES COMPILE_OPTIONS "-O3;-march=native;-ffast-math")
