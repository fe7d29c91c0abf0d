# muster_library(<folder name> SOURCES ... [PUBLIC libs] [PRIVATE libs])
# One static library per folder, with an alias muster::<name>.
function(muster_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(muster_${name} STATIC ${arg_SOURCES})
  add_library(muster::${name} ALIAS muster_${name})
  target_link_libraries(muster_${name}
    PUBLIC ${arg_PUBLIC} PRIVATE muster_options ${arg_PRIVATE})
endfunction()

# muster_test(<name> LABELS unit SOURCES ... [LINK libs])
# One GoogleTest program; every test in it is a test of CTest with the labels.
function(muster_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE
    muster_options ${arg_LINK} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 30
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
