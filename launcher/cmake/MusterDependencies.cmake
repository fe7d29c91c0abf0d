# Every library of muster, as Debian ships it. With MUSTER_STATIC the archives
# of the same packages are linked, and the binary needs only glibc.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)

# Headers only: muster::asio (Debian's libasio-dev has no CMake package).
find_path(MUSTER_ASIO_INCLUDE asio.hpp REQUIRED)
add_library(muster_asio INTERFACE)
add_library(muster::asio ALIAS muster_asio)
target_include_directories(muster_asio SYSTEM INTERFACE ${MUSTER_ASIO_INCLUDE})
target_link_libraries(muster_asio INTERFACE Threads::Threads)

# muster::grpc, muster::protobuf, muster::absl, muster::openssl, muster::log,
# muster::xxhash: what the folders link. Each is the shared library in development
# builds and archives in release builds.
foreach(name grpc protobuf absl openssl log xxhash)
  add_library(muster_dep_${name} INTERFACE)
  add_library(muster::${name} ALIAS muster_dep_${name})
endforeach()
target_link_libraries(muster_dep_absl INTERFACE
  absl::strings absl::status absl::statusor absl::flat_hash_map absl::time
  absl::span absl::str_format absl::any_invocable absl::cleanup)

# Debian's libxxhash-dev has no CMake package. The archive is small enough for
# every build.
find_path(MUSTER_XXHASH_INCLUDE xxhash.h REQUIRED)
find_library(MUSTER_XXHASH NAMES libxxhash.a REQUIRED)
target_include_directories(muster_dep_xxhash SYSTEM INTERFACE
  ${MUSTER_XXHASH_INCLUDE})
target_link_libraries(muster_dep_xxhash INTERFACE ${MUSTER_XXHASH})

if(MUSTER_STATIC)
  # One archive list for gRPC and all that it stands on: their order does not
  # matter inside a group, and Debian's CMake packages name shared objects.
  set(archives)
  foreach(name grpc++ grpc gpr address_sorting upb re2 cares protobuf ssl crypto
          z)
    find_library(MUSTER_ARCHIVE_${name} NAMES lib${name}.a REQUIRED)
    list(APPEND archives "${MUSTER_ARCHIVE_${name}}")
  endforeach()
  get_filename_component(archive_dir "${MUSTER_ARCHIVE_grpc++}" DIRECTORY)
  file(GLOB absl_archives "${archive_dir}/libabsl_*.a")
  list(APPEND archives ${absl_archives})
  add_library(muster_archives INTERFACE)
  target_link_libraries(muster_archives INTERFACE
    -Wl,--start-group ${archives} -Wl,--end-group
    -static-libstdc++ -static-libgcc Threads::Threads ${CMAKE_DL_LIBS})
  # There are no archives of spdlog and fmt: their headers hold all of them.
  find_package(fmt CONFIG REQUIRED)
  target_compile_definitions(muster_dep_log INTERFACE SPDLOG_FMT_EXTERNAL)
  target_link_libraries(muster_dep_log INTERFACE fmt::fmt-header-only)
  set_target_properties(muster_dep_absl PROPERTIES INTERFACE_LINK_LIBRARIES "")
  foreach(name grpc absl openssl)
    target_link_libraries(muster_dep_${name} INTERFACE muster_archives)
  endforeach()
  # Its archive alone, for a program that is not all static.
  target_link_libraries(muster_dep_protobuf INTERFACE
    "${MUSTER_ARCHIVE_protobuf}" Threads::Threads)
else()
  target_link_libraries(muster_dep_grpc INTERFACE gRPC::grpc++ protobuf::libprotobuf)
  target_link_libraries(muster_dep_protobuf INTERFACE protobuf::libprotobuf)
  target_link_libraries(muster_dep_openssl INTERFACE OpenSSL::SSL OpenSSL::Crypto)
  target_link_libraries(muster_dep_log INTERFACE spdlog::spdlog)
endif()
target_link_libraries(muster_dep_grpc INTERFACE muster_dep_absl)

# Gloo is a shared library only, and tests nodes without GPUs. A build goes
# without it.
find_package(Gloo CONFIG QUIET)

# muster_nccl_headers, where MUSTER_NCCL_PROBE is true: headers of the CUDA
# Toolkit and of NCCL. The libraries are loaded at run time.
set(MUSTER_NCCL_PROBE OFF)
if(NOT MUSTER_NCCL STREQUAL "OFF")
  foreach(name cuda nccl)
    find_path(MUSTER_${name}_INCLUDE ${name}.h
      HINTS ENV NCCL_HOME ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda
      PATH_SUFFIXES include)
  endforeach()
  if(MUSTER_cuda_INCLUDE AND MUSTER_nccl_INCLUDE)
    set(MUSTER_NCCL_PROBE ON)
    add_library(muster_nccl_headers INTERFACE)
    target_include_directories(muster_nccl_headers SYSTEM INTERFACE
      ${MUSTER_cuda_INCLUDE} ${MUSTER_nccl_INCLUDE})
  else()
    message(STATUS "fabric: no NCCL probe: nccl.h or cuda.h not found "
      "(install the CUDA Toolkit and NCCL)")
  endif()
else()
  message(STATUS "fabric: no NCCL probe: MUSTER_NCCL is OFF")
endif()

if(MUSTER_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
  include(GoogleTest)
endif()
