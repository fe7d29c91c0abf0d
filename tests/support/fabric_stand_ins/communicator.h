// The stand-in's ncclComm: members that have found each other, in a ring.
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_COMMUNICATOR_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_COMMUNICATOR_H_

#include <nccl.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fabric_stand_ins/faults.h"
#include "tests/support/fabric_stand_ins/wire.h"

namespace muster::stand_in {

// What a member tells the root, and the root all members.
struct Hello {
  uint64_t magic = 0;  // of the unique id
  int rank = 0;
  int members = 0;
  int version = 0;
  uint64_t host_hash = 0;
  unsigned int pci_bus = 0;
  char name[128] = {};  // Member::Text()
  Address listener;
};

struct UniqueId {
  uint64_t magic = 0;
  Address root;
};
static_assert(sizeof(UniqueId) <= NCCL_UNIQUE_ID_BYTES);

// Starts the thread that introduces the members to each other; it waits for
// them as long as the process lives.
ncclResult_t StartRoot(UniqueId* id);

// Version as ncclGetVersion tells it.
int Version();

}  // namespace muster::stand_in

// Job: one communicator.
// Life cycle: Init on any thread; Reduce on the stream's; AbortAll from any
// thread ends both. Deleted when neither runs.
struct ncclComm {
 public:
  ncclComm(int members, int rank, int gpu);

  ncclResult_t Init(const muster::stand_in::UniqueId& id);
  // In place of `data`. ncclSuccess also after an abort.
  ncclResult_t Reduce(float* data, size_t count, ncclRedOp_t operation);

  muster::stand_in::Abort abort;
  // What ncclCommGetAsyncError says.
  std::atomic<ncclResult_t> state{ncclInProgress};
  // So many times more it says "in progress" after a call.
  std::atomic<int> busy{0};
  std::atomic<int> reducing{0};
  std::thread init;

 private:
  ncclResult_t Introduce(const muster::stand_in::UniqueId& id,
                         const muster::stand_in::Wire& listener,
                         muster::stand_in::Hello* own);
  ncclResult_t Compare() const;
  ncclResult_t Link(const muster::stand_in::Wire& listener);
  ncclResult_t Ring(float* data, size_t count, ncclRedOp_t operation);
  ncclResult_t Fail(muster::stand_in::Way way, int peer) const;
  // Faults that strike here, or on one of the two links.
  const muster::stand_in::Fault* Find(const char* kind) const;
  muster::stand_in::Member PeerAt(int rank) const;
  void LogChannels() const;
  int next() const { return (rank_ + 1) % members_; }
  int previous() const { return (rank_ + members_ - 1) % members_; }

  const int members_;
  const int rank_;
  const int gpu_;
  std::vector<muster::stand_in::Hello> table_;
  muster::stand_in::Wire to_next_;
  muster::stand_in::Wire from_previous_;
};

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_COMMUNICATOR_H_
