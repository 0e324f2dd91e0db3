# `cmake --install`: the programs, the sample configuration, the systemd unit, and cairn::engine for programs that embed
# it: find_package(cairn), target_link_libraries(app PRIVATE cairn::engine). Headers are those of engine/include alone.
# The modules are static libraries, so what they link has to be found again by whoever links them: cairnConfig.cmake
# asks for exactly the packages that the modules of this build use.
include(CMakePackageConfigHelpers)

# How an installed cairn finds each foreign target that one of its modules links.
set(CAIRN_FINDS_Threads "find_dependency(Threads)")
set(CAIRN_FINDS_ZLIB "find_dependency(ZLIB)")
set(CAIRN_FINDS_TBB "find_dependency(TBB)")
set(CAIRN_FINDS_simdjson "find_dependency(simdjson)")
set(CAIRN_FINDS_date "find_dependency(date)")
set(CAIRN_FINDS_CUDA "find_dependency(CUDAToolkit)")
set(CAIRN_FINDS_nlohmann_json "find_dependency(nlohmann_json)")
set(CAIRN_FINDS_OpenMP "find_dependency(OpenMP)")
foreach(pair PQXX=libpqxx PQ=libpq RDKAFKA=rdkafka)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 name)
  list(GET pair 1 module)
  set(CAIRN_FINDS_PkgConfig_${name}
    "find_dependency(PkgConfig);pkg_check_modules(${name} REQUIRED QUIET IMPORTED_TARGET ${module})")
endforeach()

# cairn_closure(TARGET MODULES_VAR FOREIGN_VAR): the targets of ours that TARGET links, itself included, and the
# imported targets that any of them links.
function(cairn_closure target modules_var foreign_var)
  set(open ${target})
  set(modules "")
  set(foreign "")
  while(open)
    list(POP_FRONT open current)
    get_target_property(aliased ${current} ALIASED_TARGET)
    if(aliased)
      set(current ${aliased})
    endif()
    if(current IN_LIST modules OR current STREQUAL "cairn_flags")
      continue()
    endif()
    list(APPEND modules ${current})
    set(linked "")
    foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
      get_target_property(value ${current} ${property})
      if(value)
        list(APPEND linked ${value})
      endif()
    endforeach()
    foreach(item IN LISTS linked)
      string(REGEX REPLACE "^\\$<(LINK_ONLY|BUILD_INTERFACE):(.*)>$" "\\2" item "${item}")
      if(item MATCHES "^cairn(::|_)")
        list(APPEND open ${item})
      elseif(item MATCHES "::")  # an imported target; it may be visible in its module's folder only
        list(APPEND foreign ${item})
      endif()
    endforeach()
  endwhile()
  list(REMOVE_DUPLICATES foreign)
  set(${modules_var} ${modules} PARENT_SCOPE)
  set(${foreign_var} ${foreign} PARENT_SCOPE)
endfunction()

# cairn_find_commands(FOREIGN OUT_VAR): the lines that find the imported targets.
function(cairn_find_commands foreign out_var)
  set(commands "")
  foreach(item IN LISTS foreign)
    if(item MATCHES "^PkgConfig::(.*)$")
      set(package PkgConfig_${CMAKE_MATCH_1})
    else()
      string(REGEX REPLACE "::.*$" "" package ${item})
    endif()
    if(NOT DEFINED CAIRN_FINDS_${package})
      message(FATAL_ERROR "cairn::engine links ${item}: add to CairnInstall.cmake how an installed cairn finds it")
    endif()
    list(APPEND commands ${CAIRN_FINDS_${package}})
  endforeach()
  list(REMOVE_DUPLICATES commands)
  list(JOIN commands "\n" commands)
  set(${out_var} "${commands}" PARENT_SCOPE)
endfunction()

set(CAIRN_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)
cairn_closure(cairn_engine CAIRN_INSTALLED_MODULES CAIRN_FOREIGN_TARGETS)
cairn_find_commands("${CAIRN_FOREIGN_TARGETS}" CAIRN_FIND_COMMANDS)

install(TARGETS ${CAIRN_INSTALLED_MODULES} EXPORT cairnTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/cairn COMPONENT development
  OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/cairn COMPONENT development)
install(EXPORT cairnTargets NAMESPACE cairn:: DESTINATION ${CAIRN_CMAKE_DIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/include/cairn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development FILES_MATCHING PATTERN "*.h")
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/cairnConfig.cmake.in ${PROJECT_BINARY_DIR}/cairnConfig.cmake
  INSTALL_DESTINATION ${CAIRN_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cairnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cairnConfig.cmake ${PROJECT_BINARY_DIR}/cairnConfigVersion.cmake
  DESTINATION ${CAIRN_CMAKE_DIR} COMPONENT development)

foreach(program cairn cairnd)
  if(TARGET ${program})
    set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
  endif()
endforeach()
if(TARGET cairn_cuda)
  install(TARGETS cairn_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT programs OPTIONAL)
endif()
# The unit names the program by its absolute path, which is the prefix's business.
set(unit ${PROJECT_SOURCE_DIR}/tools/deploy/cairnd.service)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${unit})
file(READ ${unit} unit_text)
string(REPLACE "ExecStart=/usr/bin/" "ExecStart=${CMAKE_INSTALL_FULL_BINDIR}/" unit_text "${unit_text}")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/cairnd.service CONTENT "@unit_text@" @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cairnd.service DESTINATION lib/systemd/system COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/tools/deploy/cairn.sample.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/cairn
  COMPONENT programs)
# The numbers of ranking, to begin one's own with; the library has them built in.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/ranking/default_ranker DESTINATION ${CMAKE_INSTALL_DATADIR}/cairn
  COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
