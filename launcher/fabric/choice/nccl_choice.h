// Which NCCL the self-test loads: the one that the job will load.
#ifndef MUSTER_LAUNCHER_FABRIC_CHOICE_NCCL_CHOICE_H_
#define MUSTER_LAUNCHER_FABRIC_CHOICE_NCCL_CHOICE_H_

#include <string>
#include <vector>

#include "env/variables.h"

namespace muster::fabric {

// The origin of the one that the user named.
inline constexpr char kNcclOfFlag[] = "--nccl-library";

struct NcclSearch {
  std::string nccl_library;          // --nccl-library; "" to look for it
  std::vector<std::string> command;  // the job's; none with `muster check`
  env::Variables variables;          // as the job's workers have
  std::string directory;             // absolute: where they run
};

struct NcclChoice {
  std::string file;    // "": what the loader finds by the library's name
  std::string origin;  // whose it is: "python3's, /opt/venv/bin/python3"
};

// What the program would load that the command runs (command_program.h),
// by the loader's own rules:
//   LD_PRELOAD             beats everything
//   a Python with PyTorch  what its libtorch_cuda.so asks for. PyTorch's wheels
//                          ask for nvidia/nccl/lib beside them before anything
//                          in LD_LIBRARY_PATH; one that was built for a
//                          container asks for the system's, whatever wheels
//                          there are; one with an NCCL inside loads none, and
//                          is tested with the system's
//   another Python         the wheel nvidia-nccl-cu*, which TensorFlow and JAX
//                          load; else its Conda environment's
//   another program        what it is linked with
// and where these ask for none LD_LIBRARY_PATH's, then the system's. Without a
// command, or with one that does not tell, such as a shell's, the python3 of
// PATH stands for it, where that one has an NCCL of its own.
//
// Looks at files, and starts nothing. The file may be one that can't be loaded.
NcclChoice ChooseNccl(const NcclSearch& search);

// What is said where that choice could not be loaded, for the `problem` that
// the loader named.
std::string NcclProblemText(const NcclChoice& choice,
                            const std::string& problem);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_CHOICE_NCCL_CHOICE_H_
