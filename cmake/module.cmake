# module(NAME [PUBLIC dep...] [PRIVATE dep...] [EXTERNAL lib...] [EXCLUDE regex])
#
# One folder under src/ becomes one static library, its unit tests (NAME_test, from *_test.cc and
# *_test.h), a link test and a header test. Only modules already declared may be named, so no cycle can
# exist; a module sees only the headers of what it names, because each has an include root of its own.
#
# EXTERNAL: imported targets or library names from Debian; PRIVATE to the module's sources unless they
# stand behind the word PUBLIC_EXTERNAL, for the rare library whose types are part of a module's words.
find_package(GTest REQUIRED)

function(module name)
  cmake_parse_arguments(M "" "EXCLUDE" "PUBLIC;PRIVATE;EXTERNAL;PUBLIC_EXTERNAL" ${ARGN})
  foreach(dep IN LISTS M_PUBLIC M_PRIVATE)
    if(NOT TARGET ${dep})
      message(FATAL_ERROR "module ${name} depends on ${dep}, which is not below it in src/CMakeLists.txt")
    endif()
  endforeach()
  set(here ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${here}/*.cc)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${here}/*.h)
  if(M_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${M_EXCLUDE})
    list(FILTER headers EXCLUDE REGEX ${M_EXCLUDE})
  endif()
  list(FILTER headers EXCLUDE REGEX "_test\\.h$")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER headers EXCLUDE REGEX "_test\\.h$")

  set(root ${CMAKE_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${root})
  file(CREATE_LINK ${here} ${root}/${name} SYMBOLIC)
  list(TRANSFORM headers REPLACE ${here} ${root}/${name})

  if(sources)
    add_library(${name} STATIC ${sources})
    target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${root} FILES ${headers})
    target_link_libraries(${name} PUBLIC ${M_PUBLIC} ${M_PUBLIC_EXTERNAL} PRIVATE ${M_PRIVATE} ${M_EXTERNAL})
    target_compile_options(${name} PRIVATE ${TIDEMILL_WARNINGS})
    add_executable(${name}_link_test ${PROJECT_SOURCE_DIR}/cmake/link_main.cc)
    target_link_libraries(${name}_link_test PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${name}>)
  else()
    message(FATAL_ERROR "module ${name} has no source file")
  endif()
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${M_PRIVATE} ${M_EXTERNAL} GTest::gmock GTest::gtest_main)
    target_compile_options(${name}_test PRIVATE ${TIDEMILL_WARNINGS})
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# Lets a module's unit tests link further modules (host_sim, above all) without the module itself doing
# so. Called after the modules that it names are declared.
function(module_test_uses name)
  target_link_libraries(${name}_test PRIVATE ${ARGN})
endfunction()

# Members left out of a designated initialiser take their defaults: that is what the form is for.
set(TIDEMILL_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
                      -Wno-missing-designated-field-initializers)
