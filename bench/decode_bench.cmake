find_package(simdjson REQUIRED)
target_sources(bench_decode PRIVATE on_demand_peer.cc)
target_link_libraries(bench_decode PRIVATE simdjson::simdjson)
set_source_files_properties(on_demand_peer.cc PROPERTIES COMPILE_OPTIONS "-O3;-march=native")
