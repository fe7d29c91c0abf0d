// The self-test for programs: fabric.json, and `muster check --json`.
//
// Speeds (algbw, busbw, limits) are GB/s of 1e9 bytes, busbw as nccl-tests
// define it; a name that ends in _gbit is Gb/s of a line. Fields that do not
// apply, are empty or unknown are left out.
//
//   {
//     "run_id": "train-1",
//     "kind": "nccl",              // what tested: "nccl", "gloo", "off"
//     "kind_from": "...",          // why that
//     "verdict": "fail",           // "pass", "warn", "fail"; "none" where
//                                  // nothing was tested, or not to the end
//     "seconds": 12.3, "rounds": 4,
//     "nodes": [{                  // by index, to which "node" refers
//       "node": 0, "host": "a", "address": "10.0.0.1", "verdict": "pass",
//       "left_out": true,          // the job starts without it
//       "lost": "...",             // why it went away during the test
//       "inventory": {             // absent where it never came
//         "gpus": [{
//           "gpu": 0, "uuid": "GPU-...", "pci": "0000:1b:00.0",
//           "name": "NVIDIA H100 80GB HBM3", "memory_bytes": n,
//           "compute_capability": "9.0", "nvlinks": 18, "nvlinks_off": 0,
//           "pcie_generation": 5, "pcie_width": 16, "mig": true,
//           "processes": n, "problem": "...", "fabric_state": "completed"}],
//         "nics": [{"name": "mlx5_0", "layer": "infiniband", "active": true,
//                   "rate_gbit": 400.0, "state": "ACTIVE"}],
//         "driver": "550.54.15",
//         "nccl": {"version": "2.28.9", "library": "/...", "origin": "...",
//                  "problem": "..."},
//         "gloo": {"problem": "..."},
//         "memlock_bytes": n,      // "unlimited" where it is
//         "shm_bytes": n, "boot_id": "...", "interface": "eth0",
//         "interface_gbit": 25.0, "notes": ["..."], "pretended": true}}],
//     "tests": [{                  // in the order of rounds
//       "phase": "network",        // "solo", "local", "network", "world"
//       "round": 2, "what": "4 pairs across",  // the round's purpose
//       "members": [{"node": 0, "host": "a", "gpu": 3}],  // by rank; no gpu
//                                                         // with Gloo
//       "verdict": "pass",
//       "bytes": n, "seconds": 0.0055, "algbw_gbps": 48.1,
//       "busbw_gbps": 48.1, "connect_seconds": 0.8,
//       "limit": 40.0, "limit_from": "...",
//       "network": "IB", "transports": ["NET/IB/0/GDRDMA"],
//       "nvls": "usable",          // reduction within NVSwitches, by NCCL's
//                                  // log: "off" by the job's settings,
//                                  // "missing" on this node, "usable"
//       "failure": {               // in place of the figures
//         "kind": "timeout",       // "error", "timeout", "wrong_data",
//                                  // "crashed", "stopped", "missing_member",
//                                  // "aborted", "no_probe"
//         "stage": "connect",      // "start", "memory", "connect", "run",
//                                  // "check"
//         "code": 3, "message": "...",
//         "node": 1, "host": "b", "gpu": 3,  // whose it is
//         "peer": {"node": 0, "host": "a", "gpu": 3},  // whom it names
//         "wrong": n,              // elements with wrong data
//         "network": "Socket", "network_reason": "...",  // that it had chosen
//         "log_tail": ["..."], "log": "/path/on/its/node"}}],
//     "findings": [{
//       "verdict": "fail", "phase": "network",
//       "culprit": "link",         // "node", "gpu", "rail", "link", "config",
//                                  // "pair", "fabric"
//       "confidence": "confirmed", // "ambiguous", "probable", "confirmed"
//       "nodes": [0, 1], "hosts": ["a", "b"],
//       "gpus": [{"node": 0, "host": "a", "gpu": 3}], "device": "GPU-...",
//       "message": "...", "evidence": ["..."], "next": "..."}],
//     "notes": ["..."]             // what was not tested, and why
//   }
//
// "nodes", "tests", "findings" and "notes" are always there.
#ifndef MUSTER_LAUNCHER_FABRIC_FABRIC_JSON_H_
#define MUSTER_LAUNCHER_FABRIC_FABRIC_JSON_H_

#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// `report` as indented JSON with a line end; bytes that are not UTF-8 become
// U+FFFD.
std::string FabricToJson(const FabricReport& report);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_FABRIC_JSON_H_
