// Pretended GPUs: real shared libraries libcuda.so.1, libnccl.so.2 and
// libnvidia-ml.so.1, in the directory that $<TARGET_FILE_DIR:stand_in_cuda>
// names, for an LD_LIBRARY_PATH. Device memory is the host's, a stream is a
// thread, an all-reduce a ring over TCP. Many pretended hosts may share one
// machine.
//
//   MUSTER_PROBE     "HOST/GPU": who this process is; of an inventory "HOST/".
//                    Not set: this machine's name, GPU 0.
//   STAND_IN_GPUS    GPUs of each host; 4
//   STAND_IN_MEMORY  bytes of a GPU; 80 GiB
//   STAND_IN_GBPS    an all-reduce or a copy takes at least its bytes at so
//   many
//                    GB/s, so that what is healthy is equally fast on a busy
//                    machine; not set: as fast as it can
//   STAND_IN_MODEL   "H100": NVML tells of those; not set: of GPUs of unknown
//                    model, to which no absolute limit applies
//   MUSTER_FAULT     KIND@TARGET[:VALUE], several with ";" between
//
// TARGET is a GPU or a link:
//
//   HOST             each GPU of it          HOST/GPU         that one
//   HOST-HOST        between these two       HOST/GPU-HOST/GPU
//   HOST-*           from this host to any   HOST/GPU-*       from this GPU to
//                    other                                    any other host
//
// Links are those between neighbours in a group's ring, which goes by rank.
//
//   KIND            VALUE           GPU                      link
//   wrong           -               its copies and what it   what passes
//                                   adds to a sum are wrong
//   slow            FACTOR          copies and reductions    reductions
//   hang-init       -               never connects           the same
//   hang-run        -               reductions never end     nothing passes
//   error           CODE[,MESSAGE]  connecting fails         the same
//   error-run       CODE[,MESSAGE]  reductions fail          the same
//   crash           start memory    dies there (run): with   -
//                   init run        the library, a copy, ...
//   missing-symbol  NAME            a library lacks it       -
//   version         CODE            NCCL's, as 22809         -
//   fewer-gpus      COUNT           so many                  -
//   sockets         -               NET/Socket, not NET/IB   -
//   cuda            CODE            cuMemAlloc fails         -
//   driver          VERSION         NVML's                   -
//   nvlink-off      COUNT           links that are down      -
//   processes       COUNT           that use it              -
//   recovery        ACTION          as NVML counts           -
//   ecc             COUNT           uncorrectable errors     -
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_FAULTS_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_FAULTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::stand_in {

// One process: a GPU of a host.
struct Member {
  std::string host;
  std::string gpu;  // "" for an inventory

  // "HOST/GPU".
  static Member Parse(std::string_view text);
  std::string Text() const { return host + "/" + gpu; }
  bool operator==(const Member&) const = default;
};

struct Fault {
  std::string kind;
  std::string target;
  std::string value;

  // As a number; `otherwise` where it has none.
  double Number(double otherwise) const;

  bool HitsGpu(const Member& member) const;
  bool HitsLink(const Member& a, const Member& b) const;
};

// Nothing where the text is not of this form, or has a kind that does not
// exist; then `why` says what is wrong.
std::optional<std::vector<Fault>> ParseFaults(std::string_view text,
                                              std::string* why);

// Job: the faults of this process.
// Threads: any. Those of MUSTER_FAULT are read once; a wrong text ends the
// process.
class Faults {
 public:
  static const Faults& Get();
  explicit Faults(std::vector<Fault> faults, Member self)
      : faults_(std::move(faults)), self_(std::move(self)) {}

  const Member& self() const { return self_; }
  // The first of that kind that hits; null: none.
  const Fault* OfGpu(std::string_view kind) const;
  std::vector<Fault> AllOfGpu(std::string_view kind) const;
  const Fault* OfLink(std::string_view kind, const Member& peer) const;
  // Dies when a crash is due at that place.
  void MayCrash(std::string_view place) const;

 private:
  const std::vector<Fault> faults_;
  const Member self_;
};

}  // namespace muster::stand_in

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_FAULTS_H_
