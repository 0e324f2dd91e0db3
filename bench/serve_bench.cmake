file(GLOB serve_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/serve/*.cc)
find_package(Boost 1.74 REQUIRED)
target_sources(bench_serve PRIVATE ${serve_sources})
# A daemon, and the client that asks it, run as processes of their own.
find_package(nlohmann_json 3.11 REQUIRED)
target_sources(bench_serve PRIVATE ${PROJECT_SOURCE_DIR}/tests/tools/cairnd/process.cc)
target_link_libraries(bench_serve PRIVATE nlohmann_json::nlohmann_json)
add_dependencies(bench_serve cairnd cairn)
target_compile_definitions(bench_serve PRIVATE
  CAIRND_PATH="$<TARGET_FILE:cairnd>" CAIRN_PROGRAM="$<TARGET_FILE:cairn>")
# What a compiler makes of a plain loop, given all it may use.
set_source_files_properties(serve/plain_loop.cc PROPERTIES COMPILE_OPTIONS "-O3;-march=native;-ffast-math")
# A server, and what a bare one is made of.
target_link_libraries(bench_serve PRIVATE cairn::serving Boost::headers cairnd_heap)
set_source_files_properties(serve/bare_responder.cc PROPERTIES COMPILE_OPTIONS -Wno-null-dereference)
