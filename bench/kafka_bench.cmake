find_package(PkgConfig REQUIRED)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
target_link_libraries(bench_kafka PRIVATE PkgConfig::RDKAFKA)
target_compile_definitions(bench_kafka PRIVATE CAIRN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
