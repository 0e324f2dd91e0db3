# RocksDB, librdkafka and simdjson are peers here, and what cases look at from outside.
find_package(PkgConfig REQUIRED)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
find_package(simdjson REQUIRED)
find_path(ROCKSDB_INCLUDE rocksdb/db.h REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)

file(GLOB ingest_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/ingest/*.cc)
target_sources(bench_ingest PRIVATE ${ingest_sources} on_demand_peer.cc)
target_include_directories(bench_ingest SYSTEM PRIVATE ${ROCKSDB_INCLUDE})
target_link_libraries(bench_ingest PRIVATE PkgConfig::RDKAFKA simdjson::simdjson ${ROCKSDB_LIBRARY})
target_compile_definitions(bench_ingest PRIVATE
  CAIRN_SOURCE_DIR="${PROJECT_SOURCE_DIR}" CAIRN_BINARY_DIR="${PROJECT_BINARY_DIR}")
set_source_files_properties(on_demand_peer.cc PROPERTIES COMPILE_OPTIONS "-march=native")
