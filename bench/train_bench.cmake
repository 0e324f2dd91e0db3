target_link_libraries(bench_train PRIVATE cairn::gpu_train)
