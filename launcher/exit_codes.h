// The exit codes of muster itself. A worker's own code is passed on as it is,
// and a worker that died of signal n gives 128+n; report.json tells whose code
// it was.
#ifndef MUSTER_LAUNCHER_EXIT_CODES_H_
#define MUSTER_LAUNCHER_EXIT_CODES_H_

namespace muster::launcher {

inline constexpr int kSuccess = 0;          // every worker ended with 0
inline constexpr int kPartly = 1;           // runs, ..., get: not all of it
inline constexpr int kUsage = 64;           // the command line is wrong
inline constexpr int kRendezvous = 69;      // not all nodes joined in time
inline constexpr int kInternal = 70;        // a fault of muster's own
inline constexpr int kNodeLost = 75;        // a node went away: try again
inline constexpr int kFabric = 76;          // self-test failed, none to blame
inline constexpr int kAuth = 77;            // wrong or missing token
inline constexpr int kConfig = 78;          // the agents' settings differ
inline constexpr int kNotExecutable = 126;  // the command cannot be executed
inline constexpr int kNotFound = 127;       // the command is not found
inline constexpr int kSignalBase = 128;     // plus the signal's number

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_EXIT_CODES_H_
