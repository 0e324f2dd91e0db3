file(GLOB serve_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/serve/*.cc)
find_package(Boost 1.74 REQUIRED)
target_sources(bench_serve PRIVATE ${serve_sources})
# What a compiler makes of a plain loop, given all it may use.
set_source_files_properties(serve/plain_loop.cc PROPERTIES COMPILE_OPTIONS "-O3;-march=native;-ffast-math")
# A server, and what a bare one is made of.
target_link_libraries(bench_serve PRIVATE cairn::serving Boost::headers)
set_source_files_properties(serve/bare_responder.cc PROPERTIES COMPILE_OPTIONS -Wno-null-dereference)
