# What every target of muster is compiled with.
get_filename_component(MUSTER_ROOT "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

option(MUSTER_BUILD_TESTS "Build the tests and the benchmarks" ON)
option(MUSTER_STATIC "Link every library but glibc statically" OFF)
option(MUSTER_WERROR "Warnings are errors" OFF)
set(MUSTER_NCCL "AUTO" CACHE STRING
  "The NCCL probe of the fabric's self-test: AUTO, where nccl.h and cuda.h are \
installed; OFF, left out")
set(MUSTER_SANITIZE "" CACHE STRING
  "address (with undefined), thread, or fuzz (address and coverage, clang only)")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(MUSTER_CCACHE ccache)
if(MUSTER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${MUSTER_CCACHE}")
endif()

add_library(muster_options INTERFACE)
target_include_directories(muster_options INTERFACE "${MUSTER_ROOT}")
# Without the last one, asio allocates in one way or another by what was
# included before it, and translation units disagree.
target_compile_definitions(muster_options INTERFACE
  MUSTER_VERSION="${PROJECT_VERSION}" ASIO_STANDALONE ASIO_NO_DEPRECATED
  ASIO_DISABLE_STD_ALIGNED_ALLOC)
target_compile_options(muster_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers
  $<$<BOOL:${MUSTER_WERROR}>:-Werror>)

if(MUSTER_SANITIZE STREQUAL "address")
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(MUSTER_SANITIZE STREQUAL "thread")
  set(sanitizers -fsanitize=thread)
elseif(MUSTER_SANITIZE STREQUAL "fuzz")
  set(sanitizers -fsanitize=address,undefined,fuzzer-no-link
      -fno-sanitize-recover=undefined)
elseif(MUSTER_SANITIZE)
  message(FATAL_ERROR
    "MUSTER_SANITIZE is '${MUSTER_SANITIZE}', not address, thread or fuzz")
endif()
if(sanitizers)
  add_compile_options(${sanitizers} -fno-omit-frame-pointer)
  add_link_options(${sanitizers})
endif()
