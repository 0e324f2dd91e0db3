include(GNUInstallDirs)

# Programs in the build tree find the CUDA library, which they load at run time; installed ones look in lib.
set(CMAKE_BUILD_RPATH ${PROJECT_BINARY_DIR}/gpu/cuda)

# Flags every target of ours is compiled with. Dependencies' headers are system headers and exempt from warnings.
add_library(cairn_flags INTERFACE)
target_compile_options(cairn_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wunused
  -Wdouble-promotion -Wimplicit-fallthrough -Wno-missing-field-initializers>
  # GCC 12 sees overlaps and uninitialised members in inlined std::string and std::variant code where none can be
  # (GCC bugs 105651 and 105562).
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict -Wno-maybe-uninitialized>)
if(CAIRN_WERROR)
  target_compile_options(cairn_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(CAIRN_FUZZERS)
  target_compile_options(cairn_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
if(CAIRN_SANITIZE)
  target_compile_options(cairn_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all>)
  target_link_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE})
  if(CAIRN_SANITIZE MATCHES "undefined")
    # The packaged libraries are built without RTTI-compatible vtable information for their own classes.
    target_compile_options(cairn_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>)
  endif()
else()
  target_compile_options(cairn_flags INTERFACE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<CONFIG:Debug>>>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>
    $<$<COMPILE_LANGUAGE:CXX>:-fstack-protector-strong>)
endif()

# Under ThreadSanitizer every program that runs librdkafka has the functions in it that start its threads and lock for
# them; the flag takes them out of the archive, where nothing of ours asks for them.
if(CAIRN_SANITIZE MATCHES "thread")
  add_library(cairn_c11_threads STATIC ${PROJECT_SOURCE_DIR}/tests/support/c11_threads.cc)
  target_link_libraries(cairn_c11_threads PRIVATE $<BUILD_INTERFACE:cairn_flags>)
  target_link_options(cairn_c11_threads INTERFACE LINKER:-u,thrd_create)
endif()

# cairn_module(NAME SOURCES file... [PUBLIC lib...] [PRIVATE lib...]): the static library cairn_NAME, alias cairn::NAME,
# whose includes are written from the project's root ("storage/state_store.h").
function(cairn_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(cairn_${name} STATIC ${arg_SOURCES})
  add_library(cairn::${name} ALIAS cairn_${name})
  set_target_properties(cairn_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(cairn_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(cairn_${name} PUBLIC cairn::headers ${arg_PUBLIC}
    PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:cairn_flags>)
endfunction()

# cairn_test(NAME SOURCES file... [LIBS lib...] [LABELS label...] [TIMEOUT seconds]): one doctest program
# NAME_test, and one ctest entry that runs it. CAIRN_DATA and the tools' paths reach the test by environment.
#
# TIMEOUT is the whole program's, 300 without one. A case may take two thirds of it, so that one that hangs is ended by the
# program, which knows its name (tests/doctest_main.cc). Sanitized programs have four times as long. A program that
# skipped a case (tests/support/skip.h) is "Skipped" to ctest, when nothing failed.
function(cairn_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(CAIRN_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
  endif()
  math(EXPR case_seconds "${arg_TIMEOUT} * 2 / 3")
  add_executable(${name}_test ${arg_SOURCES} ${PROJECT_SOURCE_DIR}/tests/doctest_main.cc)
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name}_test PRIVATE ${arg_LIBS} cairn_flags)
  # What is tested is optimised; the tests themselves are compiled quickly.
  target_compile_options(${name}_test PRIVATE -O1)
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" SKIP_RETURN_CODE 77
    ENVIRONMENT "CAIRN_SOURCE_DIR=${PROJECT_SOURCE_DIR};CAIRN_BUILD_DIR=${PROJECT_BINARY_DIR};\
CAIRN_CASE_SECONDS_USUAL=${case_seconds};CAIRN_SKIP_CODE=77")
endfunction()
